package brokertest

import (
	"fmt"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func ingressCases() []testCase {
	return []testCase{
		{"Ingress/DecideInOneCommit", nil, ingressDecide},
		{"Ingress/SecondRouterChangesNothing", nil, ingressFenced},
		{"Ingress/SessionsLeaveInOrder", []Capability{SessionOrder}, ingressSessions},
		{"Unmatched/Replay", nil, unmatchedReplay},
	}
}

// accept stores a message that waits for its decision.
func accept(id, session string) *driver.Batch {
	b := put(id, semabus.GroupIngress)
	b.Messages[0].Decision = nil
	b.Deliveries[0].Session = session
	return b
}

// decide settles the waiting delivery and makes those of the decision, idempotently by message id.
func decide(l driver.Leased, groups ...string) *driver.Batch {
	b := done(l.Token)
	b.Marks = []driver.Mark{{Key: "op/" + l.MessageID, Hash: 1}}
	b.Value = []byte("receipt of " + l.MessageID)
	b.Decisions = []driver.Decision{{MessageID: l.MessageID, Decision: []byte("decided")}}
	for _, g := range groups {
		b.Deliveries = append(b.Deliveries, driver.Enqueue{MessageID: l.MessageID, Group: g, Session: l.Session})
	}
	return b
}

func ingressDecide(r *rig) {
	r.apply(accept("m", ""))
	if f := r.find(driver.Query{Message: "m"}); len(f.Message.Decision) != 0 {
		r.t.Fatalf("an undecided message has decision %q", f.Message.Decision)
	}
	l := r.one(semabus.GroupIngress)
	b := decide(l, "a", "b")
	r.apply(b)
	r.kill()
	r.none(semabus.GroupIngress)
	f := r.find(driver.Query{Message: "m"})
	if string(f.Message.Decision) != "decided" || string(f.Message.Body) != "body of m" || len(f.Deliveries) != 3 {
		r.t.Fatalf("found %+v with %d deliveries", f.Message, len(f.Deliveries))
	}
	r.takes(request("a", 1), "m")
	r.takes(request("b", 1), "m")
	r.repeats(b, "receipt of m")
}

func ingressFenced(r *rig) {
	r.apply(accept("m", ""))
	q := request(semabus.GroupIngress, 1)
	q.For = brief
	slow := r.oneOf(q)
	quick := r.one(semabus.GroupIngress)
	late := decide(slow, "wrong")
	late.Marks = nil
	r.refuse(late, semabus.ReasonStaleLease)
	if f := r.find(driver.Query{Message: "m"}); len(f.Message.Decision) != 0 {
		r.t.Fatalf("a stale router stored its decision %q", f.Message.Decision)
	}
	r.apply(decide(quick, "right"))
	r.refuse(late, semabus.ReasonStaleLease)
	r.none("wrong")
	r.takes(request("right", 1), "m")
}

func ingressSessions(r *rig) {
	const n = 6
	for i := range n {
		r.apply(accept(fmt.Sprintf("a%d", i), "A"))
		r.apply(accept(fmt.Sprintf("b%d", i), "B"))
	}
	q := request(semabus.GroupIngress, 100)
	q.SessionOrder = true
	for i := range n {
		got := r.lease(q)
		want := fmt.Sprintf("[a%d b%d]", i, i)
		if fmt.Sprint(names(got)) != want {
			r.t.Fatalf("round %d granted %v, want %s", i, names(got), want)
		}
		for _, l := range got {
			r.apply(decide(l, "g"))
		}
	}
	if got := r.lease(request("g", 100)); len(got) != 2*n {
		r.t.Fatalf("%d deliveries, want %d", len(got), 2*n)
	}
}

func unmatchedReplay(r *rig) {
	r.apply(put("m", semabus.GroupUnmatched))
	l := r.one(semabus.GroupUnmatched)
	b := decide(l, "found")
	r.apply(b)
	r.none(semabus.GroupUnmatched)
	r.takes(request("found", 1), "m")
	if f := r.find(driver.Query{Message: "m"}); string(f.Message.Decision) != "decided" {
		r.t.Fatalf("the decision is %q", f.Message.Decision)
	}
	r.repeats(b, "receipt of m")
}
