package router_test

import (
	"context"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router"
)

// TestAddressWins: a message with To is for that group alone, whatever else it says.
func TestAddressWins(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.register(semabus.Intent{Name: "audit", Topics: []string{"orders.*"}}, semabus.Intent{Name: "all", Filter: "true"})
	d := f.decide(&semabus.Message{ID: "m", To: "payroll", Topic: "orders.refund", Text: "my credit card was stolen"})
	f.wantGroups(d, "payroll")
	if m := d.Matches[0]; m.Reason != semabus.MatchAddress || m.Probability != 1 || m.Intent != "" {
		t.Errorf("match %+v", m)
	}
	for group, want := range map[string]semabus.MatchReason{
		"cards": semabus.MatchAddress, "$unmatched": semabus.MissNotPermitted, "$": semabus.MissNotPermitted,
	} {
		d := f.decide(&semabus.Message{ID: "m", To: group})
		f.wantReason(d, group, want)
	}
	d = f.decide(&semabus.Message{ID: "m", To: "cards", Audience: []string{"refunds"}})
	f.wantGroups(d)
	f.wantReason(d, "cards", semabus.MissNotPermitted)
}

// TestAddressWithoutRegistry: an address needs no intent, not even a known tenant.
func TestAddressWithoutRegistry(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.wantGroups(f.decide(&semabus.Message{ID: "m", To: "anybody"}), "anybody")
	f.wantGroups(f.say("where is my parcel"))
	f.wantGroups(f.decide(&semabus.Message{ID: "m", Topic: "a.b"}))
}

// TestTopicWinsOverMeaning: a message with a topic is for the topic's subscribers alone, intents and groups.
func TestTopicWinsOverMeaning(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.register(
		semabus.Intent{Name: "exact", Topics: []string{"orders.refund", "orders.refund"}},
		semabus.Intent{Name: "below", Topics: []string{"orders.*"}, Group: "ledger"},
		semabus.Intent{Name: "twice", Topics: []string{"orders.*", "orders.refund"}},
		semabus.Intent{Name: "urgent", Topics: []string{"orders.*"}, Filter: "priority > 6"},
		semabus.Intent{Name: "other", Topics: []string{"orders"}},
	)
	groups := func(topic string) []string {
		if topic == "orders.refund" {
			return []string{"warehouse", "ledger"}
		}
		return nil
	}
	req := f.request(&semabus.Message{ID: "m", Topic: "orders.refund", Text: "my credit card was stolen", Priority: 4})
	req.GroupTopics = groups
	d := f.ask(req)
	f.wantGroups(d, "exact", "ledger", "twice", "warehouse")
	f.wantReason(d, "urgent", semabus.MissFiltered)
	f.wantReason(d, "below", semabus.MatchTopic)
	f.wantReason(d, "cards", semabus.ReasonUnspecified)
	req.Message.Priority, req.Message.Audience = 8, []string{"urgent", "warehouse"}
	d = f.ask(req)
	f.wantGroups(d, "urgent", "warehouse")
	f.wantReason(d, "exact", semabus.MissNotPermitted)
	f.wantGroups(f.decide(&semabus.Message{ID: "m", Topic: "orders"}), "other")
	f.wantGroups(f.decide(&semabus.Message{ID: "m", Topic: "orders.refund.new", Priority: 9}), "ledger", "twice", "urgent")
	f.wantGroups(f.decide(&semabus.Message{ID: "m", Topic: "ordersrefund"}))
}

