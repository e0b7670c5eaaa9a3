package bus_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
)

// TestMatchAndExplainStoreNothing: who would hear a message can be asked without saying it.
func TestMatchAndExplainStoreNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	const text = "please refund the double charge"
	before, err := b.Info(t.Context(), alice)
	must(t, err)
	ranked, err := b.Match(t.Context(), alice, text, 0)
	must(t, err)
	if len(ranked) != 2 || ranked[0].Intent != "refunds" || ranked[0].Reason != semabus.MatchMeaning {
		t.Errorf("ranked %+v", ranked)
	}
	d, m, err := b.Explain(t.Context(), alice, &semabus.Message{ID: "asked", Text: text}, "cards")
	must(t, err)
	if !slices.Equal(d.Groups(), []string{"refunds"}) || m.Reason != semabus.MissBelowThreshold {
		t.Errorf("explained %+v, %+v", d, m)
	}
	_, m, err = b.Explain(t.Context(), alice, &semabus.Message{Text: text}, "nobody")
	must(t, err)
	if m.Reason != semabus.MissNotRegistered {
		t.Errorf("an intent that does not exist: %+v", m)
	}
	after, err := b.Info(t.Context(), alice)
	must(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("asking left something (-before +after):\n%s", diff)
	}
	if _, err := b.Why(t.Context(), alice, "asked", ""); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("the message that was asked about is kept: %v", err)
	}
	// The same id can still be published.
	if r := publish(t, b, &semabus.Message{ID: "asked", Text: text}); r.DuplicateOf != "" || r.Outcome != semabus.OutcomeMatched {
		t.Errorf("receipt %+v", r)
	}
}

// TestAmbiguousIsHeld: a task set that holds what is too close to call gives it to neither; an operator finds it in $held.
func TestAmbiguousIsHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, _, err := b.ConfigureSet(t.Context(), alice, "", semabus.Set{Name: "desk", Dispatch: semabus.DispatchTask, Ambiguity: semabus.AmbiguityHold})
	must(t, err)
	for _, name := range []string{"first", "second"} {
		_, _, err := b.RegisterIntent(t.Context(), alice, "", semabus.Intent{Name: name, Description: "refund requests",
			Examples: []string{"please refund my order", "I want my money back"}})
		must(t, err)
	}
	r := publish(t, b, &semabus.Message{Text: "please refund my order"})
	if r.Outcome != semabus.OutcomeAmbiguous || len(r.Groups) != 0 {
		t.Fatalf("receipt %+v", r)
	}
	if d := one(t, b, semabus.GroupHeld); d.Message.ID != r.ID {
		t.Errorf("held %+v", d)
	}
	w, err := b.Why(t.Context(), alice, r.ID, "first")
	must(t, err)
	if w.Reason != semabus.MissAmbiguous || w.Fix == "" {
		t.Errorf("why %s %q, %q", w.Reason, w.Text, w.Fix)
	}
}
