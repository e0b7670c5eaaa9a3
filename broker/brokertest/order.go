package brokertest

import (
	"fmt"

	"github.com/semabus/semabus/broker/driver"
)

func orderCases() []testCase {
	return []testCase{
		{"Order/PriorityThenOldest", nil, priorityOrder},
		{"Order/RequeuedKeepsPriority", nil, requeuedPriority},
		{"Session/OneAtATimeInOrder", []Capability{SessionOrder}, sessionOrder},
		{"Session/BlockedAloneByRetry", []Capability{SessionOrder}, sessionBlocked},
		{"Session/ExpiredLeaseComesFirst", []Capability{SessionOrder}, sessionExpiry},
		{"Session/CompetesByHighestPriority", []Capability{SessionOrder, PriorityAcrossSessions}, sessionPriority},
		{"Session/DeliverAtEntersWhenDue", []Capability{SessionOrder, DeliverAt}, sessionDeliverAt},
		{"Session/IgnoredWithoutOrder", nil, sessionIgnored},
		{"Session/OrderSurvivesReopen", []Capability{SessionOrder}, sessionReopen},
	}
}

// queue stores a message with a delivery of the given priority and session.
func (r *rig) queue(id, group string, priority uint8, session string) {
	r.t.Helper()
	b := put(id, group)
	b.Deliveries[0].Priority, b.Deliveries[0].Session = priority, session
	r.apply(b)
}

func ordered(group string, most int) *driver.LeaseRequest {
	q := request(group, most)
	q.SessionOrder = true
	return q
}

func priorityOrder(r *rig) {
	for i, p := range []uint8{4, 9, 0, 4, 9, 7, 0} {
		r.queue(fmt.Sprintf("%d-%d", p, i), "g", p, "")
	}
	got := r.lease(request("g", 4))
	if fmt.Sprint(names(got)) != "[9-1 9-4 7-5 4-0]" {
		r.t.Fatalf("granted %v", names(got))
	}
	r.queue("8-late", "g", 8, "")
	r.takes(request("g", 1), "8-late", "4-3", "0-2", "0-6")
}

func requeuedPriority(r *rig) {
	r.queue("urgent", "g", 9, "")
	l := r.one("g")
	r.queue("plain", "g", 4, "")
	r.apply(back(l.Token, 0, true, "e"))
	got := r.takes(request("g", 1), "urgent", "plain")
	if got[0].Priority != 9 {
		r.t.Fatalf("the priority became %d", got[0].Priority)
	}
}

func sessionOrder(r *rig) {
	for _, id := range []string{"a1", "a2", "b1", "a3", "b2", "c1"} {
		r.queue(id, "g", 4, id[:1])
	}
	r.queue("free1", "g", 4, "")
	r.queue("free2", "g", 4, "")
	first := r.lease(ordered("g", 10))
	if fmt.Sprint(names(first)) != "[a1 b1 c1 free1 free2]" {
		r.t.Fatalf("granted %v: one a session, and all that have none", names(first))
	}
	if got := r.lease(ordered("g", 10)); len(got) != 0 {
		r.t.Fatalf("granted %v of blocked sessions", names(got))
	}
	r.apply(done(first[0].Token))
	second := r.takes(ordered("g", 1), "a2")
	if got := r.lease(ordered("g", 10)); len(got) != 0 {
		r.t.Fatalf("granted %v of blocked sessions", names(got))
	}
	r.apply(done(second[0].Token))
	r.apply(done(first[1].Token))
	got := r.lease(ordered("g", 10))
	if len(got) != 2 {
		r.t.Fatalf("granted %v, want a3 and b2", names(got))
	}
	if got[0].Session != got[0].MessageID[:1] {
		r.t.Fatalf("session is %q", got[0].Session)
	}
}

func sessionBlocked(r *rig) {
	for _, id := range []string{"a1", "a2", "b1"} {
		r.queue(id, "g", 4, id[:1])
	}
	l := r.takes(ordered("g", 1), "a1")[0]
	r.apply(back(l.Token, far, true, "e")) // waits for its retry, unsettled: a2 must not overtake it
	b := r.takes(ordered("g", 1), "b1")[0]
	if got := r.lease(ordered("g", 10)); len(got) != 0 {
		r.t.Fatalf("granted %v before the failed message of its session", names(got))
	}
	r.apply(done(b.Token))
	r.queue("b2", "g", 4, "b")
	r.takes(ordered("g", 1), "b2")
}

func sessionExpiry(r *rig) {
	for _, id := range []string{"a1", "a2"} {
		r.queue(id, "g", 4, "a")
	}
	q := ordered("g", 1)
	q.For = brief
	r.takes(q, "a1")
	l := r.takes(ordered("g", 1), "a1")[0]
	r.apply(back(l.Token, 0, true, "e"))
	l = r.takes(ordered("g", 1), "a1")[0]
	r.apply(done(l.Token))
	r.takes(ordered("g", 1), "a2")
}

func sessionPriority(r *rig) {
	r.queue("a1", "g", 1, "a")
	r.queue("b1", "g", 5, "b")
	r.queue("a2", "g", 9, "a") // lends its session its priority, not its place
	r.queue("c1", "g", 3, "c")
	l := r.takes(ordered("g", 1), "a1")[0]
	r.takes(ordered("g", 1), "b1")
	r.apply(done(l.Token))
	r.takes(ordered("g", 1), "a2", "c1")
}

func sessionDeliverAt(r *rig) {
	timed := func(id string, due driver.Enqueue) {
		b := put(id)
		due.MessageID, due.Group, due.Session, due.Priority = id, "g", "a", 4
		b.Deliveries = []driver.Enqueue{due}
		r.apply(b)
	}
	timed("far", driver.Enqueue{DeliverAt: clock.Now().Add(far)})
	timed("soon", driver.Enqueue{DeliverAt: clock.Now().Add(3 * brief)})
	timed("now", driver.Enqueue{})
	l := r.takes(ordered("g", 1), "now")[0] // what is not due blocks nobody
	r.elapse(4 * brief)
	if got := r.lease(ordered("g", 10)); len(got) != 0 {
		r.t.Fatalf("granted %v of a blocked session", names(got))
	}
	r.apply(done(l.Token))
	r.takes(ordered("g", 1), "soon")
}

func sessionIgnored(r *rig) {
	for _, id := range []string{"a1", "a2", "a3"} {
		r.queue(id, "g", 4, "a")
	}
	if got := r.lease(request("g", 10)); fmt.Sprint(names(got)) != "[a1 a2 a3]" {
		r.t.Fatalf("granted %v: without session order nothing blocks", names(got))
	}
}

func sessionReopen(r *rig) {
	for i := range 5 {
		r.queue(fmt.Sprintf("a%d", i), "g", uint8(i), "a")
	}
	for i := range 5 {
		l := r.takes(ordered("g", 1), fmt.Sprintf("a%d", i))[0]
		r.apply(done(l.Token))
		r.kill()
	}
	r.none("g")
}
