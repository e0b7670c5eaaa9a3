package good_test

import (
	"fmt"

	"example.com/good"
)

func Example() {
	fmt.Println(good.Version)
	// Output: v0
}
