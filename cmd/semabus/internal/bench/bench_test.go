package bench_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/bench"
	"github.com/semabus/semabus/cmd/semabus/internal/child"
	"github.com/semabus/semabus/cmd/semabus/internal/root"
)

// TestMain plays the node when bench starts this program as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(root.Main("test", os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// run is `semabus bench` with the arguments.
func run(t *testing.T, args ...string) (out, errs string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := bench.Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	err = c.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

// keys of the JSON result, in order.
var keys = []string{"publishers", "window", "groups", "intents", "size", "seconds", "rate", "published_per_s", "delivered_per_s",
	"ack_p50_ms", "ack_p99_ms", "e2e_p50_ms", "e2e_p99_ms", "cpu_us_per_msg", "rss_mib", "errors"}

func check(t *testing.T, out, errs string, err error) map[string]float64 {
	t.Helper()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	var got map[string]float64
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, k := range keys {
		if _, ok := got[k]; !ok || len(got) != len(keys) {
			t.Errorf("no %s, or one key too many, in %s", k, out)
		}
	}
	for _, k := range []string{"published_per_s", "delivered_per_s", "ack_p50_ms", "ack_p99_ms", "e2e_p50_ms", "e2e_p99_ms", "rss_mib"} {
		if got[k] <= 0 {
			t.Errorf("%s is %v", k, got[k])
		}
	}
	if got["errors"] != 0 {
		t.Errorf("%v errors\n%s", got["errors"], errs)
	}
	return got
}

// TestOwnNode measures a node that bench starts itself, each publisher waiting for its acks.
func TestOwnNode(t *testing.T) {
	t.Parallel()
	out, errs, err := run(t, "--publishers", "4", "--groups", "3", "--intents", "60", "--seconds", "0.5", "--json")
	check(t, out, errs, err)
}

// TestGivenNode measures a node that runs already, with a window and a rate, and leaves no intent behind.
func TestGivenNode(t *testing.T) {
	t.Parallel()
	node, err := child.StartNode(t.Context(), child.NodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	args := []string{"--addr", node.GRPC, "--http", node.HTTP, "--publishers", "2", "--window", "16", "--groups", "2", "--intents", "40",
		"--seconds", "0.5", "--rate", "400"}
	out, errs, err := run(t, append(args, "--json")...)
	if got := check(t, out, errs, err); got["published_per_s"] > 800 {
		t.Errorf("%v published a second at a rate of 400", got["published_per_s"])
	}
	c, err := client.Dial(t.Context(), node.GRPC, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if left, err := c.ListIntents(t.Context(), ""); err != nil || len(left) > 0 {
		t.Errorf("%d intents left behind, %v", len(left), err)
	}
	if _, err := c.RegisterIntent(t.Context(), semabus.Intent{Name: "somebody's", Description: "orders for coffee"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := run(t, args...); semabus.CodeOf(err) != semabus.CodeFailedPrecondition {
		t.Errorf("a tenant with intents: %v", err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--publishers 0", "--window -1", "--size 9999999", "--seconds NaN", "--rate -2", "--groups 5 --intents 4"} {
		_, _, err := run(t, strings.Fields(args)...)
		if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument || !strings.HasPrefix(args, e.Field) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	cpu := 12.5
	r := bench.Result{Options: bench.Options{Publishers: 64, Window: 1}, PublishedPerS: 15000, CPU: &cpu}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"64 publishers, window 1", "published/s        15000", "cpu µs a msg        12.5", "rss MiB          unknown"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
