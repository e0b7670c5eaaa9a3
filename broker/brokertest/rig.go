package brokertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

const (
	tenant   = "acme"
	patience = 30 * time.Second // for what must come; reached only by a failure
	term     = 10 * time.Minute // of a lease that must not run out
	brief    = 40 * time.Millisecond
	far      = time.Hour // of what must not come due
)

// clock is the engine's idea of time as far as the suite can see it.
var clock semabus.Clock = semabus.SystemClock{}

func (r *rig) ctx() context.Context { return r.t.Context() }

// put is a batch with one message for some groups.
func put(id string, groups ...string) *driver.Batch {
	b := &driver.Batch{Tenant: tenant, Messages: []driver.Message{message(id)}}
	for _, g := range groups {
		b.Deliveries = append(b.Deliveries, driver.Enqueue{MessageID: id, Group: g, Priority: 4, Info: []byte("why " + g)})
	}
	return b
}

func message(id string) driver.Message {
	return driver.Message{ID: id, Body: []byte("body of " + id), Decision: []byte("decision on " + id), Hash: uint64(len(id)) + 7}
}

func ids(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return out
}

// commit hands batches to the engine, which must not fail.
func (r *rig) commit(batches ...*driver.Batch) []driver.Result {
	r.t.Helper()
	res, err := r.d.Commit(r.ctx(), batches)
	if err != nil {
		r.t.Fatalf("Commit: %v", err)
	}
	if len(res) != len(batches) {
		r.t.Fatalf("Commit returned %d results for %d batches", len(res), len(batches))
	}
	return res
}

// apply commits one batch that must be applied.
func (r *rig) apply(b *driver.Batch) driver.Result {
	r.t.Helper()
	res := r.commit(b)[0]
	if !res.Applied || res.Duplicate || res.Conflict || res.Failed != nil {
		r.t.Fatalf("batch was not applied: %+v", res)
	}
	return res
}

// refuse commits one batch that must fail its check with the reason ("" = any).
func (r *rig) refuse(b *driver.Batch, reason string) {
	r.t.Helper()
	res := r.commit(b)[0]
	if res.Applied || res.Failed == nil {
		r.t.Fatalf("batch was accepted: %+v, want %s", res, reason)
	}
	e, ok := semabus.AsError(res.Failed)
	if !ok {
		r.t.Fatalf("Failed is %T, want *semabus.Error: %v", res.Failed, res.Failed)
	}
	if reason != "" && e.Reason != reason {
		r.t.Fatalf("Failed is %s, want %s: %v", e.Reason, reason, e)
	}
}

// request is a lease request of the group, without waiting.
func request(group string, most int) *driver.LeaseRequest {
	return &driver.LeaseRequest{Tenant: tenant, Group: group, Member: "member", Max: most, For: term}
}

func (r *rig) lease(q *driver.LeaseRequest) []driver.Leased {
	r.t.Helper()
	got, err := r.d.Lease(r.ctx(), q)
	if err != nil {
		r.t.Fatalf("Lease: %v", err)
	}
	if len(got) > q.Max {
		r.t.Fatalf("Lease granted %d, asked for %d", len(got), q.Max)
	}
	return got
}

// one leases the next delivery of a group, which must come.
func (r *rig) one(group string) driver.Leased {
	r.t.Helper()
	q := request(group, 1)
	q.Wait = patience
	return r.oneOf(q)
}

func (r *rig) oneOf(q *driver.LeaseRequest) driver.Leased {
	r.t.Helper()
	q.Wait = patience
	got := r.lease(q)
	if len(got) != 1 {
		r.t.Fatalf("no delivery in group %s", q.Group)
	}
	return got[0]
}

// none asserts that nothing of the group can be leased now.
func (r *rig) none(group string) {
	r.t.Helper()
	if got := r.lease(request(group, 10)); len(got) != 0 {
		r.t.Fatalf("group %s granted %q, want nothing", group, names(got))
	}
}

// takes leases n deliveries of a group, one call each, and asserts their order.
func (r *rig) takes(q *driver.LeaseRequest, want ...string) []driver.Leased {
	r.t.Helper()
	var got []driver.Leased
	for range want {
		one := *q
		one.Max = 1
		got = append(got, r.oneOf(&one))
	}
	for i := range want {
		if got[i].MessageID != want[i] {
			r.t.Fatalf("granted %q, want %q", names(got), want)
		}
	}
	return got
}

func names(ls []driver.Leased) []string {
	out := make([]string, len(ls))
	for i := range ls {
		out[i] = ls[i].MessageID
	}
	return out
}

// done is a batch that settles tokens.
func done(tokens ...[]byte) *driver.Batch {
	b := &driver.Batch{Tenant: tenant}
	for _, t := range tokens {
		b.Settles = append(b.Settles, driver.Settle{Token: t})
	}
	return b
}

// back is a batch that requeues one token, due after d.
func back(token []byte, d time.Duration, attempt bool, cause string) *driver.Batch {
	s := driver.Settle{Token: token, Requeue: true, Attempt: attempt, Error: cause}
	if d > 0 {
		s.Due = clock.Now().Add(d)
	}
	return &driver.Batch{Tenant: tenant, Settles: []driver.Settle{s}}
}

func (r *rig) find(q driver.Query) *driver.Found {
	r.t.Helper()
	if q.Tenant == "" && !q.Logs {
		q.Tenant = tenant
	}
	f, err := r.d.Find(r.ctx(), &q)
	if err != nil {
		r.t.Fatalf("Find %+v: %v", q, err)
	}
	return f
}

// delivery finds the delivery of a message in a group; nil if there is none.
func (r *rig) delivery(id, group string) *driver.Delivery {
	r.t.Helper()
	f := r.find(driver.Query{Message: id})
	for i := range f.Deliveries {
		if f.Deliveries[i].Group == group {
			return &f.Deliveries[i]
		}
	}
	return nil
}

// events reads a whole log.
func (r *rig) events(log string) []driver.Event {
	r.t.Helper()
	var out []driver.Event
	var after semabus.Position
	for {
		got, err := r.d.Read(r.ctx(), &driver.ReadRequest{Tenant: tenant, Log: log, After: after, Max: 64})
		if err != nil {
			r.t.Fatalf("Read: %v", err)
		}
		if len(got) == 0 {
			return out
		}
		out = append(out, got...)
		after = got[len(got)-1].Position
	}
}

func (r *rig) counter(key string) int64 {
	r.t.Helper()
	return r.find(driver.Query{Counter: key}).Counter
}

// elapse lets time pass through the engine's own long poll: nothing sleeps.
func (r *rig) elapse(d time.Duration) {
	r.t.Helper()
	for end := clock.Now().Add(d); clock.Now().Before(end); {
		if _, err := r.d.Read(r.ctx(), &driver.ReadRequest{Tenant: tenant, Log: "nothing ever", Max: 1, Wait: d}); err != nil {
			r.t.Fatalf("Read: %v", err)
		}
	}
}

// until repeats a check until it holds.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for end := clock.Now().Add(patience); clock.Now().Before(end); r.elapse(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	r.t.Fatalf("never came true: %s", what)
}

// cancelled reports whether err says that the context ended.
func cancelled(err error) bool {
	return errors.Is(err, context.Canceled) || semabus.CodeOf(err) == semabus.CodeCanceled
}
