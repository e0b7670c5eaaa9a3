package bus

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// SubscribeOptions name who works for which group. Lease 0 = the group's.
type SubscribeOptions struct {
	Group  string
	Member string
	Lease  time.Duration
}

// FetchRequest asks once for deliveries. Max 0 = 1; Lease 0 = the group's.
type FetchRequest struct {
	Group    string
	Member   string
	Max      int
	MaxBytes int
	Lease    time.Duration
	Wait     time.Duration
}

// Extension sets the remaining term of a lease.
type Extension struct {
	Token []byte
	For   time.Duration
}

const (
	maxFetch = 1000
	maxWait  = time.Minute
	maxLease = 24 * time.Hour
)

// Fetch leases deliveries of a group, waiting up to Wait for the first. The rules of its leases are those of Subscribe; only
// nobody renews them but Extend.
func (b *Bus) Fetch(ctx context.Context, p semabus.Principal, r FetchRequest) ([]semabus.Delivery, error) {
	if err := checkConsumer("bus.Fetch", p, r.Group, r.Member, r.Lease); err != nil {
		return nil, err
	}
	if r.Max < 0 || r.Max > maxFetch {
		return nil, invalid("bus.Fetch", semabus.ReasonInvalidValue, "max", strconv.Itoa(r.Max), "1–1000 deliveries", "ask for fewer")
	}
	if r.Wait < 0 || r.Wait > maxWait {
		return nil, invalid("bus.Fetch", semabus.ReasonInvalidValue, "wait", r.Wait.String(), "0–60s", "ask again instead")
	}
	r.Max = max(r.Max, 1)
	return b.lease(ctx, p.Tenant, r)
}

// checkConsumer validates who wants what. The reserved groups may be read by operators, but not those whose deliveries stand for
// something that a settlement would not end in order: a transaction, an operation.
func checkConsumer(op string, p semabus.Principal, group, member string, lease time.Duration) error {
	if err := broker.CheckID(op, "group", group); err != nil {
		return err
	}
	if member != "" {
		if err := broker.CheckID(op, "member", member); err != nil {
			return err
		}
	}
	switch {
	case lease < 0 || lease > maxLease:
		return invalid(op, semabus.ReasonInvalidValue, "lease", lease.String(), "0–24h (0 = the group's)", "shorten it and extend the lease while working")
	case group == semabus.GroupPrepared || group == semabus.GroupOperations:
		return invalid(op, semabus.ReasonInvalidValue, "group", group, "not "+semabus.GroupPrepared+" or "+semabus.GroupOperations,
			"resolve the transaction or the operation instead")
	case strings.HasPrefix(group, "$") && !operates(p):
		return &semabus.Error{Code: semabus.CodePermissionDenied, Reason: semabus.ReasonNotPermitted, Op: op, Field: "group",
			Value: semabus.Shorten(group), Limit: "role operator", Fix: "reserved groups are for operators"}
	}
	return nil
}

// lease is Fetch after validation: it grants while the group is not paused, and gives back what nobody waits for any more.
func (b *Bus) lease(ctx context.Context, tenant string, r FetchRequest) ([]semabus.Delivery, error) {
	deadline := b.clock.Now().Add(r.Wait)
	for {
		work, leave := b.flow.Enter(ctx, tenant, r.Group, r.Wait)
		if leave == nil {
			return nil, ctx.Err()
		}
		ds, err := b.grant(work, tenant, r)
		paused := work.Err() != nil && ctx.Err() == nil
		leave()
		switch {
		case len(ds) > 0 && ctx.Err() != nil: // a lease that runs out would cost an attempt
			b.giveBack(context.WithoutCancel(ctx), tenant, ds)
			return nil, ctx.Err()
		case len(ds) > 0 || !paused:
			b.delivered(ctx, ds)
			return ds, err
		}
		r.Wait = max(0, deadline.Sub(b.clock.Now())) // until it is resumed
	}
}

