package brokertest

import (
	"time"

	"github.com/semabus/semabus/broker/driver"
)

func timeCases() []testCase {
	return []testCase{
		{"DeliverAt/NotBefore", []Capability{DeliverAt}, notBefore},
		{"DeliverAt/SurvivesReopen", []Capability{DeliverAt}, dueReopen},
		{"DeliverAt/DueOrder", []Capability{DeliverAt}, dueOrder},
		{"TTL/ExpiresUnleased", nil, ttlExpires},
		{"TTL/EndsWithFirstLease", nil, ttlLeased},
	}
}

// at stores a message due after d with a time to live.
func (r *rig) at(id, group string, d, ttl time.Duration) time.Time {
	r.t.Helper()
	b := put(id, group)
	if d > 0 {
		b.Deliveries[0].DeliverAt = clock.Now().Add(d)
	}
	b.Deliveries[0].TTL = ttl
	r.apply(b)
	return b.Deliveries[0].DeliverAt
}

// waits leases the next delivery of a group and asserts that it did not come before due.
func (r *rig) waits(id, group string, due time.Time) driver.Leased {
	r.t.Helper()
	l := r.one(group)
	if now := clock.Now(); now.Before(due.Add(-r.d.Caps().Precision)) {
		r.t.Fatalf("%s came at %v, due at %v", l.MessageID, now, due)
	}
	if l.MessageID != id {
		r.t.Fatalf("got %s, want %s", l.MessageID, id)
	}
	return l
}

func notBefore(r *rig) {
	r.at("far", "g", far, 0)
	due := r.at("soon", "g", 3*brief, 0)
	r.apply(put("now", "g"))
	r.takes(request("g", 1), "now")
	r.waits("soon", "g", due)
	r.none("g")
	if d := r.delivery("far", "g"); d == nil || d.State != driver.StateDelayed || d.Due.IsZero() {
		r.t.Fatalf("the delayed delivery is %+v", d)
	}
}

func dueReopen(r *rig) {
	r.at("far", "g", far, 0)
	due := r.at("soon", "g", 4*brief, 0)
	r.kill()
	r.waits("soon", "g", due)
	r.none("g")
}

func dueOrder(r *rig) {
	r.at("third", "g", 4*brief, 0)
	r.at("first", "g", 2*brief, 0)
	r.at("second", "g", 3*brief, 0)
	r.takes(request("g", 1), "first", "second", "third")
}

func ttlExpires(r *rig) {
	r.at("brief", "g", 0, brief/2)
	r.at("long", "g", 0, far)
	r.elapse(3 * brief)
	long := r.takes(request("g", 1), "long")[0]
	r.none("g")
	r.apply(done(long.Token))
	r.until("the delivery is expired", func() bool {
		d := r.delivery("brief", "g")
		return d == nil || d.State == driver.StateExpired
	})
	r.kill()
	r.none("g")
}

func ttlLeased(r *rig) {
	const ttl = 2 * time.Second
	r.at("m", "g", 0, ttl)
	l := r.one("g")
	r.elapse(ttl)
	r.apply(back(l.Token, 0, true, "e"))
	if l = r.one("g"); l.Attempt != 2 {
		r.t.Fatalf("attempt is %d", l.Attempt)
	}
	r.kill()
	r.apply(put("after", "h"))
	r.one("h")
}
