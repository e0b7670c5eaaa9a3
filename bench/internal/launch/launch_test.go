package launch_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/launch"
)

// The exit codes of a command.
func ExampleExitCode() {
	fmt.Println(launch.ExitCode(nil), launch.ExitCode(launch.ErrBelow), launch.ExitCode(launch.Usage("--n", "x", "a number", "", nil)))
	// Output: 0 1 2
}

// The skeleton of a command. (Not run here: it would build semabus.)
func Example() {
	run := func(ctx context.Context, _ []string, out, progress io.Writer) error {
		site, err := launch.Open(ctx, launch.Options{}, semabus.SystemClock{}, progress)
		if err != nil {
			return err
		}
		defer site.Close()
		fmt.Fprintln(out, "measuring", site.Binary, "in", site.Dir)
		return launch.ErrBelow
	}
	os.Exit(launch.Main(run))
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	for want, errs := range map[int][]error{
		0: {nil, flag.ErrHelp},
		1: {launch.ErrBelow, fmt.Errorf("peers: %w", launch.ErrBelow)},
		2: {launch.Usage("--x", "1", "2", "choose another", nil)},
		3: {errors.New("something else"), context.Canceled},
	} {
		for _, err := range errs {
			if got := launch.ExitCode(err); got != want {
				t.Errorf("%v: %d, want %d", err, got, want)
			}
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	parse := func(args ...string) error {
		f := flag.NewFlagSet("test", flag.ContinueOnError)
		f.SetOutput(io.Discard)
		f.Int("n", 0, "a number")
		return launch.Parse(f, args)
	}
	if err := parse("--n", "3"); err != nil {
		t.Error(err)
	}
	if err := parse("--help"); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
	for _, args := range [][]string{{"--n", "x"}, {"--m"}, {"--n", "3", "more"}} {
		if err := parse(args...); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, v := range []float64{1, 5, 10} {
		if err := launch.Check(launch.Bound{Flag: "--a", Value: v, Min: 1, Max: 10}); err != nil {
			t.Error(err)
		}
	}
	for _, v := range []float64{0, 11, math.NaN(), math.Inf(1)} {
		err := launch.Check(launch.Bound{Flag: "--a", Value: 1, Min: 1, Max: 1}, launch.Bound{Flag: "--b", Value: v, Min: 1, Max: 10})
		if e, ok := semabus.AsError(err); !ok || e.Field != "--b" || e.Limit != "1–10" {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// TestSite: the place is there, and gone after Close; a folder in memory is refused.
func TestSite(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp(".", ".measure-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := launch.Open(t.Context(), launch.Options{Dir: dir, Binary: "given"}, semabus.SystemClock{}, io.Discard)
	if err != nil || s.Binary != "given" || s.Sync <= 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	s.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	if _, err := launch.Open(t.Context(), launch.Options{Dir: dir + "/nowhere", Binary: "given"}, semabus.SystemClock{}, io.Discard); launch.ExitCode(err) != 3 {
		t.Errorf("a folder that is not there: %v", err)
	}
	if runtime.GOOS == "linux" { // which keeps this folder in memory
		_, err := launch.Open(t.Context(), launch.Options{Dir: "/dev/shm", Binary: "given"}, semabus.SystemClock{}, io.Discard)
		if e, ok := semabus.AsError(err); !ok || e.Field != "--dir" {
			t.Errorf("a folder in memory: %v", err)
		}
	}
}
