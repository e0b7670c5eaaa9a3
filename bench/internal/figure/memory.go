package figure

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/bench/internal/workload"
	"github.com/semabus/semabus/client"
)

const (
	restFor = 15 * time.Second
	mib     = 1 << 20
)

// memory publishes messages that nobody consumes and reads what the node holds. Only its own memory counts: pages of files
// that are in memory are the system's to drop. resident_mib is what is held after a rest, in which the
// node may tidy up as it does by itself; end_mib is at the last acknowledgement, peak_mib the highest until then.
func memory(ctx context.Context, o Options, e Env) (values map[string]float64, err error) {
	err = e.run(ctx, o.Intents, func(ctx context.Context, n *node.Node) (err error) {
		values, err = occupy(ctx, o, e, n)
		return err
	})
	return values, err
}

func occupy(ctx context.Context, o Options, e Env, n *node.Node) (map[string]float64, error) {
	clients, end, err := n.Dial(ctx, 1, client.Options{})
	if err != nil {
		return nil, err
	}
	defer end()
	messages, size := orDefault(o.Messages, 1_000_000), orDefault(o.Size, 1024)
	c := newCount()
	p, err := clients[0].NewPublisher(client.PublisherOptions{Streams: 4, Window: settleWindow})
	if err != nil {
		return nil, err
	}
	defer p.Close() //nolint:errcheck // Flush has said it
	texts := workload.NewTexts(1, o.Intents, size)
	var peak int64
	for i := range messages {
		if err := p.PublishAsync(ctx, &semabus.Message{Text: string(texts.Next(uint64(i)))}, c.receipt); err != nil {
			return nil, err
		}
		if i%max(1, messages/50) == 0 {
			u, err := process.Memory(n.PID())
			if err != nil {
				return nil, err
			}
			peak = max(peak, u.Anonymous)
		}
		if i%max(1, messages/10) == 0 && i > 0 {
			e.sayf("%d messages published, %d MiB", i, peak/mib)
		}
	}
	if err := p.Flush(ctx); err != nil {
		return nil, err
	}
	if err := c.fault(); err != nil {
		return nil, err
	}
	return atRest(ctx, orDefault(o.Rest, restFor), e, n, clients[0], peak)
}

// atRest reads the memory at the end of publishing and after a while of rest, with what is live then.
func atRest(ctx context.Context, rest time.Duration, e Env, n *node.Node, c *client.Client, peak int64) (map[string]float64, error) {
	end, err := process.Memory(n.PID())
	if err != nil {
		return nil, err
	}
	if !meter.Wait(ctx, e.Clock, rest) {
		return nil, ctx.Err()
	}
	now, err := process.Memory(n.PID())
	if err != nil {
		return nil, err
	}
	stats, err := c.GroupStats(ctx)
	if err != nil {
		return nil, err
	}
	live := int64(0)
	for _, s := range stats {
		live += s.Ready + s.Delayed + s.Leased
	}
	return map[string]float64{
		"resident_mib": float64(now.Anonymous) / mib, "end_mib": float64(end.Anonymous) / mib, "peak_mib": float64(max(peak, end.Anonymous)) / mib,
		"live_messages": float64(live),
	}, nil
}
