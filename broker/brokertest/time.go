package brokertest

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/broker/driver"
)

func timeCases() []testCase {
	return []testCase{
		{"DeliverAt/NotBefore", []Capability{DeliverAt}, notBefore},
		{"DeliverAt/SurvivesReopen", []Capability{DeliverAt}, dueReopen},
		{"DeliverAt/DueOrder", []Capability{DeliverAt}, dueOrder},
		{"DeliverAt/AnyYear", []Capability{DeliverAt}, anyYear},
		{"TTL/ExpiresUnleased", nil, ttlExpires},
		{"TTL/Longest", nil, ttlLongest},
		{"Lease/LongestTimes", nil, longestTimes},
		{"Mark/LongestWindow", nil, longestWindow},
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

// anyYear: times that no counter of nanoseconds can hold are still before or after now.
func anyYear(r *rig) {
	for i, year := range []int{2263, 3000, 9999} {
		b := put(fmt.Sprint("later", i), "g")
		b.Deliveries[0].DeliverAt = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		r.apply(b)
	}
	r.none("g")
	for i, year := range []int{1, 1500, 1969} {
		b := put(fmt.Sprint("earlier", i), "g")
		b.Deliveries[0].DeliverAt = time.Date(year, 1, 1, 0, 0, 0, 1, time.UTC)
		r.apply(b)
	}
	got := r.takes(request("g", 1), "earlier0", "earlier1", "earlier2")
	r.none("g")
	for i, year := range []int{3000, 1500} {
		b := back(got[i].Token, 0, true, "")
		b.Settles[0].Due = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		r.apply(b)
	}
	r.takes(request("g", 1), "earlier1")
	r.none("g")
}

const longest = time.Duration(math.MaxInt64)

// ttlLongest: the longest time to live is not over at once.
func ttlLongest(r *rig) {
	r.at("m", "g", 0, longest)
	r.one("g")
}

// longestTimes: the longest lease, renewal and long poll are long.
func longestTimes(r *rig) {
	q := request("g", 1)
	q.For, q.Wait = longest, longest
	var g errgroup.Group
	g.Go(func() error {
		got, err := r.d.Lease(r.ctx(), q)
		if err != nil || len(got) != 1 {
			return fmt.Errorf("the long poll came back with %v, %w", names(got), err)
		}
		if err := r.d.Renew(r.ctx(), tenant, []driver.Renewal{{Token: got[0].Token, For: longest}})[0]; err != nil {
			return fmt.Errorf("renew: %w", err)
		}
		if res, err := r.d.Commit(r.ctx(), []*driver.Batch{done(got[0].Token)}); err != nil || !res[0].Applied {
			return fmt.Errorf("the longest lease is over: %+v, %w", res, err)
		}
		return nil
	})
	r.elapse(brief)
	r.apply(put("m", "g"))
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
}

// longestWindow: a key that is kept for ever is kept.
func longestWindow(r *rig) {
	for _, year := range []int{2263, 9999} {
		key := fmt.Sprint(year)
		b := marked("m"+key, "v", 1, key)
		b.Marks[0].Until = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		r.apply(b)
		r.repeats(marked("n"+key, "", 1, key), "v")
	}
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
