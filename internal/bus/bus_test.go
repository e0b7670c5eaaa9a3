package bus_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/localbroker"
	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/localembed"
	"github.com/semabus/semabus/flow"
	"github.com/semabus/semabus/internal/bus"
	"github.com/semabus/semabus/internal/obs"
	"github.com/semabus/semabus/router"
	"github.com/semabus/semabus/router/localindex"
)

var (
	alice = semabus.Principal{Tenant: "t", Name: "alice", Role: semabus.RoleOperator, Set: "desk"}
	other = semabus.Principal{Tenant: "other", Name: "mallory", Role: semabus.RoleAdmin, Set: "desk"}
)

// open makes a bus over a data folder; the same folder twice is a restart.
func open(t testing.TB, dir string) (*bus.Bus, func()) {
	t.Helper()
	engine, err := localbroker.Open(localbroker.Options{Dir: dir, Clock: semabus.SystemClock{}, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	return over(t, engine), func() { must(t, engine.Close()) }
}

// over makes a bus over an engine; two of them are two nodes.
func over(t testing.TB, engine *localbroker.Broker) *bus.Bus {
	t.Helper()
	return traced(t, engine, nil)
}

// traced is over with a tracer.
func traced(t testing.TB, engine *localbroker.Broker, tracer *obs.Tracer) *bus.Bus {
	t.Helper()
	clock := semabus.SystemClock{}
	br, err := broker.New(engine, broker.Options{Clock: clock})
	must(t, err)
	em := embed.New(localembed.New(), embed.Options{})
	ro, err := router.New(router.Options{Embedder: em, Index: localindex.New(), Clock: clock})
	must(t, err)
	b, err := bus.Open(t.Context(), bus.Options{Broker: br, Embedder: em, Router: ro, Flow: flow.New(clock), Clock: clock, Tracer: tracer})
	must(t, err)
	return b
}

func setup(t testing.TB) *bus.Bus {
	t.Helper()
	b, done := open(t, t.TempDir())
	t.Cleanup(done)
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// desk registers two intents that any router tells apart.
func desk(t *testing.T, b *bus.Bus) {
	t.Helper()
	for name, examples := range map[string][]string{
		"refunds": {"I want my money back", "please refund my order", "I was charged twice, refund me", "refund the double charge"},
		"cards":   {"I lost my card", "my card was stolen", "block my stolen card", "where is my lost card"},
	} {
		_, _, err := b.RegisterIntent(t.Context(), alice, "", semabus.Intent{Name: name, Description: "messages about " + name, Examples: examples})
		must(t, err)
	}
}

func publish(t *testing.T, b *bus.Bus, m *semabus.Message) semabus.Receipt {
	t.Helper()
	r := b.Publish(t.Context(), alice, []bus.PublishItem{{Message: m}})
	must(t, r[0].Err)
	return r[0].Receipt
}

func fetch(t *testing.T, b *bus.Bus, group string) []semabus.Delivery {
	t.Helper()
	ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: group, Member: "m", Max: 100})
	must(t, err)
	return ds
}

// one fetches exactly one delivery.
func one(t *testing.T, b *bus.Bus, group string) semabus.Delivery {
	t.Helper()
	ds := fetch(t, b, group)
	if len(ds) != 1 {
		t.Fatalf("group %s has %d deliveries, want 1", group, len(ds))
	}
	return ds[0]
}

func TestMeaningReachesTheRightGroup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	r := publish(t, b, &semabus.Message{Text: "please refund the double charge"})
	if !r.Final || !slices.Equal(r.Groups, []string{"refunds"}) {
		t.Fatalf("receipt %+v", r)
	}
	d := one(t, b, "refunds")
	if d.Message.Source != "alice" || d.Message.ID != r.ID || d.Match.Reason != semabus.MatchMeaning || d.Attempt != 1 {
		t.Errorf("delivery %+v of %+v", d, d.Message)
	}
	if ds := fetch(t, b, "cards"); len(ds) != 0 {
		t.Errorf("cards got %d deliveries", len(ds))
	}
}

