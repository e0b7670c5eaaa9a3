package bus

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
)

const (
	// retainEvery is the time between two looks at what the reserved queues keep.
	retainEvery = 30 * time.Second
	// retainCause is what is left with a delivery that was dropped because its queue keeps no more.
	retainCause = "retention: the queue keeps no more"
	// alarmShare is the share of the dead letters' bound from which operators are warned.
	alarmShare = 0.8
)

// queue names a reserved queue of one tenant.
type queue struct{ tenant, group string }

// retain drops what is beyond the bounds of the reserved queues, until ctx ends, and warns while the dead letters of a tenant
// come near theirs.
func (b *Bus) retain(ctx context.Context) error {
	warned := map[queue]bool{}
	failing := false
	for ctx.Err() == nil {
		err := b.retainAll(context.WithoutCancel(ctx), ctx, warned)
		if err != nil && !failing {
			b.log.Error("reserved queues are not kept within their bounds", "error", err)
		}
		failing = err != nil
		b.pause(ctx, retainEvery)
	}
	return nil
}

// retainAll is one look at all tenants. Commits are short and must not be torn, so they do not end with stop.
func (b *Bus) retainAll(ctx, stop context.Context, warned map[queue]bool) error {
	tenants, err := b.broker.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		for group, bound := range b.retention {
			if err := b.retainQueue(ctx, stop, queue{t, group}, bound, warned); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Bus) retainQueue(ctx, stop context.Context, q queue, bound broker.Bound, warned map[queue]bool) error {
	for more := true; more && stop.Err() == nil; {
		k, err := b.broker.Retain(ctx, q.tenant, q.group, bound, retainCause)
		if err != nil {
			return err
		}
		b.metrics.Retained(q.group, k.Dropped)
		near := q.group == semabus.GroupDeadLetter && bound.Bytes > 0 && float64(k.Bytes) > alarmShare*float64(bound.Bytes)
		if near && !warned[q] {
			b.log.Warn("the dead letters come near their bound: the oldest will go to the ledger", "tenant", q.tenant, "bytes", k.Bytes, "bound", bound.Bytes)
		}
		warned[q] = near
		more = k.More
	}
	return nil
}
