package broker

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// LeaseOptions ask for work.
type LeaseOptions struct {
	Tenant, Group, Member string
	Max                   int           // deliveries; 0 = 1
	MaxBytes              int           // encoded messages; the first comes whatever its size; 0 = unlimited
	For                   time.Duration // term; 0 = [semabus.DefaultLease]
	Wait                  time.Duration // long poll for the first delivery; 0 = return at once
	SessionOrder          bool
	Ageing                time.Duration // see [driver.LeaseRequest]
	// MaxAttempts sends a delivery that has been attempted so often to the dead-letter queue instead of granting it once
	// more: leases that run out count, and nobody settles those. 0 = no bound.
	MaxAttempts int
}

// Lease grants due deliveries of a group to a member, most urgent first, and decodes them. An empty slice means that
// nothing came within Wait. Errors: INVALID_ARGUMENT, UNIMPLEMENTED for SessionOrder on an engine without it, the engine's.
func (b *Broker) Lease(ctx context.Context, o LeaseOptions) ([]semabus.Delivery, error) {
	if o.Max == 0 {
		o.Max = 1
	}
	if o.For == 0 {
		o.For = semabus.DefaultLease
	}
	if err := checkLease(&o); err != nil {
		return nil, err
	}
	if o.SessionOrder && !b.caps.SessionOrder {
		return nil, b.missingCap("broker.Lease", "session_order")
	}
	for {
		out, dead, err := b.lease(ctx, &o)
		if len(out) > 0 || err != nil || dead == 0 {
			return out, err
		}
		// Everything that came was used up: look again, without waiting.
		o.Wait = 0
	}
}

// lease grants and decodes once; dead is how many deliveries went to the dead-letter queue instead.
func (b *Broker) lease(ctx context.Context, o *LeaseOptions) (out []semabus.Delivery, dead int, err error) {
	leased, err := b.d.Lease(ctx, &driver.LeaseRequest{
		Tenant: o.Tenant, Group: o.Group, Member: o.Member, Max: o.Max, MaxBytes: o.MaxBytes, For: o.For, Wait: o.Wait,
		SessionOrder: o.SessionOrder, Ageing: o.Ageing,
	})
	if err != nil {
		return nil, 0, err
	}
	var spent []*driver.Leased
	out = make([]semabus.Delivery, 0, len(leased))
	for i := range leased {
		if o.MaxAttempts > 0 && leased[i].Attempt > o.MaxAttempts {
			spent = append(spent, &leased[i])
			continue
		}
		d, derr := delivery(o.Group, &leased[i])
		if derr != nil { // the lease runs out and the delivery stays in the queue for an operator to see
			b.o.Logger.ErrorContext(ctx, "a stored message does not decode", "tenant", o.Tenant, "group", o.Group,
				"message", leased[i].MessageID, "error", derr)
			err = derr
			continue
		}
		out = append(out, d)
	}
	if len(spent) > 0 {
		if err := b.exhaust(ctx, o, spent); err != nil {
			return out, 0, err
		}
	}
	if len(out) == 0 && err != nil {
		return nil, 0, err
	}
	if len(out) > 0 {
		b.o.Observer.Leased(o.Tenant, o.Group, len(out))
	}
	return out, len(spent), nil
}

// exhaust moves leased deliveries that were attempted too often to the dead-letter queue.
func (b *Broker) exhaust(ctx context.Context, o *LeaseOptions, spent []*driver.Leased) error {
	commits := make([]*driver.Batch, len(spent))
	for i, l := range spent {
		held := &driver.Delivery{
			MessageID: l.MessageID, Group: o.Group, Attempt: l.Attempt - 1, Priority: l.Priority, Info: l.Info, Errors: l.Errors,
		}
		commits[i] = &driver.Batch{
			Tenant: o.Tenant, Settles: []driver.Settle{{Token: l.Token}},
			Deliveries: []driver.Enqueue{deadEnqueue(held, DeadExhausted, "")},
		}
	}
	results, err := b.d.Commit(ctx, commits)
	for i := range results {
		if results[i].Applied {
			b.o.Observer.Settled(semabus.SettleRetry, DeadExhausted)
		}
	}
	return err
}

