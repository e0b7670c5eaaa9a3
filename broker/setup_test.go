package broker_test

import (
	"testing"

	"go.uber.org/goleak"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/localbroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setup is a broker over a fresh embedded engine; a retry without a wait of its own is due at once.
func setup(t testing.TB, o broker.Options) *broker.Broker {
	t.Helper()
	engine, err := localbroker.Open(localbroker.Options{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	if o.Random == nil {
		o.Random = func() float64 { return 0 }
	}
	b, err := broker.New(engine, o)
	must(t, err)
	return b
}

const tenant = "t"

// message is a valid one.
func message(id string) *semabus.Message {
	return &semabus.Message{ID: id, Source: "alice", Text: "text of " + id, Priority: semabus.DefaultPriority}
}

// put is a commit of one message for groups.
func put(m *semabus.Message, groups ...string) *broker.Commit {
	e := broker.Entry{Message: m, Decision: &semabus.Decision{MessageID: m.ID, Outcome: semabus.OutcomeMatched}}
	for _, g := range groups {
		e.Groups = append(e.Groups, broker.Target{Group: g, Match: semabus.Match{Group: g, Intent: "i", Reason: semabus.MatchMeaning, Probability: 0.9}})
	}
	return &broker.Commit{Tenant: tenant, Entries: []broker.Entry{e}}
}

// one commits a commit that must be applied.
func one(t testing.TB, b *broker.Broker, c *broker.Commit) broker.Committed {
	t.Helper()
	done, err := b.Commit(t.Context(), []*broker.Commit{c})
	must(t, err)
	must(t, done[0].Err)
	return done[0]
}

// lease takes the only delivery of a group.
func lease(t testing.TB, b *broker.Broker, group string) semabus.Delivery {
	t.Helper()
	ds, err := b.Lease(t.Context(), broker.LeaseOptions{Tenant: tenant, Group: group, Max: 10})
	must(t, err)
	if len(ds) != 1 {
		t.Fatalf("%s has %d deliveries, want 1", group, len(ds))
	}
	return ds[0]
}

func none(t testing.TB, b *broker.Broker, group string) {
	t.Helper()
	ds, err := b.Lease(t.Context(), broker.LeaseOptions{Tenant: tenant, Group: group, Max: 10})
	must(t, err)
	if len(ds) != 0 {
		t.Fatalf("%s has %d deliveries, want none", group, len(ds))
	}
}

func settle(d semabus.Delivery, o semabus.SettleOutcome, text string) *broker.Commit {
	return &broker.Commit{Tenant: tenant, Settles: []broker.Settle{{Token: d.Lease.Token, Outcome: o, Error: text}}}
}
