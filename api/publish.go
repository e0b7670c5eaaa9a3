package api

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/internal/bus"
)

type publishStream = grpc.BidiStreamingServer[semabusv1.PublishStreamRequest, semabusv1.PublishStreamResponse]

// PublishStream publishes each frame as one slice and answers it with one ack. One frame is in work at a time: order is that
// of the stream, and while one is committed the next is already on its way into the transport's buffer.
func (b *busService) PublishStream(stream publishStream) error {
	first, err := stream.Recv()
	if err != nil {
		return ended(err)
	}
	pub, err := b.open(stream, first.GetHello())
	if err != nil {
		return err
	}
	defer b.s.onStop(pub.farewell)()
	ctx := context.WithoutCancel(stream.Context()) // a commit is short and must not be torn
	for {
		frame, err := stream.Recv()
		if err != nil {
			return ended(err)
		}
		if err := pub.frame(ctx, frame.GetMessages()); err != nil {
			return err
		}
	}
}

// partingTime is how long a publisher has to end its stream after go_away.
const partingTime = time.Second

// farewell asks the client to leave and, if it does not, cuts the stream; what was not acknowledged is sent again elsewhere.
func (p *publisher) farewell() {
	ctx := p.stream.Context()
	err := p.send(&semabusv1.PublishStreamResponse{Frame: &semabusv1.PublishStreamResponse_GoAway{GoAway: goAway()}})
	if err != nil {
		cut(ctx)
		return
	}
	stop := p.s.clock.AfterFunc(partingTime, func() { cut(ctx) })
	context.AfterFunc(ctx, func() { stop() })
}

func (p *publisher) send(r *semabusv1.PublishStreamResponse) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	return p.stream.Send(r)
}

// ended turns the client's orderly end into success.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// publisher is one stream's state.
type publisher struct {
	s      *Server
	stream publishStream
	p      semabus.Principal
	like   bus.PublishItem // what hello said of every item
	items  []bus.PublishItem

	sending sync.Mutex // a stream has one writer at a time
}

func (b *busService) open(stream publishStream, hello *semabusv1.PublishHello) (*publisher, error) {
	if hello == nil {
		return nil, invalid(semabus.ReasonRequired, "hello", "", "", "begin the stream with a hello frame")
	}
	var f fields
	ctx := stream.Context()
	pub := &publisher{s: b.s, stream: stream, p: principal(ctx), like: bus.PublishItem{
		Producer: hello.GetProducer(), Expect: f.expect("hello.expect", hello.GetExpect()), Async: f.async("hello.mode", hello.GetMode()),
		MinRegistryVersion: hello.GetMinRegistryVersion()}}
	if e := semabus.CheckID(hello.GetProducer()); e != nil && hello.GetProducer() != "" {
		e.Field, f.err = "hello.producer", e
	}
	if f.err != nil {
		return nil, f.err
	}
	return pub, pub.send(&semabusv1.PublishStreamResponse{Frame: &semabusv1.PublishStreamResponse_Welcome{
		Welcome: &semabusv1.PublishWelcome{MaxMessageBytes: int64(b.s.maxMessage), MaxFrameBytes: semabus.MaxFrameBytes}}})
}

// frame publishes one frame and acknowledges it. An engine failure ends the stream without ack: an item that might succeed
// later must not be overtaken by its successors.
func (p *publisher) frame(ctx context.Context, in *semabusv1.PublishFrame) error {
	messages := in.GetMessages()
	if err := checkFrame(messages); err != nil {
		return err
	}
	results := make([]struct {
		result  semabusv1.PublishResult
		receipt semabusv1.Receipt
	}, len(messages))
	ack := &semabusv1.PublishAck{Results: make([]*semabusv1.PublishResult, len(messages))}
	p.items = p.items[:0]
	for i, m := range messages {
		ack.Results[i] = &results[i].result
		ack.Results[i].Sequence = m.GetSequence()
		item, err := p.item(m, i, len(messages))
		if err != nil { // its place is kept, without a message, so that the bus names its neighbours right
			ack.Results[i].Error = p.s.toError(ctx, semabusv1.Bus_PublishStream_FullMethodName, err)
			item = bus.PublishItem{}
		}
		p.items = append(p.items, item)
	}
	for i, r := range p.s.bus.Publish(ctx, p.p, p.items) {
		switch {
		case bus.Transient(r.Err):
			return r.Err
		case ack.Results[i].Error != nil:
		case r.Err != nil:
			ack.Results[i].Error = p.s.toError(ctx, semabusv1.Bus_PublishStream_FullMethodName, r.Err)
		default:
			fillReceipt(&results[i].receipt, &r.Receipt)
			ack.Results[i].Receipt = &results[i].receipt
		}
	}
	clear(p.items) // the messages are not kept until the next frame
	return p.send(&semabusv1.PublishStreamResponse{Frame: &semabusv1.PublishStreamResponse_Ack{Ack: ack}})
}

func (p *publisher) item(m *semabusv1.SequencedMessage, i, n int) (bus.PublishItem, error) {
	item := p.like
	item.OpID = m.GetOpId()
	if item.Producer != "" {
		item.Sequence = m.GetSequence()
		if item.Sequence == 0 {
			return item, invalid(semabus.ReasonRequired, "messages["+strconv.Itoa(i)+"].sequence", "0", "1 or more", "number the messages of a producer from 1")
		}
	}
	field := "message"
	if n > 1 {
		field = "messages[" + strconv.Itoa(i) + "]"
	}
	var f fields
	item.Message = f.message(field, m.GetMessage())
	return item, f.err
}

// checkFrame enforces the bounds of a frame with more than one message.
func checkFrame(messages []*semabusv1.SequencedMessage) error {
	switch {
	case len(messages) == 0:
		return invalid(semabus.ReasonRequired, "messages", "", "1–4096", "send messages after hello")
	case len(messages) == 1:
		return nil
	case len(messages) > maxItems:
		return tooMany("messages", len(messages))
	}
	size := 0
	for _, m := range messages {
		size += len(m.GetMessage().GetPayload()) + len(m.GetMessage().GetText())
	}
	if size > semabus.MaxFrameBytes {
		return invalid(semabus.ReasonTooLarge, "messages", strconv.Itoa(size)+" bytes", strconv.Itoa(semabus.MaxFrameBytes)+" bytes",
			"send several frames; a larger message travels alone")
	}
	return nil
}
