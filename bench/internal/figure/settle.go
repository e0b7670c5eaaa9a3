package figure

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/bench/internal/workload"
	"github.com/semabus/semabus/client"
)

const (
	settleGroup   = "work"
	settleWindow  = 16_384 // of whoever fills the backlog
	settleHandler = 64     // of one member at once; its handler returns at once, what it waits for is the settlement's sync
	settleAhead   = 1024   // deliveries of one member beyond those
)

// settle fills one group, then lets the members empty it. They are applications of their own: each has a connection.
func settle(ctx context.Context, o Options, e Env) (values map[string]float64, err error) {
	n, err := node.Start(ctx, node.Options{Binary: e.Binary, Dir: e.Dir})
	if err != nil {
		return nil, err
	}
	defer n.Close()
	clients, end, err := n.Dial(ctx, orDefault(o.Members, 16), client.Options{})
	if err != nil {
		return nil, err
	}
	defer end()
	c := newCount()
	if err := fill(ctx, c, clients[0], orDefault(o.Messages, 300_000), orDefault(o.Size, 256)); err != nil {
		return nil, err
	}
	var members []member
	for _, one := range clients {
		members = append(members, member{one, settleGroup, client.SubscribeOptions{Concurrency: settleHandler, Prefetch: settleAhead}})
	}
	took, err := empty(ctx, c, members, e.Clock)
	if err != nil {
		return nil, err
	}
	if err := nothingLeft(ctx, clients[0]); err != nil {
		return nil, err
	}
	return map[string]float64{"settles_per_s": float64(c.settled.Load()) / took.Seconds(), "seconds": took.Seconds()}, nil
}

// nothingLeft asks the node itself whether the group is empty.
func nothingLeft(ctx context.Context, c *client.Client) error {
	stats, err := c.GroupStats(ctx, settleGroup)
	if err != nil {
		return err
	}
	for _, s := range stats {
		if left := s.Ready + s.Delayed + s.Leased + s.DeadLetters; left > 0 {
			return process.Failed("settle everything", fmt.Errorf("%d deliveries are still in %s", left, s.Group))
		}
	}
	return nil
}

// fill publishes a backlog by address.
func fill(ctx context.Context, c *count, to *client.Client, messages, size int) error {
	p, err := to.NewPublisher(client.PublisherOptions{Streams: 4, Window: settleWindow})
	if err != nil {
		return err
	}
	texts := workload.NewTexts(1, 1000, size)
	for i := range messages {
		if err := p.PublishAsync(ctx, &semabus.Message{To: settleGroup, Payload: texts.Next(uint64(i))}, c.receipt); err != nil {
			_ = p.Close() // the refusal says more
			return err
		}
	}
	if err := p.Close(); err != nil {
		return err
	}
	return c.fault()
}

// empty is how long the members need for the backlog, their joining included.
func empty(ctx context.Context, c *count, members []member, clock semabus.Clock) (took time.Duration, err error) {
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	g, consuming := errgroup.WithContext(consuming)
	began := clock.Now()
	g.Go(func() error { return c.consume(consuming, members, func(*semabus.Delivery) {}) })
	g.Go(func() error {
		defer stop()
		err := c.drained(consuming, clock)
		took = clock.Now().Sub(began)
		return err
	})
	return took, g.Wait()
}
