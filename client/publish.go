package client

import (
	"context"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// LowestPriority is priority 0, as the Priority of a message to send: the zero value means the default,
// [semabus.DefaultPriority], and 0 itself cannot say it. What is received has 0.
const LowestPriority = -1

// PublishOption changes one Publish.
type PublishOption func(*semabusv1.PublishRequest)

// Expect is a condition on the decision: broken, nothing is stored and the error is NO_MATCH or TOO_MANY_MATCHES.
func Expect(e semabus.Expect) PublishOption {
	return func(q *semabusv1.PublishRequest) { q.Expect = semabusv1.Expect(e) + 1 }
}

// MinRegistryVersion decides at this registry version or a later one, so that an intent just registered hears the message.
func MinRegistryVersion(v uint64) PublishOption {
	return func(q *semabusv1.PublishRequest) { q.MinRegistryVersion = v }
}

// OpID makes the publish idempotent beyond the process: a repeat within the dedup window (24 h) gets the first receipt.
func OpID(id string) PublishOption {
	return func(q *semabusv1.PublishRequest) { q.OpId = id }
}

// Async acknowledges when the message is durable and decides afterwards: the receipt is pending.
func Async() PublishOption {
	return func(q *semabusv1.PublishRequest) { q.Mode = semabusv1.PublishMode_PUBLISH_MODE_ASYNC }
}

// CancelScheduled takes back a message whose DeliverAt has not come and returns the groups that will not get it, none where it was
// not decided yet. Errors: NOT_FOUND, FAILED_PRECONDITION / ALREADY_DUE, PERMISSION_DENIED for a message of somebody else.
func (c *Client) CancelScheduled(ctx context.Context, messageID string) ([]string, error) {
	a, err := call(ctx, c, "client.CancelScheduled", c.bus.CancelScheduled, &semabusv1.CancelScheduledRequest{OpId: newID(), MessageId: messageID})
	return a.GetGroups(), err
}

// Publish publishes one message and returns its receipt once it is decided and durable; m may be used again. Concurrent
// callers share streams and frames. While the node is away it goes on trying, within [Options.Patience], under the same
// sequence: the message is stored once. When ctx ends after it was sent, nobody knows whether it is stored. With options it
// is a request of its own, repeated under its op id. Errors: those of the node, and as of [Publisher.Publish].
func (c *Client) Publish(ctx context.Context, m *semabus.Message, opts ...PublishOption) (semabus.Receipt, error) {
	if len(opts) > 0 {
		return c.publishAlone(ctx, m, opts)
	}
	p, err := c.shared()
	if err != nil {
		return semabus.Receipt{}, err
	}
	return p.Publish(ctx, m)
}

// PublishAsync is [Publisher.PublishAsync] on the streams of Publish: messages under way at the same time have no order.
func (c *Client) PublishAsync(ctx context.Context, m *semabus.Message, done func(semabus.Receipt, error)) error {
	p, err := c.shared()
	if err != nil {
		return err
	}
	return p.PublishAsync(ctx, m, done)
}

// publishAlone is a unary Publish.
func (c *Client) publishAlone(ctx context.Context, m *semabus.Message, opts []PublishOption) (semabus.Receipt, error) {
	if m == nil {
		return semabus.Receipt{}, required("message")
	}
	if err := checkText(m); err != nil {
		return semabus.Receipt{}, err
	}
	q := &semabusv1.PublishRequest{Message: toMessage(m)}
	if m.TraceParent == "" {
		t := c.traceOf(ctx, m)
		q.Message.TraceParent, q.Message.TraceState = t.parent, t.state
	}
	for _, set := range opts {
		set(q)
	}
	if q.OpId == "" {
		q.OpId = newID()
	}
	a, err := call(ctx, c, "client.Publish", c.bus.Publish, q)
	if err != nil {
		return semabus.Receipt{}, err
	}
	return fromReceipt(a.GetReceipt()), nil
}

// shared is the publisher of Publish, made when first used.
func (c *Client) shared() (*Publisher, error) {
	if p := c.publisher.Load(); p != nil {
		return p, nil
	}
	c.sharing.Lock()
	defer c.sharing.Unlock()
	if p := c.publisher.Load(); p != nil {
		return p, nil
	}
	p, err := c.NewPublisher(PublisherOptions{Streams: sharedStreams})
	if err != nil {
		return nil, err
	}
	c.publisher.Store(p)
	return p, nil
}

// traceOf is the W3C trace context for a message that has none.
func (c *Client) traceOf(ctx context.Context, m *semabus.Message) (t traced) {
	if c.o.Trace != nil && m.TraceParent == "" {
		t.parent, t.state = c.o.Trace(ctx)
	}
	return t
}
