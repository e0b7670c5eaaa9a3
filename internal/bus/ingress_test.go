package bus_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/bus"
)

// async publishes without waiting for the decision.
func async(t *testing.T, b *bus.Bus, m *semabus.Message) semabus.Receipt {
	t.Helper()
	r := b.Publish(t.Context(), alice, []bus.PublishItem{{Message: m, Async: true}})[0]
	must(t, r.Err)
	if r.Receipt.Final || r.Receipt.Outcome != semabus.OutcomePending || len(r.Receipt.Groups) != 0 {
		t.Fatalf("receipt %+v", r.Receipt)
	}
	return r.Receipt
}

// take leases until n deliveries came.
func take(t *testing.T, b *bus.Bus, group string, n int) (out []semabus.Delivery) {
	t.Helper()
	for len(out) < n {
		ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: group, Max: 100, Wait: 10 * time.Second})
		must(t, err)
		if len(ds) == 0 {
			t.Fatalf("%s: %d deliveries, want %d", group, len(out), n)
		}
		out = append(out, ds...)
	}
	return out
}

func TestAsyncIsDecidedLater(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	r := async(t, b, &semabus.Message{Text: "please refund my order"})
	w, err := b.Why(t.Context(), alice, r.ID, "refunds")
	must(t, err)
	if w.Reason.Delivers() || !strings.HasPrefix(w.Text, "Not decided yet") {
		t.Errorf("before: %s %q", w.Reason, w.Text)
	}
	defer run(t, b)()
	if d := take(t, b, "refunds", 1)[0]; d.Message.ID != r.ID || d.Match.Reason != semabus.MatchMeaning {
		t.Errorf("delivery %+v", d)
	}
	w, err = b.Why(t.Context(), alice, r.ID, "refunds")
	must(t, err)
	if w.Reason != semabus.MatchMeaning || w.Decision == nil || w.Decision.Outcome != semabus.OutcomeMatched {
		t.Errorf("after: %s %+v", w.Reason, w.Decision)
	}
}

// TestAsyncSurvivesARestart: what was acknowledged is decided once, by whichever life of the node comes to it, and the
// messages of a session leave in order.
func TestAsyncSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const sessions, each = 3, 20
	b, done := open(t, dir)
	for i := range each {
		for s := range sessions {
			async(t, b, &semabus.Message{ID: strings.Repeat("i", 240) + fmt.Sprintf("-%d-%d", s, i), To: "g", Session: fmt.Sprint(s), Priority: i % 10, Text: fmt.Sprint(i)})
		}
	}
	stop := run(t, b) // it gets somewhere, or nowhere
	first := take(t, b, "g", 1)
	stop()
	done()

	b, done = open(t, dir)
	defer done()
	defer run(t, b)()
	_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "g", SessionOrder: true})
	must(t, err)
	seen := map[string]int{}
	next := map[string]int{}
	for range sessions * each {
		d := take(t, b, "g", 1)
		for i := range d {
			m := d[i].Message
			if want := fmt.Sprint(next[m.Session]); m.Text != want {
				t.Fatalf("session %s: message %s, want %s", m.Session, m.Text, want)
			}
			next[m.Session]++
			seen[m.ID]++
			settle(t, b, semabus.Settlement{Token: d[i].Lease.Token, Outcome: semabus.SettleDone})
		}
		if len(seen) == sessions*each {
			break
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	if len(seen) != sessions*each {
		t.Errorf("%d messages came, want %d; the first life had %d", len(seen), sessions*each, len(first))
	}
	if ds := fetch(t, b, semabus.GroupIngress); len(ds) != 0 {
		t.Errorf("%d messages still wait", len(ds))
	}
}

func TestAsyncRepeatIsTheSameMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	defer run(t, b)()
	for i := range 2 {
		r := b.Publish(t.Context(), alice, []bus.PublishItem{{Message: &semabus.Message{To: "g"}, Async: true, OpID: "op"}})[0]
		must(t, r.Err)
		if (r.Receipt.DuplicateOf != "") != (i > 0) {
			t.Errorf("time %d: %+v", i, r.Receipt)
		}
	}
	d := take(t, b, "g", 1)
	settle(t, b, semabus.Settlement{Token: d[0].Lease.Token, Outcome: semabus.SettleDone})
	if ds := fetch(t, b, "g"); len(d)+len(ds) != 1 {
		t.Errorf("%d deliveries", len(d)+len(ds))
	}
}

// TestAsyncWaitsForAFullGroup: it goes back without costing an attempt, and comes when there is room.
func TestAsyncWaitsForAFullGroup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "g", MaxDepth: 1})
	must(t, err)
	publish(t, b, &semabus.Message{To: "g", Text: "first"})
	async(t, b, &semabus.Message{To: "g", Text: "second"})
	defer run(t, b)()
	settle(t, b, semabus.Settlement{Token: one(t, b, "g").Lease.Token, Outcome: semabus.SettleDone})
	if d := take(t, b, "g", 1)[0]; d.Message.Text != "second" {
		t.Errorf("delivery %+v", d.Message)
	}
}

// TestAsyncKeepsASessionInOrder also where its first message has to wait: the one behind it does not overtake.
func TestAsyncKeepsASessionInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "full", MaxDepth: 1})
	must(t, err)
	publish(t, b, &semabus.Message{To: "full", Text: "in the way"})
	async(t, b, &semabus.Message{To: "full", Text: "first", Session: "s"})
	async(t, b, &semabus.Message{To: "free", Text: "second", Session: "s", Priority: 9})
	async(t, b, &semabus.Message{To: "free", Text: "of another session", Session: "x"})
	defer run(t, b)()
	if d := take(t, b, "free", 1)[0]; d.Message.Session != "x" {
		t.Fatalf("%q overtook", d.Message.Text)
	}
	settle(t, b, semabus.Settlement{Token: one(t, b, "full").Lease.Token, Outcome: semabus.SettleDone})
	first, second := take(t, b, "full", 1)[0], take(t, b, "free", 1)[0]
	if first.Message.Text != "first" || second.Message.Text != "second" || second.Enqueued.Before(first.Enqueued) {
		t.Errorf("%q at %v, %q at %v", first.Message.Text, first.Enqueued, second.Message.Text, second.Enqueued)
	}
}
