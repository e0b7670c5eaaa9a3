package claim

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/bench/internal/relay"
	"github.com/semabus/semabus/client"
)

const (
	lines      = 10               // subscribers that are cut off side by side
	noticeIn   = 30 * time.Second // for the node to see that a subscriber is gone
	noticeLook = 2 * time.Millisecond
	returnsIn  = 60 * time.Second // until a subscriber that does not come back ends the trial
)

// reconnect cuts subscribers off, side by side, and measures how long each needs to get deliveries again.
func reconnect(ctx context.Context, o Options, e Env) (map[string]float64, error) {
	n, err := node.Start(ctx, node.Options{Binary: e.Binary, Dir: e.Dir})
	if err != nil {
		return nil, err
	}
	defer n.Close()
	direct, end, err := n.Dial(ctx, 1, client.Options{})
	if err != nil {
		return nil, err
	}
	defer end()
	all := make([]meter.Histogram, lines)
	g, ctx := errgroup.WithContext(ctx)
	for i := range lines {
		l := &line{
			number: i, cuts: o.Cuts / lines, away: o.Away, e: e, node: n, direct: direct[0], took: &all[i],
			group: fmt.Sprintf("line-%d", i), rand: rand.New(rand.NewPCG(o.Seed, uint64(i))), came: make(chan uint64, 16),
		}
		if i < o.Cuts%lines {
			l.cuts++
		}
		g.Go(func() error { return l.run(ctx) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var took meter.Histogram
	for i := range all {
		took.Add(&all[i])
	}
	return map[string]float64{
		"cuts": float64(took.N()), "away_at_most_ms": meter.Milliseconds(o.Away), "p50_ms": meter.Milliseconds(took.Quantile(.5)),
		"p99_ms": meter.Milliseconds(took.Quantile(.99)), "max_ms": meter.Milliseconds(took.Quantile(1)),
	}, nil
}

// line is one subscriber, behind a relay of its own.
type line struct {
	number int
	cuts   int
	away   time.Duration
	e      Env
	node   *node.Node
	direct *client.Client // not behind the relay
	relay  *relay.Relay
	group  string
	rand   *rand.Rand
	took   *meter.Histogram
	came   chan uint64 // numbers of deliveries
	sent   uint64
}

func (l *line) run(ctx context.Context) (err error) {
	if l.relay, err = relay.Listen(l.e.Clock, l.node.GRPC); err != nil {
		return err
	}
	defer l.relay.Close()
	c, err := client.Dial(ctx, l.relay.Addr(), client.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	subscribed, stop := context.WithCancel(ctx)
	defer stop()
	g, subscribed := errgroup.WithContext(subscribed)
	g.Go(func() error {
		return c.Subscribe(subscribed, l.group, func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
			l.came <- binary.BigEndian.Uint64(d.Message.Payload)
			return semabus.Settlement{}, nil
		}, client.SubscribeOptions{Concurrency: 4, Grace: time.Second})
	})
	g.Go(func() error {
		defer stop()
		if _, err := l.deliver(subscribed); err != nil { // it is there
			return err
		}
		for range l.cuts {
			if err := l.cut(subscribed); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// cut takes the subscriber's connection and its port away for a while, and measures from when the port is back.
func (l *line) cut(ctx context.Context) error {
	l.relay.Cut(l.rand.IntN(2) == 0)
	away := time.Duration(l.rand.Int64N(int64(l.away) + 1))
	if !meter.Wait(ctx, l.e.Clock, away) {
		return ctx.Err()
	}
	if err := l.noticed(ctx); err != nil {
		return err
	}
	if err := l.relay.Restore(ctx); err != nil {
		return err
	}
	took, err := l.deliver(ctx)
	l.took.Record(took)
	return err
}

// noticed waits until the node counts the subscriber as gone: a delivery to a connection that is dead would measure the
// node's grace instead of the client's return.
func (l *line) noticed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, noticeIn)
	defer cancel()
	for {
		stats, err := l.direct.GroupStats(ctx, l.group)
		if err != nil {
			return err
		}
		if len(stats) == 1 && stats[0].Members == 0 {
			return nil
		}
		if !meter.Wait(ctx, l.e.Clock, noticeLook) {
			return process.Failed("let the node notice a cut", ctx.Err())
		}
	}
}

// deliver sends a message past the relay and returns how long it took to reach the subscriber.
func (l *line) deliver(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, returnsIn)
	defer cancel()
	began := l.e.Clock.Now()
	l.sent++
	m := &semabus.Message{To: l.group, Payload: binary.BigEndian.AppendUint64(nil, l.sent)}
	if _, err := l.direct.Publish(ctx, m); err != nil {
		return 0, err
	}
	for {
		select {
		case got := <-l.came:
			if got == l.sent {
				return l.e.Clock.Now().Sub(began), nil
			}
		case <-ctx.Done():
			return 0, process.Failed("get a subscriber back", ctx.Err())
		}
	}
}
