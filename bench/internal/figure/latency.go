package figure

import (
	"context"
	"encoding/binary"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/workload"
	"github.com/semabus/semabus/client"
)

// latency is publish → handler at a steady rate. The publisher does not wait for anything; each message counts from when it
// was due, so that a stall is not hidden by the messages it kept from being sent.
func latency(ctx context.Context, o Options, e Env) (values map[string]float64, err error) {
	err = e.run(ctx, o.Intents, func(ctx context.Context, n *node.Node) (err error) {
		values, err = (&pace{o: o, e: e, stretch: meter.NewStretch(e.Clock), count: newCount()}).run(ctx, n)
		return err
	})
	return values, err
}

// pace is one run at a steady rate.
type pace struct {
	o       Options
	e       Env
	stretch *meter.Stretch
	count   *count
	acks    meter.Tally
	arrived meter.Tally
}

func (p *pace) run(ctx context.Context, n *node.Node) (map[string]float64, error) {
	clients, end, err := n.Dial(ctx, 2, client.Options{}) // publisher and consumer are different programs
	if err != nil {
		return nil, err
	}
	defer end()
	var members []member
	for _, g := range node.Groups() {
		members = append(members, member{clients[1], g, client.SubscribeOptions{Concurrency: 16, Prefetch: 64}})
	}
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	g, consuming := errgroup.WithContext(consuming)
	g.Go(func() error { return p.count.consume(consuming, members, p.handle) })
	g.Go(func() error {
		defer stop()
		if err := p.publish(consuming, clients[0]); err != nil {
			return err
		}
		return p.count.drained(consuming, p.e.Clock)
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	took, delivered := meter.Sum([]*meter.Tally{&p.arrived})
	acked, published := meter.Sum([]*meter.Tally{&p.acks})
	return map[string]float64{
		"p50_ms": meter.Milliseconds(took.Quantile(.5)), "p99_ms": meter.Milliseconds(took.Quantile(.99)),
		"ack_p50_ms": meter.Milliseconds(acked.Quantile(.5)), "ack_p99_ms": meter.Milliseconds(acked.Quantile(.99)),
		"published_per_s": float64(published) / p.stretch.Seconds(), "delivered_per_s": float64(delivered) / p.stretch.Seconds(),
	}, nil
}

func (p *pace) handle(d *semabus.Delivery) {
	sent := time.Duration(binary.BigEndian.Uint64(d.Message.Payload))
	p.arrived.Happened(p.stretch, sent, p.stretch.Now())
}

// publish sends at the rate: a warm-up, then the measured time.
func (p *pace) publish(ctx context.Context, c *client.Client) error {
	texts := workload.NewTexts(1, p.o.Intents, orDefault(p.o.Size, 256))
	every := time.Duration(float64(time.Second) / orDefault(p.o.Rate, 5000))
	measured := time.Duration(p.o.Seconds * float64(time.Second))
	warm := min(max(measured/4, 100*time.Millisecond), 3*time.Second)
	begin := p.stretch.Now()
	open := false
	for i := 0; ctx.Err() == nil; i++ {
		due := begin + every*time.Duration(i)
		if early := due - p.stretch.Now(); early > 0 {
			meter.Sleep(early)
		}
		if !open && due-begin >= warm {
			open = true
			p.stretch.Open()
		}
		if due-begin >= warm+measured {
			break
		}
		payload := binary.BigEndian.AppendUint64(nil, uint64(due))
		m := &semabus.Message{Text: string(texts.Next(uint64(i))), Payload: payload}
		err := c.PublishAsync(ctx, m, func(r semabus.Receipt, err error) {
			p.acks.Happened(p.stretch, due, p.stretch.Now())
			p.count.receipt(r, err)
		})
		if err != nil {
			return err
		}
	}
	p.stretch.Close()
	return ctx.Err()
}
