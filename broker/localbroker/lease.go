package localbroker

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// granted is a lease whose values are still to be read.
type granted struct {
	out        driver.Leased
	body, info loc
}

// Lease implements driver.Driver.
func (b *Broker) Lease(ctx context.Context, r *driver.LeaseRequest) ([]driver.Leased, error) {
	if r.Max < 1 || r.For <= 0 || r.Ageing < 0 {
		return nil, errInvalid("max, for, ageing", "", "ask for at least one delivery, a positive term and an ageing of 0 or more")
	}
	if err := ctx.Err(); err != nil { // nobody waits for what would be granted
		return nil, err
	}
	deadline := b.o.Clock.Now().Add(r.Wait)
	w := &waiter{wake: make(chan struct{}, 1)}
	for {
		out, wait, err := b.tryLease(r, w, deadline)
		if err != nil || len(out) > 0 {
			return out, err
		}
		if wait <= 0 {
			return nil, ctx.Err()
		}
		err = b.await(ctx, w.wake, wait)
		b.dismiss(r, w)
		if err != nil {
			return nil, err
		}
	}
}

// tryLease grants what is due, with its values.
func (b *Broker) tryLease(r *driver.LeaseRequest, w *waiter, deadline time.Time) (out []driver.Leased, wait time.Duration, err error) {
	b.reading.RLock()
	defer b.reading.RUnlock()
	got, wait, err := b.grantDue(r, w, deadline)
	if err != nil || len(got) == 0 {
		return nil, wait, err
	}
	out, err = b.readLeased(got)
	return out, wait, err
}

// grantDue grants what is due. Where nothing is, and wait is left, w becomes a waiter of the group.
func (b *Broker) grantDue(r *driver.LeaseRequest, w *waiter, deadline time.Time) (got []granted, wait time.Duration, err error) {
	clock := b.o.Clock.Now()
	now := clock.UnixNano()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, 0, errClosed()
	case b.broken != nil: // a settlement could not be kept: granting would be a promise without hope
		return nil, 0, errEngine(b.broken)
	}
	wait = deadline.Sub(clock)
	t := b.s.tenants[r.Tenant]
	if t == nil || t.groups[r.Group] == nil {
		if r.Wait <= 0 {
			return nil, 0, nil
		}
		t = b.s.tenant(r.Tenant)
	}
	g := t.group(r.Group)
	if err := b.s.order(g, r.SessionOrder, r.Ageing); err != nil {
		return nil, 0, err
	}
	b.tick(g, now)
	if got, err = b.grant(g, r, now); len(got) == 0 && wait > 0 && err == nil {
		w.woken = false
		g.waiters = append(g.waiters, w)
	}
	b.touch(g)
	if len(got) > 0 {
		err = nil // what was granted is theirs; the next call meets the fault again
	}
	return got, wait, err
}

// grant leases the first due deliveries of a group.
func (b *Broker) grant(g *group, r *driver.LeaseRequest, now int64) (got []granted, err error) {
	bytes := 0
	expires := after(now, r.For)
	for len(got) < r.Max {
		d, err := b.s.next(g)
		if d == nil || err != nil {
			return got, err
		}
		size := int(d.message.body.size)
		if len(got) > 0 && r.MaxBytes > 0 && bytes+size > r.MaxBytes {
			break
		}
		bytes += size
		g.grant(r.Member, b.grantSeq(d), expires)
		got = append(got, granted{
			out: driver.Leased{
				Token: b.tokens.seal(d.number, d.seq), Expires: fromNanos(expires), MessageID: d.message.id, Attempt: d.attempt,
				Priority: d.priority, Session: d.session, Enqueued: fromNanos(d.at), Position: position(d.message.commit),
				Errors: append([]string(nil), d.errors...),
			},
			body: d.message.body, info: d.info,
		})
	}
	return got, nil
}

// readLeased fetches bodies from the log.
func (b *Broker) readLeased(got []granted) ([]driver.Leased, error) {
	out := make([]driver.Leased, len(got))
	for i := range got {
		l := &got[i]
		var err error
		if l.out.Body, err = b.cache.read(l.body); err == nil {
			l.out.Info, err = b.cache.read(l.info)
		}
		if err != nil { // the leases run out, and the deliveries stay for whoever mends the disk
			b.o.Logger.Error("a leased message cannot be read", "message", l.out.MessageID, "error", err)
			return nil, err
		}
		out[i] = l.out
	}
	return out, nil
}

// dismiss takes a waiter out of its group.
func (b *Broker) dismiss(r *driver.LeaseRequest, w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.s.tenants[r.Tenant]; t != nil && t.groups[r.Group] != nil {
		t.groups[r.Group].dismiss(w)
	}
}

