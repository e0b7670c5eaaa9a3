package bus_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/bus"
)

func TestBadSettlementsChangeNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	publish(t, b, &semabus.Message{To: "g"})
	d := one(t, b, "g")
	token := d.Lease.Token
	outs := make([]*semabus.Message, semabus.MaxOutputs+1)
	for field, s := range map[string]semabus.Settlement{
		"token": {Outcome: semabus.SettleDone}, "outcome": {Token: token}, "outputs": {Token: token, Outcome: semabus.SettleDone, Outputs: outs},
		"outputs[1]":          {Token: token, Outcome: semabus.SettleDone, Outputs: []*semabus.Message{{To: "x"}, nil}},
		"outputs[1].to":       {Token: token, Outcome: semabus.SettleDone, Outputs: []*semabus.Message{{To: "x"}, {To: "$dlq"}}},
		"outputs[0].priority": {Token: token, Outcome: semabus.SettleDone, Outputs: []*semabus.Message{{To: "x", Priority: 99}}},
		"appends":             {Token: token, Outcome: semabus.SettleDone, Appends: []semabus.Append{{}}},
		"retry_after":         {Token: token, Outcome: semabus.SettleRetry, RetryAfter: -1},
		"op_id":               {Token: token, Outcome: semabus.SettleDone, OpID: strings.Repeat("x", 10<<10)},
	} {
		r := b.Settle(t.Context(), alice, []semabus.Settlement{s})[0]
		if e, ok := semabus.AsError(r.Err); !ok || e.Field != field || e.Fix == "" {
			t.Errorf("%s: %v", field, r.Err)
		}
	}
	if ds := fetch(t, b, "x"); len(ds) != 0 {
		t.Errorf("%d outputs of refused settlements", len(ds))
	}
	settle(t, b, semabus.Settlement{Token: token, Outcome: semabus.SettleDone})
}

// TestOneCallManySettlements: each has its own result, and one that is stale disturbs none.
func TestOneCallManySettlements(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 40
	for i := range n {
		publish(t, b, &semabus.Message{To: "g", Text: fmt.Sprint(i)})
	}
	ds := fetch(t, b, "g")
	ss := make([]semabus.Settlement, n+1)
	for i := range ds {
		ss[i] = semabus.Settlement{Token: ds[i].Lease.Token, Outcome: semabus.SettleDone, Outputs: []*semabus.Message{{To: "sink"}}}
	}
	ss[n] = ss[0]
	ss[n].OpID, ss[n].Outputs = "other", nil
	for i, r := range b.Settle(t.Context(), alice, ss) {
		if i < n && (r.Err != nil || len(r.Settled.Outputs) != 1) || i == n && semabus.ReasonOf(r.Err) != semabus.ReasonAlreadySettled {
			t.Errorf("settlement %d: %+v", i, r)
		}
	}
	if got := len(fetch(t, b, "sink")); got != n {
		t.Errorf("%d outputs, want %d", got, n)
	}
}

// TestRepeatWithoutOpID: the lease is the name of the operation, and another output under it is noticed.
func TestRepeatWithoutOpID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	publish(t, b, &semabus.Message{To: "g"})
	token := one(t, b, "g").Lease.Token
	say := func(text string) bus.SettleResult {
		return b.Settle(t.Context(), alice, []semabus.Settlement{{Token: token, Outcome: semabus.SettleDone, Outputs: []*semabus.Message{{To: "sink", Text: text}}}})[0]
	}
	first, again, other := say("a"), say("a"), say("b")
	must(t, first.Err)
	must(t, again.Err)
	if !again.Settled.Duplicate || again.Settled.Outputs[0].ID != first.Settled.Outputs[0].ID {
		t.Errorf("again: %+v, first %+v", again, first)
	}
	if semabus.ReasonOf(other.Err) != semabus.ReasonDuplicateMismatch {
		t.Errorf("another output under the same lease: %+v", other)
	}
	one(t, b, "sink")
}

