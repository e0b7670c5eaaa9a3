package demo_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/cmd/semabus/internal/demo"
	"github.com/semabus/semabus/cmd/semabus/internal/root"
)

// TestMain plays the node and the agents when the demo starts this program as one of them.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "demo") {
		os.Exit(root.Main("test", os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// TestPrompt types at the prompt what a person would.
func TestPrompt(t *testing.T) {
	t.Parallel()
	out, err := demo.Prompted(t.Context(),
		"I lost my card.",
		"/intent questions about volcanoes and lava",
		"is lava from volcanoes hot?",
		"/why 1",
		"/why 1 refunds",
		"/reject 2 typed-1",
		"/kill typed-1",
		"/kill nobody-7",
		"/why 99",
		"/reject",
		"/help",
		"/quit",
		"this is not read any more",
	)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"  1 → cards in ", "cards: Delivered", "listens for “questions about volcanoes and lava”", "  2 → typed-1 in ",
		"refunds: Not delivered", "typed-1 learns that “is lava from volcanoes hot?” is not for it",
		"typed-1 is dead, and nobody else works for typed-1", "NOT_FOUND", "give a message's number, 1 to 2", "/kill AGENT ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is nowhere in\n%s", want, out)
		}
	}
	if strings.Contains(out, "3 →") {
		t.Errorf("a line after /quit was published:\n%s", out)
	}
}

// TestKilled plays the acts that kill an agent in the middle of a job, and the node under load.
func TestKilled(t *testing.T) {
	t.Parallel()
	out, sum, err := demo.Killed(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if sum.Lost != 0 || sum.EffectsDuplicated != 0 || strings.Count(out, "✓") != 2 || !strings.Contains(out, "the ledger shows 1 effect") {
		t.Errorf("lost %d, duplicated %d\n%s", sum.Lost, sum.EffectsDuplicated, out)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		gold, delivered      []string
		right, wrong, missed bool
	}{
		{nil, nil, true, false, false},
		{nil, []string{"a"}, false, true, false},
		{[]string{"a"}, nil, false, false, true},
		{[]string{"a", "b"}, []string{"b", "a"}, true, false, false},
		{[]string{"a", "b"}, []string{"b", "c"}, false, true, true},
	} {
		right, wrong, missed := demo.Judged(c.gold, c.delivered)
		if right != c.right || wrong != c.wrong || missed != c.missed {
			t.Errorf("%v for %v: right %v, wrong %v, missed %v", c.delivered, c.gold, right, wrong, missed)
		}
	}
}

func TestSummarise(t *testing.T) {
	t.Parallel()
	ms := func(v float64) *float64 { return &v }
	got := demo.Summarise([]demo.Verdict{
		{Gold: []string{"a"}, Delivered: []string{"a"}, MS: ms(1)},
		{Gold: []string{"a"}, Delivered: []string{"b"}, MS: ms(3)},
		{Gold: []string{"a"}},
		{},
	})
	want := demo.Summary{Messages: 4, Right: 2, Wrong: 1, Missed: 2, Unmatched: 2, P50: 1, P99: 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	l := demo.NewLedger()
	record := func(output, message, group, agent string) {
		t.Helper()
		if err := l.Record(output, message, group, agent); err != nil {
			t.Fatal(err)
		}
	}
	record("o1", "m1", "b", "b-1")
	record("o1", "m1", "b", "b-1") // the same output delivered twice is one effect
	record("o2", "m1", "a", "a-1")
	if diff := cmp.Diff([]string{"a", "b"}, l.Groups("m1")); diff != "" || l.Duplicated() != 0 {
		t.Errorf("duplicated %d, groups: %s", l.Duplicated(), diff)
	}
	record("o3", "m1", "a", "a-2") // another output for the same job is a second effect
	if l.Duplicated() != 1 {
		t.Errorf("duplicated %d", l.Duplicated())
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if n := l.Await(over, [2]string{"m1", "a"}, [2]string{"m2", "a"}); n != 1 {
		t.Errorf("%d missing", n)
	}
	var g errgroup.Group
	g.Go(func() error { return l.Record("o4", "m2", "a", "a-1") })
	if n := l.Await(t.Context(), [2]string{"m2", "a"}); n != 0 {
		t.Errorf("%d missing after the last one came", n)
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
