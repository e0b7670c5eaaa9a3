package figure

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/workload"
	"github.com/semabus/semabus/client"
)

const (
	fanTopic   = "bench.fan"
	width      = 10     // groups that a message is for
	fanBacklog = 50_000 // deliveries that wait at most; publishers wait beyond it, so that what is measured can go on for ever
)

// fanout publishes messages that are for ten groups each. Every group has an intent for each wish, in a set of its own, as ten
// applications that want the same messages do: one message is decided over all of them. With Options.Topic the groups hear a
// topic instead, and nothing is decided by meaning.
func fanout(ctx context.Context, o Options, e Env) (values map[string]float64, err error) {
	n, err := node.Start(ctx, node.Options{Binary: e.Binary, Dir: e.Dir})
	if err != nil {
		return nil, err
	}
	defer n.Close()
	f := &fan{o: o, e: e, stretch: meter.NewStretch(e.Clock), count: newCount(), wishes: max(1, o.Intents/width)}
	clients, end, err := n.Dial(ctx, 1+width, client.Options{})
	if err != nil {
		return nil, err
	}
	defer end()
	prepare := f.register
	if o.Topic {
		prepare = f.subscribe
	}
	if err := prepare(ctx, clients[0]); err != nil {
		return nil, err
	}
	return f.run(ctx, clients[0], clients[1:])
}

// fan is one run.
type fan struct {
	o         Options
	e         Env
	wishes    int
	stretch   *meter.Stretch
	count     *count
	delivered []*meter.Tally
	published []*meter.Tally
}

func fanGroup(i int) string { return fmt.Sprintf("fan-%d", i) }

func (f *fan) register(ctx context.Context, c *client.Client) error {
	var intents []semabus.Intent
	for g := range width {
		for w := range f.wishes {
			intents = append(intents, workload.Intent(w, fmt.Sprintf("%s-intent-%d", fanGroup(g), w), fanGroup(g), fanGroup(g)))
		}
		if _, err := c.ConfigureSet(ctx, semabus.Set{Name: fanGroup(g), Dispatch: semabus.DispatchTask}); err != nil {
			return err
		}
	}
	return node.Register(ctx, c, f.e.Clock, intents)
}

// subscribe makes the groups hear a topic instead.
func (f *fan) subscribe(ctx context.Context, c *client.Client) error {
	for g := range width {
		if _, err := c.ConfigureGroup(ctx, semabus.GroupConfig{Name: fanGroup(g), Topics: []string{fanTopic}}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fan) run(ctx context.Context, publisher *client.Client, consumers []*client.Client) (map[string]float64, error) {
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	g, consuming := errgroup.WithContext(consuming)
	for i, c := range consumers {
		t := &meter.Tally{}
		f.delivered = append(f.delivered, t)
		m := []member{{c, fanGroup(i), client.SubscribeOptions{Concurrency: settleHandler, Prefetch: settleAhead}}}
		g.Go(func() error {
			return f.count.consume(consuming, m, func(*semabus.Delivery) { now := f.stretch.Now(); t.Happened(f.stretch, now, now) })
		})
	}
	g.Go(func() error {
		defer stop()
		if err := f.publish(consuming, publisher); err != nil {
			return err
		}
		return f.count.drained(consuming, f.e.Clock)
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	_, delivered := meter.Sum(f.delivered)
	_, published := meter.Sum(f.published)
	return map[string]float64{
		"deliveries_per_s": float64(delivered) / f.stretch.Seconds(), "published_per_s": float64(published) / f.stretch.Seconds(),
		"groups_a_message": float64(f.count.promised.Load()) / float64(f.count.messages.Load()),
	}, nil
}

// publish keeps the publishers busy through the warm-up and the measured time.
func (f *fan) publish(ctx context.Context, c *client.Client) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	for i := range orDefault(f.o.Publishers, 64) {
		t := &meter.Tally{}
		f.published = append(f.published, t)
		texts := workload.NewTexts(uint64(i), f.wishes, orDefault(f.o.Size, 256))
		g.Go(func() error { return f.publisher(ctx, c, done, texts, t) })
	}
	g.Go(func() error {
		defer close(done)
		measured := time.Duration(f.o.Seconds * float64(time.Second))
		meter.Wait(ctx, f.e.Clock, min(max(measured/4, 100*time.Millisecond), 3*time.Second))
		f.stretch.Open()
		meter.Wait(ctx, f.e.Clock, measured)
		f.stretch.Close()
		return ctx.Err()
	})
	return g.Wait()
}

// publisher waits for each receipt, and for room in the backlog.
func (f *fan) publisher(ctx context.Context, c *client.Client, done <-chan struct{}, texts *workload.Texts, t *meter.Tally) error {
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if f.count.promised.Load()-f.count.settled.Load() > fanBacklog {
			meter.Wait(ctx, f.e.Clock, look)
			continue
		}
		m := &semabus.Message{Text: string(texts.Next(uint64(f.count.messages.Load())))}
		if f.o.Topic {
			m.Topic = fanTopic
		}
		r, err := c.Publish(ctx, m)
		if err != nil {
			return err
		}
		f.count.receipt(r, nil)
		now := f.stretch.Now()
		t.Happened(f.stretch, now, now)
	}
}
