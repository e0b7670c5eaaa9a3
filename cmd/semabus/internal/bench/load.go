package bench

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/wait"
)

const (
	handlers  = 64                    // of one group's consumer at once; what they wait for is the settle's fsync
	afterFail = 50 * time.Millisecond // pause of a publisher that was refused
	drainFor  = 20 * time.Second      // without any progress, until missing deliveries are given up
)

// load is the traffic of one run.
type load struct {
	o         Options
	names     names
	stretch   *stretch
	acks      []*tally // one a publisher
	arrivals  []*tally // one a group
	stopped   atomic.Bool
	sent      atomic.Uint64 // numbers messages
	expected  atomic.Int64  // deliveries that receipts promise
	finished  atomic.Int64  // deliveries settled
	unmatched atomic.Int64  // messages for nobody
	errors    atomic.Int64
}

func newLoad(o Options, n names, clock semabus.Clock) *load {
	l := &load{o: o, names: n, stretch: newStretch(clock)}
	for range o.Publishers {
		l.acks = append(l.acks, &tally{})
	}
	for range o.Groups {
		l.arrivals = append(l.arrivals, &tally{})
	}
	return l
}

// consume works for every group until ctx ends.
func (l *load) consume(ctx context.Context, c *client.Client) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range l.arrivals {
		t := l.arrivals[i]
		g.Go(func() error {
			return c.Subscribe(ctx, l.names.group(i), func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
				if sent, ok := stamp(d.Message); ok {
					t.happened(l.stretch, sent, l.stretch.now())
				}
				return semabus.Settlement{}, nil
			}, client.SubscribeOptions{Concurrency: handlers, Prefetch: handlers, OnSettled: l.settled})
		})
	}
	return g.Wait()
}

func (l *load) settled(_ *semabus.Delivery, _ semabus.Settled, err error) {
	if err != nil {
		l.errors.Add(1)
		return
	}
	l.finished.Add(1)
}

// publish runs all publishers until stop; it returns when every message is answered. Each draws from its own seed.
func (l *load) publish(ctx context.Context, c *client.Client) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range l.o.Publishers {
		p := &publisher{load: l, acks: l.acks[i], rand: rand.New(rand.NewPCG(1, uint64(i)))}
		if l.o.Rate > 0 {
			p.every = time.Duration(float64(time.Second) * float64(l.o.Publishers) / l.o.Rate)
			p.due = l.stretch.now() + p.every*time.Duration(i)/time.Duration(l.o.Publishers)
		}
		g.Go(func() error {
			if l.o.Window == 1 {
				return p.oneByOne(ctx, c)
			}
			return p.windowed(ctx, c)
		})
	}
	return g.Wait()
}

// stop ends the publishers after what they have sent.
func (l *load) stop() { l.stopped.Store(true) }

// answered takes in the answer to one message.
func (l *load) answered(t *tally, sent time.Duration, r *semabus.Receipt, err error) {
	if err != nil {
		l.errors.Add(1)
		return
	}
	t.happened(l.stretch, sent, l.stretch.now())
	if len(r.Groups) == 0 {
		l.unmatched.Add(1)
	}
	l.expected.Add(int64(len(r.Groups)))
}

// publisher sends one message after the other.
type publisher struct {
	load  *load
	acks  *tally
	rand  *rand.Rand
	text  []byte
	every time.Duration // 0 = at once
	due   time.Duration // of the next message, when every > 0
}

// next is the next message, with the time from which its latency counts; false ends the publisher.
func (p *publisher) next(ctx context.Context) (*semabus.Message, time.Duration, bool) {
	l := p.load
	sent := l.stretch.now()
	if p.every > 0 {
		sent, p.due = p.due, p.due+p.every
		if early := sent - l.stretch.now(); early > 0 {
			wait.For(ctx, l.stretch.clock, early)
		}
	}
	if l.stopped.Load() || ctx.Err() != nil {
		return nil, 0, false
	}
	p.text = text(p.rand, p.text, l.o.Intents, l.o.Size, l.sent.Add(1))
	return stamped(p.text, sent), sent, true
}

// oneByOne waits for each message's ack before it sends the next.
func (p *publisher) oneByOne(ctx context.Context, c *client.Client) error {
	for {
		m, sent, ok := p.next(ctx)
		if !ok {
			return nil
		}
		r, err := c.Publish(ctx, m)
		p.load.answered(p.acks, sent, &r, err)
		if err != nil {
			wait.For(ctx, p.load.stretch.clock, afterFail)
		}
	}
}

// windowed keeps up to a window of messages under way.
func (p *publisher) windowed(ctx context.Context, c *client.Client) error {
	out, err := c.NewPublisher(client.PublisherOptions{Window: p.load.o.Window})
	if err != nil {
		return err
	}
	for {
		m, sent, ok := p.next(ctx)
		if !ok {
			break
		}
		err := out.PublishAsync(ctx, m, func(r semabus.Receipt, err error) { p.load.answered(p.acks, sent, &r, err) })
		if err != nil {
			p.load.answered(p.acks, sent, nil, err)
			wait.For(ctx, p.load.stretch.clock, afterFail)
		}
	}
	return out.Close() // after everything handed over is answered
}

// drain waits for the deliveries that receipts promised and counts those that do not come.
func (l *load) drain(ctx context.Context) error {
	const look = 20 * time.Millisecond
	for idle, before := time.Duration(0), int64(-1); ; {
		done := l.finished.Load()
		missing := l.expected.Load() - done
		if missing <= 0 {
			return nil
		}
		if idle += look; done != before {
			idle, before = 0, done
		}
		if idle >= drainFor {
			l.errors.Add(missing)
			return nil
		}
		if !wait.For(ctx, l.stretch.clock, look) {
			return ctx.Err()
		}
	}
}
