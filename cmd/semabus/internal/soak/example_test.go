package soak_test

import (
	"fmt"

	"github.com/semabus/semabus/cmd/semabus/internal/soak"
)

// What verify prints decides over its exit code.
func ExampleVerdict_Held() {
	fmt.Println(soak.Verdict{Acked: 100, Effects: 100, Delivered: 104, DisconnectsSeen: 3}.Held())
	fmt.Println(soak.Verdict{Acked: 100, Effects: 99, Missing: 1}.Held())
	// Output:
	// true
	// false
}
