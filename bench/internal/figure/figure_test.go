package figure_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/figure"
)

// What can be measured.
func ExampleNames() {
	fmt.Println(figure.Names(), figure.Known(figure.Fanout))
	// Output: [latency settle fanout memory] <nil>
}

// Latency at a steady rate. (Not run here: the tests of the command peers measure everything in little.)
func Example() {
	r, err := figure.Measure(context.Background(), figure.Latency, figure.Options{Seconds: 5, Intents: 1000},
		figure.Env{Dir: os.TempDir(), Binary: "semabus", Clock: semabus.SystemClock{}, Progress: os.Stderr})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = r.WriteText(os.Stdout)
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for _, name := range figure.Names() {
		if err := figure.Known(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := figure.Measure(t.Context(), "beauty", figure.Options{}, figure.Env{}); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
		t.Errorf("%v", err)
	}
}

// TestNoNode: what cannot be run is an error, never a figure.
func TestNoNode(t *testing.T) {
	t.Parallel()
	for _, name := range figure.Names() {
		_, err := figure.Measure(t.Context(), name, figure.Options{Rounds: 1, Seconds: 1, Intents: 10, Publishers: 1},
			figure.Env{Dir: t.TempDir(), Binary: "no-such-program", Clock: semabus.SystemClock{}, Progress: os.Stderr})
		if semabus.CodeOf(err) != semabus.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