// grant takes room from flow, then deliveries from the broker. What waits in a reserved group is retried for ever.
func (b *Bus) grant(ctx context.Context, tenant string, r FetchRequest) ([]semabus.Delivery, error) {
	g, _ := b.flow.Group(tenant, r.Group)
	if r.Lease == 0 {
		r.Lease = g.Lease
	}
	if strings.HasPrefix(r.Group, "$") {
		g.MaxAttempts = 0
	}
	start := b.clock.Now()
	n := b.flow.Acquire(ctx, tenant, r.Group, r.Max, r.Wait)
	if n == 0 {
		return nil, ctx.Err()
	}
	wait := r.Wait
	if wait > 0 {
		wait = max(0, wait-b.clock.Now().Sub(start))
	}
	ds, err := b.broker.Lease(ctx, broker.LeaseOptions{Tenant: tenant, Group: r.Group, Member: r.Member, Max: n, MaxBytes: r.MaxBytes,
		For: r.Lease, Wait: wait, SessionOrder: g.SessionOrder, Ageing: g.Ageing, MaxAttempts: g.MaxAttempts})
	b.flow.Hold(tenant, r.Group, ds)
	b.flow.Unused(tenant, r.Group, n-len(ds))
	return ds, err
}

// giveBack ends leases without costing an attempt.
func (b *Bus) giveBack(ctx context.Context, tenant string, ds []semabus.Delivery) {
	rs := make([]driver.Renewal, len(ds))
	for i := range ds {
		rs[i].Token = ds[i].Lease.Token
	}
	for _, err := range b.renew(ctx, tenant, rs) {
		if err != nil {
			b.log.Warn("a lease that nobody waits for runs to its end", "tenant", tenant, "error", err)
		}
	}
}

// delivered counts and traces what was leased.
func (b *Bus) delivered(ctx context.Context, ds []semabus.Delivery) {
	if len(ds) == 0 {
		return
	}
	now := b.clock.Now()
	for i := range ds {
		_, span := b.tracer.Deliver(ctx, &ds[i])
		span.End(nil)
		b.metrics.Delivered(now.Sub(ds[i].Enqueued))
	}
}

// Extend sets the remaining terms of leases and returns one error each, nil = done.
func (b *Bus) Extend(ctx context.Context, p semabus.Principal, es []Extension) []error {
	errs := make([]error, len(es))
	renewals := make([]driver.Renewal, 0, len(es))
	index := make([]int, 0, len(es))
	for i, e := range es {
		if e.For < 0 || e.For > maxLease {
			errs[i] = invalid("bus.Extend", semabus.ReasonInvalidValue, "lease", e.For.String(), "0–24h (0 = give it back now)", "shorten it")
			continue
		}
		renewals, index = append(renewals, driver.Renewal(e)), append(index, i)
	}
	for k, err := range b.renew(ctx, p.Tenant, renewals) {
		errs[index[k]] = err
	}
	return errs
}

// renew tells broker and flow; one error a renewal.
func (b *Bus) renew(ctx context.Context, tenant string, rs []driver.Renewal) []error {
	if len(rs) == 0 {
		return nil
	}
	errs, err := b.broker.Renew(ctx, tenant, rs)
	if err != nil {
		errs = make([]error, len(rs))
		for i := range errs {
			errs[i] = err
		}
	}
	now := b.clock.Now()
	for i, e := range errs {
		switch {
		case e != nil:
		case rs[i].For <= 0:
			b.flow.Release(rs[i].Token)
		default:
			b.flow.Extend(rs[i].Token, now.Add(rs[i].For))
		}
	}
	return errs
}

// Subscription is one member's standing request for work. Next, Renew and Settle may be called concurrently.
type Subscription struct {
	bus   *Bus
	p     semabus.Principal
	o     SubscribeOptions
	leave func()

	mu     sync.Mutex
	leases map[string]time.Time // token → expiry
	closed bool
}

// Subscribe opens a subscription. It must be closed.
func (b *Bus) Subscribe(_ context.Context, p semabus.Principal, o SubscribeOptions) (*Subscription, error) {
	if err := checkConsumer("bus.Subscribe", p, o.Group, o.Member, o.Lease); err != nil {
		return nil, err
	}
	s := &Subscription{bus: b, p: p, o: o, leave: b.flow.Join(p.Tenant, o.Group), leases: map[string]time.Time{}}
	b.metrics.Connected(1)
	return s, nil
}

