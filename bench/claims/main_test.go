package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	main "github.com/semabus/semabus/bench/claims"
	"github.com/semabus/semabus/bench/internal/claim"
	"github.com/semabus/semabus/bench/internal/launch"
	"github.com/semabus/semabus/bench/internal/node"
)

// binary is semabus, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == claim.ProducerArg { // a test has started it, to kill it
		os.Exit(launch.Main(main.Run))
	}
	dir, err := os.MkdirTemp("", "semabus-bench-test-")
	if err == nil {
		binary, err = node.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// report is the JSON object on the last line.
type report struct {
	Claims map[string]struct {
		Values map[string]float64
		Gates  map[string]float64
		Held   bool
	}
	Seed uint64
	Held bool
}

// run is the command with the arguments; what it measures is on the disk of the working tree, which is never in memory.
func run(t *testing.T, args string) (r report, err error) {
	t.Helper()
	dir, err := os.MkdirTemp(".", ".measure-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var stdout, stderr bytes.Buffer
	err = main.Run(t.Context(), append([]string{"--semabus", binary, "--dir", dir, "--json"}, strings.Fields(args)...), &stdout, &stderr)
	t.Logf("%s: %v\n%s%s", args, err, &stdout, &stderr)
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if launch.ExitCode(err) <= 1 {
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
			t.Fatalf("%v: %s", err, lines[len(lines)-1])
		}
	}
	return r, err
}

// TestTasks: each thing goes wrong once.
func TestTasks(t *testing.T) {
	t.Parallel()
	r, err := run(t, "--claims tasks --tasks 1200 --kills 1 --seed 7")
	if err != nil {
		t.Fatal(err)
	}
	got := r.Claims["tasks"]
	for _, kind := range []string{"kills", "stops", "stalls", "cuts", "lost_answers"} {
		if got.Values[kind] != 1 {
			t.Errorf("%s: %v, want 1", kind, got.Values[kind])
		}
	}
	if !r.Held || !got.Held || got.Values["tasks"] != 1200 || got.Values["executions"] < 1200+1200/50 || r.Seed != 7 {
		t.Errorf("%+v", r)
	}
}

// TestTransactions kills a few producers.
func TestTransactions(t *testing.T) {
	t.Parallel()
	r, err := run(t, "--claims transactions --producers 12 --seed 5")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Claims["transactions"]; !got.Held || got.Values["producers_killed"] != 12 || got.Values["orders_begun"] < 12 {
		t.Errorf("%+v", got)
	}
}

// TestBackoff is on a clock that is moved by hand: it holds on every machine.
func TestBackoff(t *testing.T) {
	t.Parallel()
	r, err := run(t, "--claims backoff --retries 20 --seed 3")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Claims["backoff"]; !got.Held || got.Values["retries"] != 20*12 {
		t.Errorf("%+v", got)
	}
}

// TestInTime tries what depends on the machine: it must be measured, and may be slow.
func TestInTime(t *testing.T) {
	t.Parallel()
	r, err := run(t, "--claims reconnect,heartbeats --cuts 12 --away 30ms --members 150 --heartbeat 200ms --watch 1s")
	if launch.ExitCode(err) > 1 {
		t.Fatal(err)
	}
	if got := r.Claims["reconnect"].Values; got["cuts"] != 12 || got["p99_ms"] < got["p50_ms"] || got["max_ms"] < got["p99_ms"] {
		t.Errorf("reconnect: %v", got)
	}
	got := r.Claims["heartbeats"]
	if got.Values["members"] != 150 || got.Values["lost_members"] != 0 || got.Values["window_s"] < 1 {
		t.Errorf("heartbeats: %+v", got)
	}
	if _, measured := got.Values["cpu_percent_of_core"]; !measured || got.Gates["cpu_percent_of_core"] != 5 {
		t.Errorf("heartbeats: %+v", got)
	}
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--claims immortality", "--tasks 3", "--kills 9999", "--members 0", "--watch soon", "more"} {
		if _, err := run(t, args); launch.ExitCode(err) != 2 {
			t.Errorf("%s: %v", args, err)
		}
	}
}