// await waits for a wake-up, the time or the end of ctx; only the last is an error.
func (b *Broker) await(ctx context.Context, wake <-chan struct{}, d time.Duration) error {
	over := make(chan struct{})
	stop := b.o.Clock.AfterFunc(d, func() { close(over) })
	defer stop()
	select {
	case <-wake:
	case <-over:
	case <-b.closing:
		return errClosed()
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Renew implements driver.Driver.
func (b *Broker) Renew(_ context.Context, tenantName string, rs []driver.Renewal) []error {
	errs := make([]error, len(rs))
	now := b.nanos()
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.s.tenants[tenantName]
	for i := range rs {
		var d *delivery
		if t != nil {
			d = b.holder(t, rs[i].Token, now)
		}
		switch {
		case b.closed:
			errs[i] = errClosed()
			continue
		case d == nil:
			errs[i] = errStale()
			continue
		case rs[i].For <= 0:
			d.group.giveBack(d, 0, now)
		default:
			d.group.extend(d, after(now, rs[i].For))
		}
		b.touch(d.group)
	}
	return errs
}

// touch tells a group's waiters that something changed.
func (b *Broker) touch(g *group) {
	g.notify()
	b.arm(g)
}

// tick lets happen what is due in a group.
func (b *Broker) tick(g *group, now int64) {
	g.tick(now, &b.stager)
}

// arm sets the group's alarm to its next timer while somebody waits for it.
func (b *Broker) arm(g *group) {
	at, ok := g.next(&b.s.lot)
	if !ok || len(g.waiters) == 0 || b.closed || g.alarm != 0 && g.alarm <= at {
		return
	}
	if g.stopAlarm != nil {
		g.stopAlarm()
	}
	g.alarm = at
	g.stopAlarm = b.o.Clock.AfterFunc(max(time.Duration(at-b.nanos()), time.Microsecond), func() { b.ring(g) })
}

// ring is the alarm of a group.
func (b *Broker) ring(g *group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	g.alarm, g.stopAlarm = 0, nil
	b.tick(g, b.nanos())
	b.touch(g)
}

// Read implements driver.Driver.
func (b *Broker) Read(ctx context.Context, r *driver.ReadRequest) ([]driver.Event, error) {
	after, ok := placeOf(r.After)
	if !ok {
		return nil, errInvalid("after", "", "use a position that this log gave")
	}
	if r.Max < 1 {
		return nil, errInvalid("max", "", "ask for at least one event")
	}
	deadline := b.o.Clock.Now().Add(r.Wait)
	for {
		events, changed, err := b.tryRead(r, after, deadline.Sub(b.o.Clock.Now()) > 0)
		if err != nil || changed == nil {
			return events, err
		}
		err = b.await(ctx, changed, deadline.Sub(b.o.Clock.Now()))
		b.leaveLog(r)
		if err != nil {
			if semabus.CodeOf(err) == semabus.CodeUnavailable {
				return nil, err
			}
			return nil, ctx.Err()
		}
	}
}

// tryRead returns what is there; where nothing is and wait is set, it joins the log's readers.
func (b *Broker) tryRead(r *driver.ReadRequest, after uint64, wait bool) (events []driver.Event, changed chan struct{}, err error) {
	b.reading.RLock()
	defer b.reading.RUnlock()
	index, after, changed := b.eventsAfter(r, after, wait)
	events, err = b.readEvents(index, after)
	return events, changed, err
}

// eventsAfter copies the index of what is there, which begins after first.
func (b *Broker) eventsAfter(r *driver.ReadRequest, after uint64, wait bool) (events []logged, first uint64, changed chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.s.tenants[r.Tenant]
	if t != nil {
		if l := t.logs[r.Log]; l != nil && after < l.shown {
			first := max(after, l.base) // what is forgotten is passed over: positions tell
			end := min(l.shown, first+uint64(r.Max))
			return append(events, l.events[first-l.base:end-l.base]...), first, nil
		}
	}
	if !wait {
		return nil, after, nil
	}
	l := b.s.tenant(r.Tenant).log(r.Log)
	l.waiting++
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return nil, after, l.changed
}

// leaveLog forgets a log that was only waited for.
func (b *Broker) leaveLog(r *driver.ReadRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.s.tenants[r.Tenant]
	l := t.logs[r.Log]
	if l.waiting--; l.waiting == 0 && l.newest() == 0 {
		delete(t.logs, r.Log)
	}
}

func (b *Broker) readEvents(index []logged, after uint64) ([]driver.Event, error) {
	out := make([]driver.Event, len(index))
	for i, e := range index {
		data, err := b.cache.read(e.data)
		if err != nil {
			return nil, err
		}
		out[i] = driver.Event{Position: position(after + uint64(i) + 1), Time: fromNanos(e.at), Data: data}
	}
	return out, nil
}