// Next leases up to max deliveries and maxBytes of bodies (0 = unlimited), waiting up to wait for the first; an empty slice
// when none came.
func (s *Subscription) Next(ctx context.Context, limit, maxBytes int, wait time.Duration) ([]semabus.Delivery, error) {
	ds, err := s.bus.lease(ctx, s.p.Tenant, FetchRequest{Group: s.o.Group, Member: s.o.Member,
		Max: max(1, min(limit, maxFetch)), MaxBytes: maxBytes, Lease: s.o.Lease, Wait: wait})
	s.mu.Lock()
	closed := s.closed
	for i := range ds {
		s.leases[string(ds[i].Lease.Token)] = ds[i].Lease.Expires
	}
	s.mu.Unlock()
	if closed && len(ds) > 0 { // Close came while we waited: nobody will hear these
		s.release(context.WithoutCancel(ctx), 0)
		return nil, context.Canceled
	}
	return ds, err
}

// Extend is [Bus.Extend] for leases of this subscription: a heartbeat does not shorten what was extended beyond its term.
func (s *Subscription) Extend(ctx context.Context, es []Extension) []error {
	errs := s.bus.Extend(ctx, s.p, es)
	now := s.bus.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, err := range errs {
		_, ours := s.leases[string(es[i].Token)]
		switch {
		case !ours:
		case err == nil && es[i].For > 0:
			s.leases[string(es[i].Token)] = now.Add(es[i].For)
		case err == nil || gone(err):
			delete(s.leases, string(es[i].Token))
		}
	}
	return errs
}

// Renew is the heartbeat: every lease the subscription holds has at least its full term again. Leases that were lost are
// forgotten.
func (s *Subscription) Renew(ctx context.Context) error {
	g, _ := s.bus.flow.Group(s.p.Tenant, s.o.Group)
	term := s.o.Lease
	if term == 0 {
		term = g.Lease
	}
	return s.renew(ctx, term, s.bus.clock.Now().Add(term))
}

// renew sets the remaining term of the leases held that end before until (zero = all); engine failures are returned, lost
// leases forgotten.
func (s *Subscription) renew(ctx context.Context, term time.Duration, until time.Time) error {
	s.mu.Lock()
	rs := make([]driver.Renewal, 0, len(s.leases))
	for t, ends := range s.leases {
		if until.IsZero() || ends.Before(until) {
			rs = append(rs, driver.Renewal{Token: []byte(t), For: term})
			s.leases[t] = until
		}
	}
	s.mu.Unlock()
	var failed error
	for i, err := range s.bus.renew(ctx, s.p.Tenant, rs) {
		switch {
		case err == nil:
		case semabus.CodeOf(err) == semabus.CodeFailedPrecondition:
			s.forget(rs[i].Token)
		default:
			failed = err
		}
	}
	return failed
}

// gone says that a lease is over, whatever ended it.
func gone(err error) bool {
	reason := semabus.ReasonOf(err)
	return reason == semabus.ReasonStaleLease || reason == semabus.ReasonAlreadySettled
}

func (s *Subscription) forget(token []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leases, string(token))
}

// Settle is [Bus.Settle] for leases of this subscription.
func (s *Subscription) Settle(ctx context.Context, ss []semabus.Settlement) []SettleResult {
	results := s.bus.Settle(ctx, s.p, ss)
	for i := range results {
		if results[i].Err == nil || gone(results[i].Err) {
			s.forget(ss[i].Token)
		}
	}
	return results
}

// Close ends the subscription as a lost connection does: its leases stay valid for the group's grace, so that a member that
// comes back can still settle, and then go to others.
func (s *Subscription) Close(ctx context.Context) {
	g, _ := s.bus.flow.Group(s.p.Tenant, s.o.Group)
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if !first {
		return
	}
	s.leave()
	s.bus.metrics.Connected(-1)
	s.release(ctx, g.Grace)
}

func (s *Subscription) release(ctx context.Context, grace time.Duration) {
	if err := s.renew(ctx, grace, time.Time{}); err != nil {
		s.bus.log.Warn("leases of a closed subscription run to their end", "group", s.o.Group, "error", err)
	}
}
