package bus

import (
	"context"
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/router"
)

// scratch is reused from call to call: the vectors of the message in work.
type scratch struct{ vectors []embed.Vector }

func (b *Bus) scratch() *scratch {
	return b.pool.Get().(*scratch) //nolint:errcheck // the pool holds nothing else
}

func (b *Bus) free(sc *scratch) { b.pool.Put(sc) }

// decide extracts the text, embeds it where meaning can matter and asks the router. Exclude are groups barred by the loop
// guard.
func (b *Bus) decide(ctx context.Context, tenant string, m *semabus.Message, exclude []string, sc *scratch) (*semabus.Decision, error) {
	start := b.clock.Now()
	req, err := b.request(ctx, tenant, m, sc)
	if err != nil {
		return nil, err
	}
	req.Exclude = exclude
	ctx, span := b.tracer.Decide(ctx, m)
	d, err := b.router.Decide(ctx, req)
	span.End(err)
	b.metrics.DecideTook(b.clock.Now().Sub(start))
	return d, err
}

// request is a message as the router sees it. A message on the deterministic lanes, or with a vector of its publisher's, is
// not embedded, and no message is where vectors have no weight.
func (b *Bus) request(ctx context.Context, tenant string, m *semabus.Message, sc *scratch) (*router.Request, error) {
	if m.Text == "" && len(m.Payload) > 0 {
		m.Text, _ = embed.Extract(m.ContentType, m.Payload)
	}
	req := &router.Request{Tenant: tenant, Message: m}
	switch {
	case m.To != "":
	case m.Topic != "":
		req.GroupTopics = func(topic string) []string { return b.flow.TopicGroups(tenant, topic) }
	case m.Text != "" && !b.embedded(m) && b.router.WantsVectors(tenant):
		vs, err := b.embed.EmbedOne(ctx, m.Text, embeddriver.Query, sc.vectors)
		if err != nil {
			return nil, err
		}
		sc.vectors, req.Vectors = vs, vs
	}
	return req, nil
}

// embedded reports whether the publisher sent a vector of this node's space.
func (b *Bus) embedded(m *semabus.Message) bool {
	for i := range m.Embeddings {
		if m.Embeddings[i].Space == b.tier.Space {
			return true
		}
	}
	return false
}

// targets are the queues a decision leads to. A group whose queue is full (max_depth) gets the message as a dead letter
// instead, and where it is the only one the message is refused: one slow group never delays another. Publishes at the same
// moment may overshoot the depth by their number.
func (b *Bus) targets(ctx context.Context, tenant string, d *semabus.Decision) ([]broker.Target, error) {
	switch d.Outcome {
	case semabus.OutcomeNone:
		return []broker.Target{{Group: semabus.GroupUnmatched}}, nil
	case semabus.OutcomeAmbiguous:
		return []broker.Target{{Group: semabus.GroupHeld}}, nil
	case semabus.OutcomeLoop:
		return []broker.Target{{Group: semabus.GroupDeadLetter, Match: d.Near[0]}}, nil
	}
	out := make([]broker.Target, len(d.Matches))
	for i := range d.Matches {
		m := &d.Matches[i]
		out[i] = broker.Target{Group: m.Group, Match: *m}
		depth := b.flow.MaxDepth(tenant, m.Group)
		if depth == 0 {
			continue
		}
		waiting, err := b.broker.Depth(ctx, tenant, m.Group)
		switch {
		case err != nil:
			return nil, err
		case waiting < depth:
		case len(d.Matches) == 1:
			return nil, &semabus.Error{Code: semabus.CodeResourceExhausted, Reason: semabus.ReasonOverloaded, Op: "bus.Publish",
				Field: "group", Value: semabus.Shorten(m.Group), Limit: strconv.FormatInt(depth, 10) + " waiting deliveries",
				Fix: "publish again later, or raise the group's max_depth", RetryAfter: time.Second}
		default:
			out[i].Group, out[i].Dead = semabus.GroupDeadLetter, broker.DeadOverflow
		}
	}
	return out, nil
}
