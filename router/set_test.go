package router_test

import (
	"context"
	"fmt"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router"
)

// rivals are intents of one set that a message about a late parcel fits almost alike.
func rivals(set string) []semabus.Intent {
	return []semabus.Intent{
		{Name: "north", Set: set, Description: "parcel is late in the north"},
		{Name: "south", Set: set, Description: "parcel is late in the south"},
		{Name: "bakery", Set: set, Description: "fresh bread and rolls"},
	}
}

const late = "the parcel is late"

func TestEventReachesAllOverThreshold(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(semabus.Intent{Name: "a", Independent: true, Description: late}, semabus.Intent{Name: "b", Independent: true, Description: late})
	f.wantGroups(f.say(late), "a", "b")
}

// TestSetsDoNotCompete: two applications that want the same messages both get them.
func TestSetsDoNotCompete(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, set := range []string{"first", "second"} {
		for _, in := range helpdesk() {
			in.Name, in.Set = set+" "+in.Name, set
			f.register(in)
		}
	}
	f.settle()
	alone := setup(t)
	for _, in := range helpdesk() {
		in.Name, in.Set = "first "+in.Name, "first"
		alone.register(in)
	}
	alone.settle()
	for text, want := range asked {
		d := f.say(text)
		f.wantGroups(d, "first "+want, "second "+want)
		if p, q := d.Matches[0].Probability, alone.say(text).Matches[0].Probability; p != q {
			t.Errorf("%q: probability %g beside another set, %g alone", text, p, q)
		}
	}
}

func TestTaskReachesTheBestOnly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(rivals("desk")...)
	f.set(semabus.Set{Name: "desk", Dispatch: semabus.DispatchTask})
	d := f.say("the parcel is late in the north, parcel north")
	f.wantGroups(d, "north")
	if p := d.Matches[0].Probability; p < 0.5 || d.Margin <= 0.1 {
		t.Errorf("probability %g, margin %g", p, d.Margin)
	}
}

func TestAmbiguityPolicies(t *testing.T) {
	t.Parallel()
	for policy, want := range map[semabus.AmbiguityPolicy]struct {
		groups  []string
		outcome semabus.Outcome
		north   semabus.MatchReason
		south   semabus.MatchReason
	}{
		semabus.AmbiguityBest: {[]string{"north"}, semabus.OutcomeMatched, semabus.MatchMeaning, semabus.MissOutcompeted},
		semabus.AmbiguityAll:  {[]string{"north", "south"}, semabus.OutcomeMatched, semabus.MatchMeaning, semabus.MatchMeaning},
		semabus.AmbiguityHold: {nil, semabus.OutcomeAmbiguous, semabus.MissAmbiguous, semabus.MissAmbiguous},
	} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.register(rivals("desk")...)
			f.set(semabus.Set{Name: "desk", Dispatch: semabus.DispatchTask, Ambiguity: policy})
			d := f.say(late)
			f.wantGroups(d, want.groups...)
			f.wantReason(d, "north", want.north)
			f.wantReason(d, "south", want.south)
			if d.Outcome != want.outcome {
				t.Errorf("outcome %v, want %v", d.Outcome, want.outcome)
			}
			if d.Margin > 0.1 {
				t.Errorf("margin %g of two that are alike", d.Margin)
			}
			// A clear message is not ambiguous under any policy.
			f.wantGroups(f.say("fresh bread and rolls"), "bakery")
		})
	}
}

// TestHoldCoversTheGroup: two intents of one group are not rivals, and neither is delivered while the group is held.
func TestHoldCoversTheGroup(t *testing.T) {
	t.Parallel()
	f := setup(t)
	list := rivals("desk")
	list = append(list, semabus.Intent{Name: "north again", Group: "north", Set: "desk", Description: "parcel is late in the north"})
	f.register(list...)
	f.set(semabus.Set{Name: "desk", Dispatch: semabus.DispatchTask, Ambiguity: semabus.AmbiguityHold})
	if d := f.say(late); d.Outcome == semabus.OutcomeMatched {
		t.Errorf("delivered to %v while held", d.Groups())
	}
}

// TestGroupIsMatchedOnce: a group has one delivery, for its best intent.
func TestGroupIsMatchedOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(
		semabus.Intent{Name: "one", Group: "g", Independent: true, Description: "late parcel"},
		semabus.Intent{Name: "two", Group: "g", Independent: true, Description: late},
		semabus.Intent{Name: "rule", Group: "g", Independent: true, Filter: "priority >= 0"},
	)
	d := f.say(late)
	f.wantGroups(d, "g")
	if d.Matches[0].Intent != "rule" {
		t.Errorf("matched %q, want the certain one", d.Matches[0].Intent)
	}
}

func TestMaxFanout(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var list []semabus.Intent
	for i := range 24 {
		list = append(list, semabus.Intent{Name: fmt.Sprintf("g%02d", i), Set: "news", Filter: "subject == 'weather'"})
	}
	f.register(list...)
	m := &semabus.Message{ID: "m", Subject: "weather"}
	for limit, want := range map[int]int{0: semabus.MaxFanout, 3: 3, 100: 24} {
		f.set(semabus.Set{Name: "news", MaxFanout: limit})
		d := f.decide(m)
		if len(d.Matches) != want || d.Matches[0].Group != "g00" {
			t.Errorf("max_fanout %d: reached %v", limit, d.Groups())
		}
		if want < 24 {
			f.wantReason(d, fmt.Sprintf("g%02d", want), semabus.MissFanout)
		}
	}
	if s, ok := f.Set(tenant, "news"); !ok || s.Name != "news" {
		t.Errorf("Set = %+v, %v", s, ok)
	}
}