func TestTopicKeys(t *testing.T) {
	t.Parallel()
	for topic, want := range map[string][]string{
		"a": {"a"}, "a.b": {"a.b", "a.*"}, "a.b.c": {"a.b.c", "a.b.*", "a.*"}, "a.": {"a."}, ".a": {".a"},
	} {
		if got := router.TopicKeys(topic); !equal(got, want) {
			t.Errorf("%q: %v, want %v", topic, got, want)
		}
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestEvidence: examples nobody registered reach the right intent, small talk reaches nobody; before and after the fit.
func TestEvidence(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	for _, fitted := range []bool{false, true} {
		if fitted {
			f.settle()
		}
		for text, want := range asked {
			m, err := f.Match(context.Background(), tenant, text, f.vectors(text), 1)
			if err != nil || len(m) != 1 || m[0].Intent != want {
				t.Errorf("fitted %v: %q matches %+v, %v; want %s", fitted, text, m, err, want)
			}
		}
		for _, text := range []string{"good morning", "how tall is the Eiffel tower", "", "🙂", "....", "\x00"} {
			d := f.say(text)
			f.wantGroups(d)
			if d.Outcome != semabus.OutcomeNone {
				t.Errorf("%q: outcome %v", text, d.Outcome)
			}
		}
	}
	for text, want := range asked {
		f.wantGroups(f.say(text), want)
	}
}

// TestAudienceBeforeScoring: an intent that may not have a message takes no part, however well it fits.
func TestAudienceBeforeScoring(t *testing.T) {
	t.Parallel()
	f := setup(t)
	// One set: without the audience "exact" outscores "loose" by far more than siblings may differ.
	f.register(
		semabus.Intent{Name: "exact", Description: "quarterly turbine blade inspection report overdue in hangar seven"},
		semabus.Intent{Name: "loose", Description: "turbine blade inspection", Examples: []string{"turbine blade inspection report"}},
		semabus.Intent{Name: "third", Description: "fresh bread from the bakery"},
	)
	text := "quarterly turbine blade inspection report overdue in hangar seven"
	f.wantReason(f.say(text), "exact", semabus.MatchMeaning)
	d := f.decide(&semabus.Message{ID: "m", Text: text, Audience: []string{"loose", "third"}})
	f.wantGroups(d, "loose")
	f.wantReason(d, "exact", semabus.MissNotPermitted)
	if alone := f.aloneProbability(t, text, "loose"); alone != d.Matches[0].Probability {
		t.Errorf("probability %g beside a barred intent, %g without it", d.Matches[0].Probability, alone)
	}
	f.wantGroups(f.decide(&semabus.Message{ID: "m", Text: text, Audience: []string{"nobody"}}))
	f.wantGroups(f.decide(&semabus.Message{ID: "m", Text: text, Audience: []string{}}), f.say(text).Groups()...)
}

// aloneProbability is the intent's where "exact" does not exist.
func (f *fixture) aloneProbability(t *testing.T, text, name string) float64 {
	t.Helper()
	g := setup(t)
	for _, n := range []string{"exact", "loose", "third"} {
		in, _ := f.Intent(tenant, n)
		g.register(in)
	}
	// Deleting leaves rarities as they are only if something as rare takes the place; so bar it by a filter instead.
	in, _ := f.Intent(tenant, "exact")
	in.Filter = "false"
	g.register(in)
	return g.say(text).Matches[0].Probability
}

// TestFilterBeforeScoring: as with the audience, a filter that does not hold takes the intent out of the contest.
func TestFilterBeforeScoring(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(
		semabus.Intent{Name: "vip", Description: "invoice is wrong", Filter: `headers["tier"] == "gold"`},
		semabus.Intent{Name: "std", Description: "invoice is wrong", Group: "standard"},
	)
	f.set(semabus.Set{Dispatch: semabus.DispatchTask})
	d := f.decide(&semabus.Message{ID: "m", Text: "my invoice is wrong", Headers: map[string]string{"tier": "tin"}})
	f.wantGroups(d, "standard")
	f.wantReason(d, "vip", semabus.MissFiltered)
	d = f.say("my invoice is wrong")
	f.wantReason(d, "vip", semabus.MissFiltered)
}

// TestFilterAlone: an intent may be only a filter; it then delivers with certainty, and says nothing where it does not hold.
func TestFilterAlone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.register(semabus.Intent{Name: "gold", Filter: `headers["tier"] == "gold"`, Independent: true})
	d := f.decide(&semabus.Message{ID: "m", Headers: map[string]string{"tier": "gold"}})
	f.wantGroups(d, "gold")
	if m := d.Matches[0]; m.Reason != semabus.MatchFilter || m.Probability != 1 || m.Threshold != 0 {
		t.Errorf("match %+v", m)
	}
	d = f.say("hello")
	f.wantReason(d, "gold", semabus.ReasonUnspecified)
	text := "my card was stolen on the train"
	d = f.decide(&semabus.Message{ID: "m", Text: text, Headers: map[string]string{"tier": "gold"}})
	f.wantGroups(d, "cards", "gold")
	m, err := f.Explain(context.Background(), f.request(&semabus.Message{ID: "m", Text: text}), "gold")
	if err != nil || m.Reason != semabus.MissFiltered {
		t.Errorf("Explain = %+v, %v", m, err)
	}
}