func checkLease(o *LeaseOptions) error {
	var f faults
	f.id("tenant", o.Tenant, true)
	f.id("group", o.Group, true)
	f.id("member", o.Member, false)
	if o.Max < 0 {
		f.add(semabus.ReasonInvalidValue, "max", "1 or more", "", "ask for at least one delivery")
	}
	if o.MaxBytes < 0 || o.For < 0 || o.Wait < 0 {
		f.add(semabus.ReasonInvalidValue, "max_bytes, lease, wait", "0 or more", "", "give positive numbers")
	}
	return f.err("broker.Lease")
}

// delivery decodes one lease.
func delivery(group string, l *driver.Leased) (semabus.Delivery, error) {
	m, err := DecodeMessage(l.Body)
	if err != nil {
		return semabus.Delivery{}, err
	}
	d := semabus.Delivery{
		Message: m, Group: group, Attempt: l.Attempt, Lease: semabus.Lease{Token: l.Token, Expires: l.Expires},
		Enqueued: l.Enqueued, Position: l.Position,
	}
	if match := matchOf(group, l.Info); match != nil {
		d.Match = *match
	}
	return d, nil
}

// matchOf reads the match out of a delivery's Info; a dead letter carries that of the delivery it came from.
func matchOf(group string, info []byte) *semabus.Match {
	if len(info) == 0 {
		return nil
	}
	if group == semabus.GroupDeadLetter {
		if dl, err := DecodeDeadLetter(info); err == nil {
			return &dl.Match
		}
		return nil
	}
	m, err := DecodeMatch(info)
	if err != nil {
		return nil
	}
	return m
}

// Renew sets the remaining term of leases, longer or shorter; a term ≤ 0 gives the delivery back without costing an
// attempt. errs has one place a renewal: nil, or FAILED_PRECONDITION/STALE_LEASE. err is a fault of the whole request.
func (b *Broker) Renew(ctx context.Context, tenant string, r []driver.Renewal) (errs []error, err error) {
	var f faults
	f.id("tenant", tenant, true)
	if err := f.err("broker.Renew"); err != nil {
		return nil, err
	}
	if len(r) == 0 {
		return nil, nil
	}
	return b.d.Renew(ctx, tenant, r), nil
}

// Held is what a lease token stands for.
type Held struct {
	Message  *semabus.Message
	Delivery driver.Delivery
	Match    semabus.Match // why the group got it
}

// Holder looks up what a token stands for, whether or not its lease still holds; the commit decides that. A token that
// stands for nothing is FAILED_PRECONDITION/STALE_LEASE.
func (b *Broker) Holder(ctx context.Context, tenant string, token []byte) (*Held, error) {
	var f faults
	f.id("tenant", tenant, true)
	if len(token) == 0 {
		f.add(semabus.ReasonRequired, "token", "", "", "send the token of the delivery")
	}
	if err := f.err("broker.Holder"); err != nil {
		return nil, err
	}
	found, err := b.d.Find(ctx, &driver.Query{Tenant: tenant, Token: token})
	if err != nil {
		return nil, err
	}
	if len(found.Deliveries) == 0 || found.Message == nil {
		return nil, stale()
	}
	m, err := DecodeMessage(found.Message.Body)
	if err != nil {
		return nil, err
	}
	h := &Held{Message: m, Delivery: found.Deliveries[0]}
	if match := matchOf(h.Delivery.Group, h.Delivery.Info); match != nil {
		h.Match = *match
	}
	return h, nil
}

func (b *Broker) missingCap(op, field string) error {
	return &semabus.Error{
		Code: semabus.CodeUnimplemented, Reason: semabus.ReasonCapabilityMissing, Op: op, Field: field,
		Value: b.caps.Engine, Fix: "use an engine that declares the capability",
	}
}
