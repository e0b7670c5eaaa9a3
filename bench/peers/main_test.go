package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/launch"
	"github.com/semabus/semabus/bench/internal/node"
	main "github.com/semabus/semabus/bench/peers"
)

// binary is semabus, built once for all tests.
var binary string

// TestMain plays the JetStream server when peers starts this program as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == main.ServeArg {
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

// run is the command with the arguments; what it measures is on the disk of the working tree, which is never in memory.
func run(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	dir, err := os.MkdirTemp(".", ".measure-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var stdout, stderr bytes.Buffer
	err = main.Run(t.Context(), append([]string{"--semabus", binary, "--dir", dir}, args...), &stdout, &stderr)
	if t.Failed() || err != nil {
		t.Logf("%s%s", &stdout, &stderr)
	}
	return stdout.String(), err
}

// last is the JSON object on the last line.
func last(t *testing.T, out string) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	got := map[string]any{}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return got
}

// peers are those that can be measured here. The gate's machine has all of them.
func peers(t *testing.T) (list string, redis bool) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Log("redis-server is not installed: it is left out")
		return "semabus,jetstream", false
	}
	return "semabus,jetstream,redis", true
}

// TestPeers publishes to every peer, over a connection for each publisher and over shared ones, one by one and with a window.
func TestPeers(t *testing.T) {
	t.Parallel()
	list, redis := peers(t)
	for _, args := range []string{"--publishers 3 --window 1", "--publishers 3 --window 4", "--publishers 5 --window 3 --connections 2"} {
		out, err := run(t, append(strings.Fields(args), "--peers", list, "--rounds", "1", "--seconds", "0.3", "--intents", "20", "--json", "--no-gate")...)
		if err != nil {
			t.Fatal(err)
		}
		got := last(t, out)
		for _, key := range []string{"publishers", "window", "size", "rounds", "seconds", "semabus_per_s", "jetstream_always_per_s",
			"jetstream_default_per_s", "ratio_jetstream_always", "ratio_jetstream_default", "fsync_ms"} {
			if v, ok := got[key].(float64); !ok || v <= 0 {
				t.Errorf("%s: %s is %v", args, key, got[key])
			}
		}
		names := []string{"semabus", "jetstream_always", "jetstream_default"}
		if v, ok := got["redis_always_per_s"].(float64); ok != redis || redis && v <= 0 {
			t.Errorf("%s: redis_always_per_s is %v", args, got["redis_always_per_s"])
		}
		if redis {
			names = append(names, "redis_always")
		}
		for _, key := range []string{"p50_ms", "p99_ms", "cpu_us_per_msg"} {
			of, ok := got[key].(map[string]any)
			if !ok || len(of) != len(names) {
				t.Errorf("%s: %s is %v", args, key, got[key])
			}
			for _, name := range names {
				if _, ok := of[name].(float64); !ok {
					t.Errorf("%s: %s has no %s: %v", args, key, name, of)
				}
			}
		}
	}
}

// TestAlone takes each figure of semabus in little.
func TestAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args string
		keys []string
	}{
		"latency": {"--rate 300 --seconds 0.3 --intents 20", []string{"p50_ms", "p99_ms", "published_per_s", "delivered_per_s"}},
		"settle":  {"--messages 400 --members 3", []string{"settles_per_s"}},
		"fanout":  {"--seconds 0.3 --publishers 2 --intents 40", []string{"deliveries_per_s", "published_per_s", "groups_a_message"}},
		"memory":  {"--messages 200 --intents 20 --rest 10ms", []string{"resident_mib", "end_mib", "peak_mib", "live_messages"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := run(t, append(strings.Fields(c.args), "--measure", name, "--rounds", "1", "--json", "--no-gate")...)
			if err != nil {
				t.Fatal(err)
			}
			got := last(t, out)
			values, ok := got["values"].(map[string]any)
			if !ok || got["name"] != name {
				t.Fatalf("%v", got)
			}
			for _, key := range c.keys {
				if v, ok := values[key].(float64); !ok || v <= 0 {
					t.Errorf("%s is %v", key, values[key])
				}
			}
		})
	}
}

// TestTopic sends a topic to ten groups instead.
func TestTopic(t *testing.T) {
	t.Parallel()
	out, err := run(t, "--measure", "fanout", "--topic", "--seconds", "0.3", "--publishers", "2", "--rounds", "1", "--json", "--no-gate")
	if err != nil {
		t.Fatal(err)
	}
	if got := last(t, out)["values"].(map[string]any)["groups_a_message"]; got != 10.0 {
		t.Errorf("a message reached %v groups, want 10", got)
	}
}

// TestBelow: a figure below its gate is the exit code of its own; one alone cannot be, for a contest of one has no ratio.
func TestBelow(t *testing.T) {
	t.Parallel()
	_, err := run(t, "--measure", "settle", "--messages", "1", "--members", "1", "--rounds", "1") // one settlement, with all the joining
	if !errors.Is(err, launch.ErrBelow) {
		t.Errorf("one settlement in a while: %v", err)
	}
	if _, err := run(t, "--peers", "semabus", "--publishers", "1", "--seconds", "0.1", "--rounds", "1", "--intents", "20"); err != nil {
		t.Errorf("nobody to be compared with: %v", err)
	}
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--publishers 0", "--window -1", "--size 9999999", "--seconds NaN", "--peers kafka", "--measure beauty",
		"--rounds many", "extra", "--rate -1", "--members -4"} {
		_, err := run(t, strings.Fields(args)...)
		if launch.ExitCode(err) != 2 {
			t.Errorf("%s: %v", args, err)
		}
	}
	_, err := run(t, "--redis", "no-such-server")
	e, ok := semabus.AsError(err)
	if !ok || e.Field != "--redis" || !strings.Contains(e.Fix, "apt-get install redis-server") || launch.ExitCode(err) != 3 {
		t.Errorf("without redis-server: %v", err)
	}
	if _, err := run(t, "--help"); launch.ExitCode(err) != 0 {
		t.Errorf("--help: %v", err)
	}
}