// TestRootBudgetSurvivesARestart: what a root has spent is durable.
func TestRootBudgetSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, done := open(t, dir)
	spent := 0
	root := strings.Repeat("r", semabus.MaxIDBytes)
	publish(t, b, &semabus.Message{ID: root, To: "a"})
	for hop, group := 0, "a"; ; hop++ {
		next := map[string]string{"a": "b", "b": "a"}[group]
		ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: group, Max: 1})
		must(t, err)
		if len(ds) == 0 {
			break
		}
		outs := make([]*semabus.Message, 250)
		for i := range outs {
			outs[i] = &semabus.Message{To: next}
		}
		r := settle(t, b, semabus.Settlement{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone, Outputs: outs})
		if r.Outputs[0].Outcome == semabus.OutcomeLoop {
			break
		}
		spent += len(outs)
		group = next
		done()
		b, done = open(t, dir)
		if hop > 10 {
			t.Fatal("the budget does not end")
		}
	}
	defer done()
	if spent != semabus.MaxRootMessages {
		t.Errorf("one root caused %d messages over restarts, want %d", spent, semabus.MaxRootMessages)
	}
	dead, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: semabus.GroupDeadLetter, Max: 1000})
	must(t, err)
	if len(dead) != 250 || dead[0].Match.Reason != semabus.MissLoop || dead[0].Message.Root != root {
		t.Errorf("%d parked", len(dead))
	}
}

// TestNotForMeWithOutputs teaches, forwards and settles in one commit, also when the root's budget is spent.
func TestNotForMeWithOutputs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	before, err := b.Info(t.Context(), alice)
	must(t, err)
	publish(t, b, &semabus.Message{Text: "please refund my order"})
	r := settle(t, b, semabus.Settlement{Token: one(t, b, "refunds").Lease.Token, Outcome: semabus.SettleNotForMe, OpID: "op",
		Outputs: []*semabus.Message{{To: "cards", Text: "yours"}}})
	if len(r.Outputs) != 1 {
		t.Errorf("settled %+v", r)
	}
	one(t, b, "cards")
	after, err := b.Info(t.Context(), alice)
	must(t, err)
	if after.RegistryVersion != before.RegistryVersion+1 {
		t.Errorf("version %d, before %d", after.RegistryVersion, before.RegistryVersion)
	}
}

func TestFetchIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	agent := alice
	agent.Role = semabus.RoleAgent
	for field, r := range map[string]bus.FetchRequest{
		"group": {}, "member": {Group: "g", Member: "a\x00"}, "max": {Group: "g", Max: 1001}, "wait": {Group: "g", Wait: time.Hour},
		"lease": {Group: "g", Lease: 48 * time.Hour},
	} {
		_, err := b.Fetch(t.Context(), agent, r)
		if e, ok := semabus.AsError(err); !ok || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := b.Fetch(t.Context(), agent, bus.FetchRequest{Group: semabus.GroupUnmatched}); semabus.CodeOf(err) != semabus.CodePermissionDenied {
		t.Errorf("a reserved group: %v", err)
	}
}

// TestHeartbeatDoesNotShorten what was extended, and forgets what was lost.
func TestHeartbeatDoesNotShorten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 2 {
		publish(t, b, &semabus.Message{To: "g"})
	}
	s, err := b.Subscribe(t.Context(), alice, bus.SubscribeOptions{Group: "g", Member: "m", Lease: time.Minute})
	must(t, err)
	defer s.Close(t.Context())
	ds, err := s.Next(t.Context(), 10, 0, 0)
	must(t, err)
	for _, err := range s.Extend(t.Context(), []bus.Extension{{Token: ds[0].Lease.Token, For: time.Hour}}) {
		must(t, err)
	}
	must(t, s.Renew(t.Context()))
	w, err := b.Why(t.Context(), alice, ds[0].Message.ID, "g")
	must(t, err)
	if left := time.Until(w.Deliveries[0].Expires); left < 50*time.Minute {
		t.Errorf("a heartbeat left %v of an hour", left)
	}
	st, err := b.GroupStats(t.Context(), alice, []string{"g", "unknown"})
	must(t, err)
	if len(st) != 2 || st[0].Leased != 2 || st[0].Members != 1 || st[1].Group != "unknown" {
		t.Errorf("stats %+v", st)
	}
}
