package bus_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/localbroker"
	"github.com/semabus/semabus/internal/bus"
)

// TestConcurrentRegistrations: each name is registered by one of those who try, and every answer is true after a restart.
func TestConcurrentRegistrations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, done := open(t, dir)
	const names, tries = 60, 3
	won := make([][tries]error, names)
	var g errgroup.Group
	for try := range tries {
		for i := range names {
			g.Go(func() error {
				_, _, won[i][try] = b.RegisterIntent(t.Context(), alice, fmt.Sprintf("op-%d-%d", i, try), semabus.Intent{
					Name: fmt.Sprintf("n%d", i), Description: fmt.Sprintf("thing number %d", i)})
				return nil
			})
		}
	}
	must(t, g.Wait())
	for i, errs := range won {
		ok := 0
		for _, err := range errs {
			switch {
			case err == nil:
				ok++
			case semabus.ReasonOf(err) != semabus.ReasonExists:
				t.Errorf("intent %d: %v", i, err)
			}
		}
		if ok != 1 {
			t.Errorf("intent %d was registered %d times", i, ok)
		}
	}
	before, err := b.Info(t.Context(), alice)
	must(t, err)
	if before.Intents != names || before.RegistryVersion != names {
		t.Errorf("%d intents at version %d", before.Intents, before.RegistryVersion)
	}
	done()
	b, done = open(t, dir)
	defer done()
	after, err := b.Info(t.Context(), alice)
	must(t, err)
	if after.Intents != before.Intents || after.RegistryVersion != before.RegistryVersion {
		t.Errorf("after a restart: %+v, before %+v", after, before)
	}
	// Repeats, together and long after, get what the first got.
	var repeats errgroup.Group
	for i := range names {
		for try, err := range won[i] {
			repeats.Go(func() error {
				_, v, again := b.RegisterIntent(t.Context(), alice, fmt.Sprintf("op-%d-%d", i, try), semabus.Intent{
					Name: fmt.Sprintf("n%d", i), Description: fmt.Sprintf("thing number %d", i)})
				if (err == nil) != (again == nil) || err == nil && v == 0 {
					return fmt.Errorf("intent %d, try %d: first %w, again %w at %d", i, try, err, again, v)
				}
				return nil
			})
		}
	}
	must(t, repeats.Wait())
}

func TestOpIDForAnotherIntent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, _, err := b.RegisterIntent(t.Context(), alice, "op", semabus.Intent{Name: "a", Description: "apples"})
	must(t, err)
	for _, in := range []semabus.Intent{{Name: "b", Description: "apples"}, {Name: "a", Description: "pears"}} {
		if _, _, err := b.RegisterIntent(t.Context(), alice, "op", in); semabus.ReasonOf(err) != semabus.ReasonDuplicateMismatch {
			t.Errorf("%+v: %v", in, err)
		}
	}
	long := strings.Repeat("o", semabus.MaxIDBytes)
	for range 2 {
		if _, _, err := b.UpdateIntent(t.Context(), alice, long, semabus.Intent{Name: "a", Description: "pears"}, 0); err != nil {
			t.Errorf("an op id of 256 bytes: %v", err)
		}
	}
	if _, _, err := b.UpdateIntent(t.Context(), alice, long+"o", semabus.Intent{Name: "a", Description: "pears"}, 0); semabus.ReasonOf(err) != semabus.ReasonTooLarge {
		t.Errorf("an op id of 257 bytes: %v", err)
	}
}

// TestManyExamples: an intent with all the examples that are allowed is registered, with an op id, and repeated.
func TestManyExamples(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := semabus.Intent{Name: "many"}
	for i := range 2000 {
		in.Examples = append(in.Examples, fmt.Sprintf("example number %d about returning the parcel of customer %d to the shop it came from", i, i*7))
	}
	first, v, err := b.RegisterIntent(t.Context(), alice, "op", in)
	must(t, err)
	again, w, err := b.RegisterIntent(t.Context(), alice, "op", in)
	must(t, err)
	if v != w || len(again.Examples) != len(first.Examples) || again.Version != first.Version || !again.UpdatedAt.Equal(first.UpdatedAt) || again.UpdatedBy != "alice" {
		t.Errorf("first at %d by %q, again at %d by %q with %d examples", v, first.UpdatedBy, w, again.UpdatedBy, len(again.Examples))
	}
	in.Name = "too many"
	for len(in.Examples) < semabus.MaxExamples {
		in.Examples = append(in.Examples, strings.Repeat("long ", 120)+fmt.Sprint(len(in.Examples)))
	}
	_, _, err = b.RegisterIntent(t.Context(), alice, "", in)
	if e, ok := semabus.AsError(err); !ok || e.Reason != semabus.ReasonTooLarge || e.Code != semabus.CodeInvalidArgument {
		t.Errorf("6 MB of examples: %v", err)
	}
}

func TestFeedbackIsAllOrNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	r := publish(t, b, &semabus.Message{Text: "give me a refund for my order"})
	before, err := b.Info(t.Context(), alice)
	must(t, err)
	good := semabus.Feedback{MessageID: r.ID, Intent: "refunds", Useful: true}
	for field, bad := range map[string]semabus.Feedback{
		"message_id":           {MessageID: "unknown", Intent: "refunds"},
		"labels[1].intent":     {MessageID: r.ID, Intent: "unknown"},
		"labels[1].message_id": {Intent: "refunds"},
		"labels[1].note":       {MessageID: r.ID, Intent: "refunds", Note: strings.Repeat("x", 10<<10)},
	} {
		err := b.Feedback(t.Context(), alice, "", []semabus.Feedback{good, bad})
		if e, ok := semabus.AsError(err); !ok || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if now, err := b.Info(t.Context(), alice); err != nil || now.RegistryVersion != before.RegistryVersion {
		t.Errorf("half of it was stored: %d, before %d", now.RegistryVersion, before.RegistryVersion)
	}
	for range 2 {
		must(t, b.Feedback(t.Context(), alice, "op", []semabus.Feedback{good, {MessageID: r.ID, Group: "refunds"}}))
	}
	if now, err := b.Info(t.Context(), alice); err != nil || now.RegistryVersion != before.RegistryVersion+2 {
		t.Errorf("version %d, want %d", now.RegistryVersion, before.RegistryVersion+2)
	}
}

func TestSetsAndPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, v, err := b.ConfigureSet(t.Context(), alice, "op", semabus.Set{Dispatch: semabus.DispatchTask})
	must(t, err)
	if s.Name != "desk" || s.Version != v || s.MaxFanout != semabus.MaxFanout {
		t.Errorf("set %+v at %d", s, v)
	}
	if got, err := b.GetSet(t.Context(), alice, "desk"); err != nil || got.Dispatch != semabus.DispatchTask {
		t.Errorf("got %+v, %v", got, err)
	}
	want := semabus.Set{Name: "never configured", MaxFanout: semabus.MaxFanout}
	if got, err := b.GetSet(t.Context(), alice, want.Name); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []semabus.Set{{Name: "$x"}, {Name: "x", MaxFanout: -1}, {Name: "x", Dispatch: 9}, {Name: strings.Repeat("x", 300)}} {
		if _, _, err := b.ConfigureSet(t.Context(), alice, "", bad); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	register(t, b, 0, 25)
	var names []string
	for after := ""; ; {
		page, next, err := b.ListIntents(t.Context(), alice, "", after, 10)
		must(t, err)
		for i := range page {
			names = append(names, page[i].Name)
		}
		if next == "" {
			break
		}
		after = next
	}
	if len(names) != 25 {
		t.Errorf("%d names: %v", len(names), names)
	}
	if _, _, err := b.ListIntents(t.Context(), alice, "", "", 1001); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
		t.Errorf("a page of 1,001: %v", err)
	}
}

func TestNodeWideNumbersAreForThoseWhoRunIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	publish(t, b, &semabus.Message{To: "g"})
	in, err := b.Info(t.Context(), other)
	must(t, err)
	if in.Messages != 0 || in.DiskBytes != 0 || in.Commits != 0 {
		t.Errorf("another tenant sees %+v", in)
	}
	if in, err = b.Info(t.Context(), alice); err != nil || in.Messages != 1 || in.Commits != 0 {
		t.Errorf("its own tenant sees %+v, %v", in, err)
	}
	root := semabus.Principal{Tenant: semabus.DefaultTenant, Role: semabus.RoleAdmin}
	if in, err = b.Info(t.Context(), root); err != nil || in.Messages != 0 || in.Commits == 0 {
		t.Errorf("the node's administrator sees %+v, %v", in, err)
	}
}

// TestTwoNodesOneLog: changes of two nodes on one engine never overwrite each other; whoever comes behind folds first.
func TestTwoNodesOneLog(t *testing.T) {
	t.Parallel()
	engine, err := localbroker.Open(localbroker.Options{Dir: t.TempDir()})
	must(t, err)
	defer func() { must(t, engine.Close()) }()
	nodes := []*bus.Bus{over(t, engine), over(t, engine)}
	const each = 25
	var g errgroup.Group
	for n, b := range nodes {
		for i := range each {
			g.Go(func() error {
				_, _, err := b.RegisterIntent(t.Context(), alice, "", semabus.Intent{Name: fmt.Sprintf("n%d-%d", n, i), Description: fmt.Sprint("thing ", i)})
				return err
			})
		}
	}
	must(t, g.Wait())
	if _, _, err := nodes[0].RegisterIntent(t.Context(), alice, "op", semabus.Intent{Name: "n1-0", Description: "taken"}); semabus.ReasonOf(err) != semabus.ReasonExists {
		t.Errorf("a name of the other node: %v", err)
	}
	for n, b := range nodes {
		_, v, err := b.ConfigureSet(t.Context(), alice, "", semabus.Set{Name: fmt.Sprint("set", n)}) // folds what is new
		must(t, err)
		in, err := b.Info(t.Context(), alice)
		must(t, err)
		if want := uint64(2*each + 1 + n); in.Intents != 2*each || v != want || in.RegistryVersion != want {
			t.Errorf("node %d has %d intents at version %d, want %d at %d", n, in.Intents, in.RegistryVersion, 2*each, want)
		}
	}
	// A repeat on the other node is answered, and what it answers is visible there.
	_, v1, err := nodes[0].RegisterIntent(t.Context(), alice, "op", semabus.Intent{Name: "once", Description: "once"})
	must(t, err)
	_, v2, err := nodes[1].RegisterIntent(t.Context(), alice, "op", semabus.Intent{Name: "once", Description: "once"})
	must(t, err)
	if _, err := nodes[1].GetIntent(t.Context(), alice, "once"); err != nil || v1 != v2 {
		t.Errorf("versions %d and %d, %v", v1, v2, err)
	}
}
