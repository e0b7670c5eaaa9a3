package soak_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/child"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/root"
	"github.com/semabus/semabus/cmd/semabus/internal/soak"
)

// TestMain plays the node and the second process when soak starts this program as one of them.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "soak") {
		os.Exit(root.Main("test", os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// run is `semabus soak` with the arguments; last is the last line it printed.
func run(t *testing.T, args ...string) (last, errs string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := soak.Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	err = c.ExecuteContext(t.Context())
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	return lines[len(lines)-1], stderr.String(), err
}

func verdict(t *testing.T, line string) soak.Verdict {
	t.Helper()
	var v soak.Verdict
	dec := json.NewDecoder(strings.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return v
}

// TestRun kills a node under load and counts in a second process.
func TestRun(t *testing.T) {
	t.Parallel()
	last, errs, err := run(t, "run", "--messages", "1200", "--rate", "0", "--kills", "2", "--seed", "7")
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, last, errs)
	}
	v := verdict(t, last)
	if v.Acked != 1200 || v.Effects < v.Acked || v.Delivered < v.Effects || v.DisconnectsSeen < 2 || !v.Held() {
		t.Errorf("%+v\n%s", v, errs)
	}
}

// TestVerifyFindsFaults soaks a node, then forges its sink and its ledger: every forgery must be noticed.
func TestVerifyFindsFaults(t *testing.T) {
	t.Parallel()
	node, err := child.StartNode(t.Context(), child.NodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	state := filepath.Join(t.TempDir(), "state.json")
	at := []string{"--addr", node.GRPC, "--state", state}
	if _, _, err := run(t, append([]string{"verify"}, at...)...); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("verify before any soak: %v", err)
	}
	last, errs, err := run(t, append(at, "--messages", "400", "--rate", "0", "--json")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	var told struct {
		Run   string
		Acked int64
	}
	if err := json.Unmarshal([]byte(last), &told); err != nil || told.Run == "" || told.Acked != 400 {
		t.Fatalf("%v: %s", err, last)
	}
	count := func() soak.Verdict {
		t.Helper()
		last, errs, err := run(t, append([]string{"verify"}, at...)...)
		v := verdict(t, last)
		if v.Held() != (err == nil) || (err != nil && !errors.Is(err, fault.ErrChecks)) {
			t.Errorf("%+v with %v\n%s", v, err, errs)
		}
		return v
	}
	if v := count(); !v.Held() || v.Acked != 400 || v.Effects != 400 {
		t.Fatalf("an honest node: %+v", v)
	}
	if v := count(); !v.Held() || v.Effects != 400 {
		t.Fatalf("verify changed what it read: %+v", v)
	}
	c, err := client.Dial(t.Context(), node.GRPC, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := soak.Effect(t.Context(), c, "forged", told.Run, 0, 20); err != nil {
		t.Fatal(err)
	}
	if v := count(); v.DuplicateEffects != 1 || v.Missing != 0 || v.Effects != 401 {
		t.Errorf("a second effect of one job: %+v", v)
	}
	if err := soak.Claim(t.Context(), c, told.Run, 5000); err != nil {
		t.Fatal(err)
	}
	if v := count(); v.DuplicateEffects != 1 || v.Missing != 1 || v.Acked != 401 {
		t.Errorf("an acknowledged job without effect: %+v", v)
	}
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	if v := count(); v.Missing != 1 || v.Acked != 401 { // the ledger on the bus is enough
		t.Errorf("without state file: %+v", v)
	}
}

func TestMilestones(t *testing.T) {
	t.Parallel()
	a := soak.Milestones(1000, 5, 3)
	if len(a) != 5 || !slices.IsSorted(a) || a[0] < 1 || a[4] > 900 {
		t.Errorf("milestones %v", a)
	}
	if b := soak.Milestones(1000, 5, 3); !slices.Equal(a, b) {
		t.Errorf("one seed gave %v and %v", a, b)
	}
	if b := soak.Milestones(1000, 5, 4); slices.Equal(a, b) {
		t.Errorf("two seeds gave %v", a)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"--messages 0 --addr x:1", "--rate -1 --addr x:1", "run --rate NaN", "run --kills 2 --messages 100", "run --messages 1000000000",
	} {
		_, _, err := run(t, strings.Fields(args)...)
		if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument || !strings.Contains(args, e.Field) || e.Limit == "" {
			t.Errorf("%s: %v", args, err)
		}
	}
}
