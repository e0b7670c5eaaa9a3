package figure

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/client"
)

const (
	look     = 5 * time.Millisecond
	drainFor = 20 * time.Second // without any progress, until missing deliveries are an error
)

// count holds what receipts promised against what was settled. It is safe for concurrent use.
type count struct {
	messages atomic.Int64 // acknowledged
	promised atomic.Int64 // deliveries of those
	settled  atomic.Int64
	failed   chan error // the first
}

func newCount() *count { return &count{failed: make(chan error, 1)} }

func (c *count) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

// receipt takes in the answer to one message.
func (c *count) receipt(r semabus.Receipt, err error) {
	if err != nil {
		c.fail(err)
		return
	}
	c.messages.Add(1)
	c.promised.Add(int64(len(r.Groups)))
}

// consume works for groups until ctx ends, and counts what is settled.
func (c *count) consume(ctx context.Context, members []member, handle func(d *semabus.Delivery)) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range members {
		o := m.options
		o.OnSettled = func(_ *semabus.Delivery, _ semabus.Settled, err error) {
			if err != nil {
				c.fail(err)
				return
			}
			c.settled.Add(1)
		}
		g.Go(func() error {
			return m.client.Subscribe(ctx, m.group, func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
				handle(d)
				return semabus.Settlement{}, nil
			}, o)
		})
	}
	return g.Wait()
}

// member is one subscription.
type member struct {
	client  *client.Client
	group   string
	options client.SubscribeOptions
}

// drained waits until as much is settled as was promised.
func (c *count) drained(ctx context.Context, clock semabus.Clock) error {
	for idle, before := time.Duration(0), int64(-1); ; {
		done, want := c.settled.Load(), c.promised.Load()
		if done >= want {
			return c.fault()
		}
		if idle += look; done != before {
			idle, before = 0, done
		}
		if idle >= drainFor {
			return process.Failed("settle everything", fmt.Errorf("%d of %d deliveries did not come", want-done, want))
		}
		if !meter.Wait(ctx, clock, look) {
			return ctx.Err()
		}
		if err := c.fault(); err != nil {
			return err
		}
	}
}

// fault is the first failure so far.
func (c *count) fault() error {
	select {
	case err := <-c.failed:
		return err
	default:
		return nil
	}
}