func TestNothingMatchesWaitsUnmatched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	r := publish(t, b, &semabus.Message{Text: "zebras yodel quietly"})
	if r.Outcome != semabus.OutcomeNone || len(r.Groups) != 0 {
		t.Fatalf("receipt %+v", r)
	}
	if d := one(t, b, semabus.GroupUnmatched); d.Message.ID != r.ID {
		t.Errorf("unmatched holds %s", d.Message.ID)
	}
	w, err := b.Why(t.Context(), alice, r.ID, "refunds")
	must(t, err)
	if w.Reason.Delivers() || !strings.HasPrefix(w.Text, "Not delivered") || w.Fix == "" {
		t.Errorf("why: %v %q %q", w.Reason, w.Text, w.Fix)
	}
}

func TestAddressAndTopicLanes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "audit", Topics: []string{"orders.*"}})
	must(t, err)
	if r := publish(t, b, &semabus.Message{To: "cards", Text: "please refund me"}); !slices.Equal(r.Groups, []string{"cards"}) {
		t.Errorf("addressed: %v", r.Groups)
	}
	if r := publish(t, b, &semabus.Message{Topic: "orders.refund"}); !slices.Equal(r.Groups, []string{"audit"}) {
		t.Errorf("topical: %v", r.Groups)
	}
	r := b.Publish(t.Context(), alice, []bus.PublishItem{{Message: &semabus.Message{To: "$dlq"}}})
	if e, ok := semabus.AsError(r[0].Err); !ok || e.Field != "message.to" {
		t.Errorf("reserved address: %v", r[0].Err)
	}
}

func TestExpectStoresNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.Publish(t.Context(), alice, []bus.PublishItem{{Message: &semabus.Message{ID: "m1", Text: "hello"}, Expect: semabus.ExpectAtLeastOne}})
	if semabus.ReasonOf(r[0].Err) != semabus.ReasonNoMatch {
		t.Fatalf("got %v", r[0].Err)
	}
	if _, err := b.Why(t.Context(), alice, "m1", ""); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("the refused message is there: %v", err)
	}
}

func TestBadNeighbourDisturbsNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.Publish(t.Context(), alice, []bus.PublishItem{
		{Message: &semabus.Message{To: "g", Text: "one"}},
		{Message: &semabus.Message{To: "g", Priority: 11}},
		{Message: &semabus.Message{To: "g", Text: "three"}},
	})
	if r[0].Err != nil || r[2].Err != nil {
		t.Fatalf("neighbours: %v, %v", r[0].Err, r[2].Err)
	}
	if e, ok := semabus.AsError(r[1].Err); !ok || e.Code != semabus.CodeInvalidArgument || !strings.HasPrefix(e.Field, "messages[1].") {
		t.Errorf("the bad one: %v", r[1].Err)
	}
	if ds := fetch(t, b, "g"); len(ds) != 2 {
		t.Errorf("%d deliveries, want 2", len(ds))
	}
}

func TestDeduplication(t *testing.T) {
	t.Parallel()
	b := setup(t)
	items := func(body string) map[string]bus.PublishItem {
		return map[string]bus.PublishItem{
			"op":       {Message: &semabus.Message{To: "g", Text: body}, OpID: "op-1"},
			"key":      {Message: &semabus.Message{To: "g", Text: body, DedupKey: "k-1"}},
			"producer": {Message: &semabus.Message{To: "g", Text: body}, Producer: "p", Sequence: 7},
		}
	}
	first := map[string]string{}
	for name, it := range items("same") {
		r := b.Publish(t.Context(), alice, []bus.PublishItem{it})[0]
		must(t, r.Err)
		first[name] = r.Receipt.ID
	}
	for name, it := range items("same") {
		r := b.Publish(t.Context(), alice, []bus.PublishItem{it})[0]
		must(t, r.Err)
		if r.Receipt.ID != first[name] || r.Receipt.DuplicateOf != first[name] || !slices.Equal(r.Receipt.Groups, []string{"g"}) {
			t.Errorf("%s: repeated receipt %+v, first id %s", name, r.Receipt, first[name])
		}
	}
	for name, it := range items("another body") {
		r := b.Publish(t.Context(), alice, []bus.PublishItem{it})[0]
		if semabus.CodeOf(r.Err) != semabus.CodeAlreadyExists {
			t.Errorf("%s: another body gave %+v, %v", name, r.Receipt, r.Err)
		}
	}
	if ds := fetch(t, b, "g"); len(ds) != 3 {
		t.Errorf("%d deliveries, want 3", len(ds))
	}
}

