package broker

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// retainAtOnce bounds what one look of [Broker.Retain] drops.
const retainAtOnce = 500

// Bound is how long, and how much, a queue keeps. Zero fields are no bound.
type Bound struct {
	Age   time.Duration // since a delivery was enqueued
	Bytes int64         // of messages and decisions
}

// Kept says what a look of [Broker.Retain] found and did.
type Kept struct {
	Bytes   int64 // in the queue before
	Dropped int
	More    bool // call again: there is more to drop
}

// Tenants are the names of all tenants that have deliveries, sorted.
func (b *Broker) Tenants(ctx context.Context) ([]string, error) {
	f, err := b.d.Find(ctx, &driver.Query{Tenants: true})
	if err != nil {
		return nil, err
	}
	return f.Tenants, nil
}

// Retain drops what is beyond the bound of a queue, the oldest first, at most 500 deliveries a call; what is leased stays. The
// ledger remembers what was dropped, and the cause. How many are too many by bytes is told from their mean size.
func (b *Broker) Retain(ctx context.Context, tenant, group string, keep Bound, cause string) (k Kept, err error) {
	st, err := b.d.Stats(ctx, tenant, []string{group})
	if err != nil || len(st.Groups) != 1 {
		return k, err
	}
	g := &st.Groups[0]
	depth := g.Ready + g.Delayed + g.Leased
	if k.Bytes = g.Bytes; depth == 0 {
		return k, nil
	}
	over := int64(0)
	if keep.Bytes > 0 && g.Bytes > keep.Bytes {
		over = 1 + (g.Bytes-keep.Bytes)*depth/g.Bytes
	}
	found, err := b.d.Find(ctx, &driver.Query{Tenant: tenant, Group: group, Max: retainAtOnce})
	if err != nil {
		return k, err
	}
	batch := &driver.Batch{Tenant: tenant}
	oldest := b.o.Clock.Now().Add(-keep.Age)
	for i := range found.Deliveries {
		d := &found.Deliveries[i]
		if int64(i) >= over && (keep.Age == 0 || !d.Enqueued.Before(oldest)) {
			break
		}
		batch.Drops = append(batch.Drops, driver.Drop{MessageID: d.MessageID, Group: group, Key: d.Key, Waiting: true, Optional: true, Error: cause})
	}
	if len(batch.Drops) == 0 {
		return k, nil
	}
	results, err := b.d.Commit(ctx, []*driver.Batch{batch})
	if err != nil {
		return k, err
	}
	if results[0].Failed != nil {
		return k, results[0].Failed
	}
	for _, dropped := range results[0].Dropped {
		if dropped {
			k.Dropped++
		}
	}
	k.More = k.Dropped > 0 && len(batch.Drops) == retainAtOnce
	return k, nil
}

// Retained are the bounds of the reserved queues by name, as they are when nothing is configured.
func Retained() map[string]Bound {
	const day = 24 * time.Hour
	return map[string]Bound{
		semabus.GroupUnmatched: {14 * day, 1 << 30}, semabus.GroupHeld: {14 * day, 1 << 30}, semabus.GroupDeadLetter: {30 * day, 1 << 30},
	}
}
