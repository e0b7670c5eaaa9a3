package client

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// Request publishes a message and waits for the first reply: whatever a consumer sends to the message's ReplyTo, which the bus
// sets, usually as an output of its settlement. Timeout 0 = 30 s; it is at most an hour. While the node is away the request is
// repeated under its op id, within [Options.Patience], and finds the reply that came meanwhile. Errors: those of Publish,
// FAILED_PRECONDITION / NO_MATCH where nobody would get it (nothing is stored then), DEADLINE_EXCEEDED / NO_REPLY.
func (c *Client) Request(ctx context.Context, m *semabus.Message, timeout time.Duration) (*semabus.Message, semabus.Receipt, error) {
	if m == nil {
		return nil, semabus.Receipt{}, required("message")
	}
	if err := checkText(m); err != nil {
		return nil, semabus.Receipt{}, err
	}
	q := &semabusv1.RequestRequest{OpId: newID(), Message: toMessage(m)}
	if timeout != 0 {
		q.Timeout = durationpb.New(timeout)
	}
	if m.TraceParent == "" {
		t := c.traceOf(ctx, m)
		q.Message.TraceParent, q.Message.TraceState = t.parent, t.state
	}
	a, err := call(ctx, c, "client.Request", c.bus.Request, q)
	if err != nil {
		return nil, semabus.Receipt{}, err
	}
	return fromMessage(a.GetReply()), fromReceipt(a.GetReceipt()), nil
}