func TestSettleWithOutputsIsOneEffect(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := publish(t, b, &semabus.Message{To: "work", Text: "job", Session: "s1"})
	d := one(t, b, "work")
	settle := func() bus.SettleResult {
		return b.Settle(t.Context(), alice, []semabus.Settlement{{Token: d.Lease.Token, Outcome: semabus.SettleDone, OpID: "job-1",
			Outputs: []*semabus.Message{{To: "sink", Text: "result", Root: "forged", Hops: 0}}}})[0]
	}
	a := settle()
	must(t, a.Err)
	again := settle()
	must(t, again.Err)
	if !again.Settled.Duplicate || again.Settled.Outputs[0].ID != a.Settled.Outputs[0].ID {
		t.Errorf("repeat: %+v, first %+v", again, a)
	}
	out := one(t, b, "sink")
	m := out.Message
	if m.Cause != in.ID || m.Root != in.ID || m.Hops != 1 || m.Session != "s1" || m.InReplyTo != in.ID {
		t.Errorf("output inherits %+v", m)
	}
	stale := b.Settle(t.Context(), alice, []semabus.Settlement{{Token: d.Lease.Token, Outcome: semabus.SettleDone}})[0]
	if semabus.ReasonOf(stale.Err) != semabus.ReasonAlreadySettled {
		t.Errorf("a settled lease settles again: %+v", stale)
	}
}

// Two agents that answer each other are parked within the hop limit; a fan-out bomb within the root's budget.
func TestRingIsParked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	publish(t, b, &semabus.Message{To: "ping", Text: "start"})
	turns := 0
	for group := "ping"; ; turns++ {
		ds := fetch(t, b, group)
		if len(ds) == 0 {
			break
		}
		next := map[string]string{"ping": "pong", "pong": "ping"}[group]
		r := b.Settle(t.Context(), alice, []semabus.Settlement{{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone,
			Outputs: []*semabus.Message{{To: next, Text: "again"}}}})[0]
		must(t, r.Err)
		group = next
		if turns > semabus.MaxHops+2 {
			t.Fatal("the ring goes on")
		}
	}
	if turns != semabus.MaxHops+1 {
		t.Errorf("%d turns, want %d", turns, semabus.MaxHops+1)
	}
	if d := one(t, b, semabus.GroupDeadLetter); d.Message.Hops != semabus.MaxHops+1 {
		t.Errorf("parked at %d hops", d.Message.Hops)
	}
}

func TestRootBudget(t *testing.T) {
	t.Parallel()
	b := setup(t)
	publish(t, b, &semabus.Message{To: "bomb", Text: "start"})
	made := 0
	for turn := range 20 {
		group, next := "bomb", "fuse"
		if turn%2 == 1 {
			group, next = next, group
		}
		ds := fetch(t, b, group)
		if len(ds) == 0 {
			break
		}
		for _, d := range ds {
			outs := make([]*semabus.Message, 100)
			for i := range outs {
				outs[i] = &semabus.Message{To: next, Text: fmt.Sprint(i)}
			}
			r := b.Settle(t.Context(), alice, []semabus.Settlement{{Token: d.Lease.Token, Outcome: semabus.SettleDone, Outputs: outs}})[0]
			must(t, r.Err)
			for _, o := range r.Settled.Outputs {
				if o.Outcome == semabus.OutcomeMatched {
					made++
				}
			}
		}
	}
	if made != semabus.MaxRootMessages {
		t.Errorf("one root caused %d messages, want %d", made, semabus.MaxRootMessages)
	}
}

func TestGroupDoesNotHearItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	publish(t, b, &semabus.Message{To: "refunds", Text: "start"})
	d := one(t, b, "refunds")
	r := b.Settle(t.Context(), alice, []semabus.Settlement{{Token: d.Lease.Token, Outcome: semabus.SettleDone,
		Outputs: []*semabus.Message{{Text: "please refund my order"}}}})[0]
	must(t, r.Err)
	if r.Settled.Outputs[0].Outcome != semabus.OutcomeNone {
		t.Errorf("the group heard its own output: %+v", r.Settled.Outputs[0])
	}
}

func TestRetryAndDeadLetter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "g", MaxAttempts: 2, RetryBase: time.Millisecond, RetryCap: time.Millisecond})
	must(t, err)
	publish(t, b, &semabus.Message{To: "g", Text: "flaky"})
	for attempt := 1; attempt <= 2; attempt++ {
		ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: "g", Max: 1, Wait: 5 * time.Second})
		must(t, err)
		if len(ds) != 1 || ds[0].Attempt != attempt {
			t.Fatalf("attempt %d: %+v", attempt, ds)
		}
		must(t, b.Settle(t.Context(), alice, []semabus.Settlement{{Token: ds[0].Lease.Token, Outcome: semabus.SettleRetry, Error: "no luck"}})[0].Err)
	}
	st, err := b.GroupStats(t.Context(), alice, nil)
	must(t, err)
	if i := slices.IndexFunc(st, func(g semabus.GroupStats) bool { return g.Group == "g" }); i < 0 || st[i].DeadLetters != 1 || st[i].Ready != 0 {
		t.Errorf("stats %+v", st)
	}
	if d := one(t, b, semabus.GroupDeadLetter); d.Message.Text != "flaky" {
		t.Errorf("dead letter %+v", d.Message)
	}
}

func TestSubscriptionCloseGivesLeasesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "g", Grace: time.Millisecond})
	must(t, err)
	publish(t, b, &semabus.Message{To: "g", Text: "job"})
	s, err := b.Subscribe(t.Context(), alice, bus.SubscribeOptions{Group: "g", Member: "a", Lease: time.Hour})
	must(t, err)
	ds, err := s.Next(t.Context(), 10, 0, 0)
	must(t, err)
	if len(ds) != 1 {
		t.Fatalf("%d deliveries", len(ds))
	}
	must(t, s.Renew(t.Context()))
	s.Close(t.Context())
	again, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: "g", Wait: 10 * time.Second})
	must(t, err)
	if len(again) != 1 {
		t.Fatal("nobody took over")
	}
	late := b.Settle(t.Context(), alice, []semabus.Settlement{{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone}})[0]
	if semabus.ReasonOf(late.Err) != semabus.ReasonStaleLease {
		t.Errorf("the former holder settled: %v", late.Err)
	}
}

func TestTenantsAreIsolated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	r := publish(t, b, &semabus.Message{To: "g", Text: "secret"})
	d := one(t, b, "g")
	if _, err := b.Why(t.Context(), other, r.ID, ""); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("why: %v", err)
	}
	if ds, err := b.Fetch(t.Context(), other, bus.FetchRequest{Group: "g"}); err != nil || len(ds) != 0 {
		t.Errorf("fetch: %v %v", ds, err)
	}
	if s := b.Settle(t.Context(), other, []semabus.Settlement{{Token: d.Lease.Token, Outcome: semabus.SettleDone}})[0]; semabus.ReasonOf(s.Err) != semabus.ReasonStaleLease {
		t.Errorf("settle: %+v", s)
	}
	if e := b.Extend(t.Context(), other, []bus.Extension{{Token: d.Lease.Token, For: time.Hour}})[0]; e == nil {
		t.Error("extend by a stranger")
	}
	if items, _, err := b.ListIntents(t.Context(), other, "", "", 0); err != nil || len(items) != 0 {
		t.Errorf("intents: %v %v", items, err)
	}
	if st, err := b.GroupStats(t.Context(), other, nil); err != nil || len(st) != 0 {
		t.Errorf("stats: %v %v", st, err)
	}
}

