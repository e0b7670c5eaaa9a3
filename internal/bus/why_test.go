package bus_test

import (
	"strings"
	"testing"

	semabus "github.com/semabus/semabus"
)

func TestWhyHasAnAnswerFromTheList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	filter := semabus.Intent{Name: "urgent", Filter: `priority >= 8`}
	_, _, err := b.RegisterIntent(t.Context(), alice, "", filter)
	must(t, err)
	both := semabus.Intent{Name: "german refunds", Description: "I want my money back", Examples: []string{"please refund my order"}, Filter: `headers["lang"] == "de"`}
	_, _, err = b.RegisterIntent(t.Context(), alice, "", both)
	must(t, err)
	_, err = b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "audit", Topics: []string{"orders.*"}})
	must(t, err)
	for name, c := range map[string]struct {
		m     *semabus.Message
		group string
		want  semabus.MatchReason
	}{
		"address":       {&semabus.Message{To: "cards"}, "cards", semabus.MatchAddress},
		"addressed":     {&semabus.Message{To: "cards"}, "refunds", semabus.MissAddressed},
		"topic":         {&semabus.Message{Topic: "orders.new"}, "audit", semabus.MatchTopic},
		"other topic":   {&semabus.Message{Topic: "orders.new"}, "refunds", semabus.MissAddressed},
		"filter":        {&semabus.Message{Text: "zebras yodel", Priority: 9}, "urgent", semabus.MatchFilter},
		"no filter":     {&semabus.Message{Text: "zebras yodel"}, "urgent", semabus.MissFiltered},
		"meaning":       {&semabus.Message{Text: "please refund my order"}, "refunds", semabus.MatchMeaning},
		"filtered":      {&semabus.Message{Text: "please refund my order"}, "german refunds", semabus.MissFiltered},
		"nothing like":  {&semabus.Message{Text: "zebras yodel"}, "refunds", semabus.MissNoEvidence},
		"unregistered":  {&semabus.Message{Text: "please refund my order"}, "nobody", semabus.MissNotRegistered},
		"not permitted": {&semabus.Message{To: "cards", Audience: []string{"refunds"}}, "cards", semabus.MissNotPermitted},
	} {
		r := publish(t, b, c.m)
		w, err := b.Why(t.Context(), alice, r.ID, c.group)
		must(t, err)
		got := w.Reason
		if c.want == semabus.MissNoEvidence && got == semabus.MissBelowThreshold {
			got = c.want // a little evidence is as good as none here
		}
		if got != c.want || w.Text == "" || w.Reason.Delivers() != strings.HasPrefix(w.Text, "Delivered") || (!w.Reason.Delivers() && w.Fix == "") {
			t.Errorf("%s: %s, %q, fix %q; want %s", name, w.Reason, w.Text, w.Fix, c.want)
		}
		if w.Reason.Delivers() != (len(w.Deliveries) == 1) {
			t.Errorf("%s: %s with %d deliveries", name, w.Reason, len(w.Deliveries))
		}
		all, err := b.Why(t.Context(), alice, r.ID, "")
		must(t, err)
		if all.Text == "" || len(all.Deliveries) == 0 {
			t.Errorf("%s, about all groups: %+v", name, all)
		}
	}
}

// TestWhyOfALaterIntent: what would match today did not exist then, and the answer says so.
func TestWhyOfALaterIntent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := publish(t, b, &semabus.Message{Text: "please refund my order"})
	desk(t, b)
	w, err := b.Why(t.Context(), alice, r.ID, "refunds")
	must(t, err)
	if w.Reason != semabus.MissNotRegistered || !strings.HasPrefix(w.Text, "Not delivered") || !strings.Contains(w.Text, "today") || w.Match == nil {
		t.Errorf("%s %q %+v", w.Reason, w.Text, w.Match)
	}
}

func TestWhyOfALoop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	publish(t, b, &semabus.Message{To: "refunds", Text: "start"})
	out := settle(t, b, semabus.Settlement{Token: one(t, b, "refunds").Lease.Token, Outcome: semabus.SettleDone,
		Outputs: []*semabus.Message{{Text: "please refund my order"}}}).Outputs[0]
	w, err := b.Why(t.Context(), alice, out.ID, "refunds")
	must(t, err)
	if w.Reason != semabus.MissLoop {
		t.Errorf("own output: %s %q", w.Reason, w.Text)
	}
	publish(t, b, &semabus.Message{To: "ping"})
	group, last := "ping", semabus.Receipt{}
	for range semabus.MaxHops + 1 {
		next := map[string]string{"ping": "pong", "pong": "ping"}[group]
		last = settle(t, b, semabus.Settlement{Token: one(t, b, group).Lease.Token, Outcome: semabus.SettleDone,
			Outputs: []*semabus.Message{{To: next}}}).Outputs[0]
		group = next
	}
	if last.Outcome != semabus.OutcomeLoop {
		t.Fatalf("the last output is %+v", last)
	}
	for _, g := range []string{"ping", "pong", ""} {
		w, err := b.Why(t.Context(), alice, last.ID, g)
		must(t, err)
		if g != "" && w.Reason != semabus.MissLoop || !strings.Contains(w.Text, "chain") {
			t.Errorf("%q: %s %q", g, w.Reason, w.Text)
		}
	}
}