// TestLoopGuard: what a group's own delivery caused does not come back to it unless its intent accepts its own.
func TestLoopGuard(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.register(
		semabus.Intent{Name: "any name", Group: "echo", AcceptOwn: true, Topics: []string{"echo"}},
		semabus.Intent{Name: "mirror", Group: "mirror", Independent: true, AcceptOwn: true, Filter: "true"},
		semabus.Intent{Name: "topical", Topics: []string{"a.b"}},
	)
	f.settle()
	const text = "my card was stolen on the train"
	for _, c := range []struct {
		m       *semabus.Message
		exclude []string
		want    []string
		barred  string
	}{
		{&semabus.Message{ID: "1", Text: text}, []string{"cards", "mirror"}, []string{"mirror"}, "cards"},
		{&semabus.Message{ID: "2", Text: text}, []string{"other"}, []string{"cards", "mirror"}, ""},
		{&semabus.Message{ID: "3", To: "cards"}, []string{"cards"}, nil, "cards"},
		{&semabus.Message{ID: "4", To: "echo"}, []string{"echo"}, []string{"echo"}, ""},
		{&semabus.Message{ID: "5", Topic: "a.b"}, []string{"topical", "byconfig"}, nil, "topical"},
	} {
		req := f.request(c.m)
		req.Exclude = c.exclude
		req.GroupTopics = func(string) []string { return []string{"byconfig"} }
		d := f.ask(req)
		if c.m.Topic != "" {
			f.wantReason(d, "byconfig", semabus.MissLoop)
		}
		f.wantGroups(d, c.want...)
		if c.barred != "" {
			f.wantReason(d, c.barred, semabus.MissLoop)
		}
	}
	// In a task set the next best that may have it takes over.
	f.register(rivals("desk")...)
	f.set(semabus.Set{Name: "desk", Dispatch: semabus.DispatchTask})
	req := f.request(&semabus.Message{ID: "6", Text: late})
	req.Exclude = []string{"north"}
	d := f.ask(req)
	f.wantReason(d, "north", semabus.MissLoop)
	f.wantReason(d, "south", semabus.MatchMeaning)
	// No ambiguity policy lets a barred one in, however close it is.
	for _, policy := range []semabus.AmbiguityPolicy{semabus.AmbiguityAll, semabus.AmbiguityHold} {
		f.set(semabus.Set{Name: "desk", Dispatch: semabus.DispatchTask, Ambiguity: policy})
		for _, in := range rivals("desk") {
			in.Budget = &semabus.Budget{MaxWrong: 0.45}
			if in.Name == "north" {
				in.Budget.MaxWrong = 0.001
			}
			f.register(in)
		}
		d = f.ask(req)
		f.wantReason(d, "south", semabus.MatchMeaning)
		f.wantReason(d, "north", semabus.MissBelowThreshold)
	}
}

// TestExplainAgreesWithDecide: each intent's own answer is the one the decision gave.
func TestExplainAgreesWithDecide(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.register(rivals("desk")...)
	f.set(semabus.Set{Name: "desk", Dispatch: semabus.DispatchTask, Ambiguity: semabus.AmbiguityHold})
	f.settle()
	for _, text := range []string{late, "my card was stolen", "refund the late parcel", "good morning"} {
		d := f.say(text)
		for _, m := range append(d.Matches, d.Near...) {
			got, err := f.Explain(context.Background(), f.request(&semabus.Message{ID: "m", Text: text}), m.Intent)
			if err != nil || got.Reason != m.Reason || got.Probability != m.Probability || got.Score != m.Score {
				t.Errorf("%q: %s: Explain = %+v, %v; Decide = %+v", text, m.Intent, got, err, m)
			}
		}
	}
	for _, c := range []struct {
		m    semabus.Message
		name string
		want semabus.MatchReason
	}{
		{semabus.Message{Text: late}, "nobody", semabus.MissNotRegistered},
		{semabus.Message{Text: "good morning"}, "cards", semabus.MissBelowThreshold},
		{semabus.Message{}, "cards", semabus.MissBelowThreshold},
		{semabus.Message{To: "cards"}, "cards", semabus.MatchAddress},
		{semabus.Message{To: "other"}, "cards", semabus.MissAddressed},
		{semabus.Message{Topic: "a.b", Text: late}, "cards", semabus.MissAddressed},
		{semabus.Message{Text: late, Audience: []string{"other"}}, "cards", semabus.MissNotPermitted},
	} {
		got, err := f.Explain(context.Background(), f.request(&c.m), c.name)
		if err != nil || got.Reason != c.want {
			t.Errorf("%+v: %s: %v, %v; want %v", c.m, c.name, got.Reason, err, c.want)
		}
	}
	got, err := f.Explain(context.Background(), &router.Request{Tenant: "nobody", Message: &semabus.Message{}}, "cards")
	if err != nil || got.Reason != semabus.MissNotRegistered {
		t.Errorf("unknown tenant: %+v, %v", got, err)
	}
}
