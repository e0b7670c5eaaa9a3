package workload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/semabus/semabus/bench/internal/workload"
)

// Somebody's wish, and a message of somebody else who has it.
func Example() {
	fmt.Println(workload.Intent(0, "a", "group", "set").Description)
	fmt.Println(string(workload.NewTexts(1, 1, 60).Next(17)))
	// Output:
	// people who want to cancel a invoice at home
	// Hello, I would like to cancel my invoice at home as soon as possible. Reference 17.
}

func TestIntentsDiffer(t *testing.T) {
	t.Parallel()
	const n = 120_000
	seen := make(map[string]bool, n)
	for i := range n {
		in := workload.Intent(i, "name", "group", "set")
		if seen[in.Description] || len(in.Examples) < 2 || in.Name != "name" || in.Group != "group" || in.Set != "set" {
			t.Fatalf("intent %d: %+v", i, in)
		}
		seen[in.Description] = true
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 64, 256, 4096} {
		seen, bytes := map[string]bool{}, 0
		a, again := workload.NewTexts(1, 1000, size), workload.NewTexts(1, 1000, size)
		for i := range 500 {
			s := string(a.Next(uint64(i)))
			if seen[s] {
				t.Fatalf("size %d: %q is there twice", size, s)
			}
			seen[s] = true
			bytes += len(s)
			if !strings.Contains(s, fmt.Sprintf(" Reference %d.", i)) {
				t.Errorf("%q has no number of its own", s)
			}
			if other := string(again.Next(uint64(i))); other != s {
				t.Fatalf("the same seed made %q and %q", s, other)
			}
		}
		if mean := bytes / 500; size >= 256 && (mean < size-20 || mean > size+20) {
			t.Errorf("size %d: texts have %d bytes on average", size, mean)
		}
	}
}