func TestRegistryOperationsRepeat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := semabus.Intent{Name: "a", Description: "anything about apples"}
	first, v1, err := b.RegisterIntent(t.Context(), alice, "op", in)
	must(t, err)
	again, v2, err := b.RegisterIntent(t.Context(), alice, "op", in)
	must(t, err)
	if v1 != v2 || first.Version != again.Version || first.Group != "a" || first.Set != "desk" {
		t.Errorf("first %+v at %d, again %+v at %d", first, v1, again, v2)
	}
	if _, _, err := b.RegisterIntent(t.Context(), alice, "", in); semabus.ReasonOf(err) != semabus.ReasonExists {
		t.Errorf("a second registration: %v", err)
	}
	if _, _, err := b.UpdateIntent(t.Context(), alice, "", in, 99); semabus.CodeOf(err) != semabus.CodeAborted {
		t.Errorf("update over another version: %v", err)
	}
	if _, err := b.DeleteIntent(t.Context(), alice, "del", "a"); err != nil {
		t.Error(err)
	}
	if _, err := b.DeleteIntent(t.Context(), alice, "del", "a"); err != nil {
		t.Errorf("repeated delete: %v", err)
	}
	if _, err := b.DeleteIntent(t.Context(), alice, "", "a"); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("second delete: %v", err)
	}
}

func TestRestartFoldsTheRegistry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, done := open(t, dir)
	desk(t, b)
	_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "audit", Topics: []string{"orders.*"}})
	must(t, err)
	must(t, b.Feedback(t.Context(), alice, "", []semabus.Feedback{{MessageID: publish(t, b, &semabus.Message{Text: "give me a refund"}).ID, Intent: "refunds", Useful: true}}))
	before, err := b.Info(t.Context(), alice)
	must(t, err)
	done()

	b, done = open(t, dir)
	defer done()
	after, err := b.Info(t.Context(), alice)
	must(t, err)
	if after.Intents != 2 || after.RegistryVersion != before.RegistryVersion {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if r := publish(t, b, &semabus.Message{Topic: "orders.new"}); !slices.Equal(r.Groups, []string{"audit"}) {
		t.Errorf("topic after restart: %v", r.Groups)
	}
	if _, _, err := b.RegisterIntent(t.Context(), alice, "", semabus.Intent{Name: "new", Description: "brand new things"}); err != nil {
		t.Errorf("registering after a restart: %v", err)
	}
}

func TestNotForMeTeaches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	r := publish(t, b, &semabus.Message{Text: "please refund my order"})
	if len(r.Groups) == 0 {
		t.Fatalf("receipt %+v", r)
	}
	before, err := b.Info(t.Context(), alice)
	must(t, err)
	d := one(t, b, "refunds")
	must(t, b.Settle(t.Context(), alice, []semabus.Settlement{{Token: d.Lease.Token, Outcome: semabus.SettleNotForMe}})[0].Err)
	after, err := b.Info(t.Context(), alice)
	must(t, err)
	if after.RegistryVersion != before.RegistryVersion+1 {
		t.Errorf("registry went from %d to %d", before.RegistryVersion, after.RegistryVersion)
	}
	if ds := fetch(t, b, "refunds"); len(ds) != 0 {
		t.Errorf("it came back: %d", len(ds))
	}
}
