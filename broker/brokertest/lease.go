package brokertest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func leaseCases() []testCase {
	return []testCase{
		{"Lease/Exclusive", nil, exclusive},
		{"Lease/MaxBytes", nil, maxBytes},
		{"Lease/Waits", nil, leaseWaits},
		{"Lease/WaitEndsWithContext", nil, waitCancelled},
		{"Lease/ExpiryCostsAnAttempt", nil, expiry},
		{"Lease/SequenceRises", nil, sequenceRises},
		{"Renew/Longer", nil, renewLonger},
		{"Renew/Shorter", nil, renewShorter},
		{"Renew/ZeroGivesBack", nil, renewZero},
		{"Renew/StaleInItsPlace", nil, renewStale},
		{"Requeue/DueAttemptErrors", nil, requeue},
		{"Requeue/NewestErrors", nil, newestErrors},
		{"Requeue/Later", []Capability{DeliverAt}, requeueLater},
	}
}

func exclusive(r *rig) {
	for _, id := range ids("m", 5) {
		r.apply(put(id, "g", "h"))
	}
	got := r.lease(request("g", 3))
	if fmt.Sprint(names(got)) != "[m0000 m0001 m0002]" {
		r.t.Fatalf("granted %v", names(got))
	}
	rest := r.lease(request("g", 10))
	if fmt.Sprint(names(rest)) != "[m0003 m0004]" {
		r.t.Fatalf("granted %v while the others are leased", names(rest))
	}
	r.none("g")
	if other := r.lease(request("h", 10)); len(other) != 5 {
		r.t.Fatalf("the other group got %d of 5", len(other))
	}
	seen := map[string]bool{}
	for _, l := range append(got, rest...) {
		if seen[string(l.Token)] {
			r.t.Fatal("two leases have one token")
		}
		seen[string(l.Token)] = true
	}
}

func maxBytes(r *rig) {
	for _, id := range ids("m", 4) {
		b := put(id, "g")
		b.Messages[0].Body = bytes.Repeat([]byte("x"), 1000)
		r.apply(b)
	}
	q := request("g", 10)
	q.MaxBytes = 10
	if got := r.lease(q); fmt.Sprint(names(got)) != "[m0000]" {
		r.t.Fatalf("granted %v: the first comes whatever its size, and nothing beyond the limit", names(got))
	}
	q.MaxBytes = 2500
	if got := r.lease(q); fmt.Sprint(names(got)) != "[m0001 m0002]" {
		r.t.Fatalf("granted %v within 2500 bytes", names(got))
	}
}

func leaseWaits(r *rig) {
	q := request("g", 4)
	q.Wait = brief
	if got := r.lease(q); len(got) != 0 {
		r.t.Fatalf("granted %v of an empty group", names(got))
	}
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			q := request("g", 1)
			q.Wait = patience
			got, err := r.d.Lease(r.ctx(), q)
			if err != nil || len(got) != 1 {
				return fmt.Errorf("lease returned %v, %w", got, err)
			}
			return nil
		})
	}
	r.elapse(brief)
	for _, id := range ids("m", 3) {
		r.apply(put(id, "g"))
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
}

func waitCancelled(r *rig) {
	ctx, cancel := context.WithCancel(r.ctx())
	var g errgroup.Group
	g.Go(func() error {
		q := request("g", 1)
		q.Wait = far
		got, err := r.d.Lease(ctx, q)
		if len(got) != 0 || err != nil && !cancelled(err) {
			return fmt.Errorf("lease returned %v, %w", got, err)
		}
		return nil
	})
	r.elapse(brief)
	cancel()
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	r.apply(put("m", "g"))
	r.one("g") // the member that left took nothing with it
}

func expiry(r *rig) {
	r.apply(put("m", "g"))
	q := request("g", 1)
	q.For = brief
	first := r.oneOf(q)
	second := r.one("g")
	if clock.Now().Before(first.Expires.Add(-r.d.Caps().Precision)) {
		r.t.Errorf("granted again before the lease ran out at %v", first.Expires)
	}
	if second.Attempt != 2 || len(second.Errors) != 1 || second.MessageID != "m" || bytes.Equal(first.Token, second.Token) {
		r.t.Fatalf("second grant is %+v", second)
	}
	r.apply(done(second.Token))
	r.none("g")
}

func sequenceRises(r *rig) {
	r.apply(put("m", "g"))
	var last uint64
	grant := func() driver.Leased {
		r.t.Helper()
		l := r.one("g")
		d := r.delivery("m", "g")
		if d == nil || d.State != driver.StateLeased || d.Leases <= last {
			r.t.Fatalf("after a grant the delivery is %+v, last sequence %d", d, last)
		}
		last = d.Leases
		return l
	}
	for range 3 {
		r.apply(back(grant().Token, 0, false, ""))
	}
	r.kill()
	l := grant()
	r.renew(l.Token, 0)
	l = grant()
	r.kill() // while leased: the grant must not be forgotten
	if d := r.delivery("m", "g"); d.Leases < last {
		r.t.Fatalf("the sequence fell from %d to %d across a crash", last, d.Leases)
	}
	r.until("the delivery comes back", func() bool {
		r.d.Renew(r.ctx(), tenant, []driver.Renewal{{Token: l.Token}})
		got := r.lease(request("g", 1))
		return len(got) == 1 && !bytes.Equal(got[0].Token, l.Token)
	})
	r.refuse(done(l.Token), semabus.ReasonStaleLease)
}

// renew changes a lease's term; it must succeed.
func (r *rig) renew(token []byte, d time.Duration) {
	r.t.Helper()
	errs := r.d.Renew(r.ctx(), tenant, []driver.Renewal{{Token: token, For: d}})
	if len(errs) != 1 || errs[0] != nil {
		r.t.Fatalf("Renew: %v", errs)
	}
}

func renewLonger(r *rig) {
	r.apply(put("m", "g"))
	l := r.one("g")
	r.renew(l.Token, 2*term)
	if d := r.delivery("m", "g"); !d.Expires.After(l.Expires) {
		r.t.Fatalf("the lease ends at %v, before %v", d.Expires, l.Expires)
	}
	r.none("g")
	r.apply(done(l.Token)) // the token stays valid
}

func renewShorter(r *rig) {
	r.apply(put("m", "g"))
	l := r.one("g")
	r.renew(l.Token, brief)
	again := r.one("g")
	if again.Attempt != 2 {
		r.t.Errorf("attempt is %d after the lease ran out", again.Attempt)
	}
	r.refuse(done(l.Token), semabus.ReasonStaleLease)
	r.apply(done(again.Token))
}

func renewZero(r *rig) {
	r.apply(put("m", "g"))
	for range 3 {
		l := r.one("g")
		if l.Attempt != 1 {
			r.t.Fatalf("attempt is %d: giving back costs none", l.Attempt)
		}
		r.renew(l.Token, 0)
		r.refuse(done(l.Token), semabus.ReasonStaleLease)
	}
	l := r.one("g")
	r.renew(l.Token, -1)
	r.apply(done(r.one("g").Token))
}

func renewStale(r *rig) {
	r.apply(put("a", "g"))
	r.apply(put("b", "g"))
	a, b := r.one("g"), r.one("g")
	r.apply(done(a.Token))
	errs := r.d.Renew(r.ctx(), tenant, []driver.Renewal{
		{Token: a.Token, For: term}, {Token: b.Token, For: term}, {Token: []byte("garbled"), For: term}, {For: term},
	})
	if len(errs) != 4 || errs[1] != nil {
		r.t.Fatalf("Renew returned %v", errs)
	}
	for _, i := range []int{0, 2, 3} {
		if semabus.ReasonOf(errs[i]) != semabus.ReasonStaleLease {
			r.t.Errorf("place %d is %v, want STALE_LEASE", i, errs[i])
		}
	}
	r.none("g")
	r.apply(done(b.Token))
}

func requeue(r *rig) {
	r.apply(put("m", "g"))
	want := 1
	for i, costs := range []bool{true, false, true, false, false} {
		l := r.one("g")
		if l.Attempt != want || len(l.Errors) != i {
			r.t.Fatalf("grant %d has attempt %d and %d errors, want %d and %d", i, l.Attempt, len(l.Errors), want, i)
		}
		r.apply(back(l.Token, 0, costs, fmt.Sprint("fault ", i)))
		if costs {
			want++
		}
		if i == 2 {
			r.kill()
		}
	}
	l := r.one("g")
	if l.Attempt != 3 || fmt.Sprint(l.Errors) != "[fault 0 fault 1 fault 2 fault 3 fault 4]" || l.Priority != 4 || string(l.Info) != "why g" {
		r.t.Fatalf("after all: %+v", l)
	}
}

func newestErrors(r *rig) {
	r.apply(put("m", "g"))
	for i := range 20 {
		r.apply(back(r.one("g").Token, 0, true, fmt.Sprint(i)))
	}
	l := r.one("g")
	if len(l.Errors) != 16 || l.Errors[0] != "4" || l.Errors[15] != "19" || l.Attempt != 21 {
		r.t.Fatalf("attempt %d, errors %v: want the newest 16", l.Attempt, l.Errors)
	}
}

func requeueLater(r *rig) {
	r.apply(put("m", "g"))
	r.apply(put("n", "far"))
	r.apply(back(r.one("far").Token, far, false, ""))
	r.none("far")
	if d := r.delivery("n", "far"); d.State != driver.StateDelayed {
		r.t.Errorf("the state is %d, want delayed", d.State)
	}
	b := back(r.one("g").Token, 3*brief, true, "")
	r.apply(b)
	l := r.one("g")
	if clock.Now().Before(b.Settles[0].Due.Add(-r.d.Caps().Precision)) || l.Attempt != 2 {
		r.t.Fatalf("came back at %v, due %v, attempt %d", clock.Now(), b.Settles[0].Due, l.Attempt)
	}
}
