package api

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/internal/bus"
)

type subscribeStream = grpc.BidiStreamingServer[semabusv1.SubscribeRequest, semabusv1.SubscribeResponse]

const (
	// deliverWait is one long poll of the deliver loop.
	deliverWait = 30 * time.Second
	// deliverMax bounds the deliveries leased at once, so that members share a backlog instead of the first taking all.
	deliverMax = 256
	// settlesInWork bounds the settle frames of one stream that are committed at the same time.
	settlesInWork = 16
)

// Subscribe runs one receive loop and one deliver loop until either ends; then the subscription is closed, which leaves its
// leases the group's grace.
func (b *busService) Subscribe(stream subscribeStream) error {
	first, err := stream.Recv()
	if err != nil {
		return ended(err)
	}
	m, err := b.join(stream, first.GetHello())
	if err != nil {
		return err
	}
	defer m.sub.Close(context.WithoutCancel(stream.Context()))
	g, ctx := errgroup.WithContext(stream.Context())
	defer context.AfterFunc(ctx, func() { cut(stream.Context()) })()
	work, leave := context.WithCancel(ctx) // ends with the stream, with the client's side of it, or with the node
	defer leave()
	defer b.s.onStop(leave)()
	g.Go(b.s.guard(ctx, semabusv1.Bus_Subscribe_FullMethodName, func() error { return m.deliver(work) }))
	err = m.receive(ctx, g, leave)
	close(m.settles)
	m.gone.Store(true)
	leave()
	if werr := g.Wait(); werr != nil && !errors.Is(werr, context.Canceled) {
		return werr
	}
	return err
}

// member is one stream's state.
type member struct {
	s       *Server
	stream  subscribeStream
	sub     *bus.Subscription
	settles chan *semabusv1.SettleFrame // to a worker that is idle
	workers int                         // started; the receive loop's

	sending sync.Mutex // a stream has one writer at a time

	credit   credit
	draining atomic.Bool
	gone     atomic.Bool // the client has ended its side
}

// credit is the room for deliveries.
type credit struct {
	mu        sync.Mutex
	messages  int64
	bytes     int64
	unlimited bool          // by bytes
	more      chan struct{} // one token: something changed
}

func (c *credit) add(in *semabusv1.Credit) {
	c.mu.Lock()
	c.messages = min(c.messages+int64(in.GetMessages()), 1<<40)
	c.bytes = min(c.bytes+int64(min(in.GetBytes(), 1<<40)), 1<<40)
	c.mu.Unlock()
	c.wake()
}

func (c *credit) wake() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// room is what may be leased now; 0 messages = wait.
func (c *credit) room() (messages, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.messages <= 0 || (!c.unlimited && c.bytes <= 0) {
		return 0, 0
	}
	bytes = semabus.MaxFrameBytes
	if !c.unlimited {
		bytes = int(min(c.bytes, semabus.MaxFrameBytes))
	}
	return int(min(c.messages, deliverMax)), bytes
}

func (c *credit) spend(messages, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages -= int64(messages)
	c.bytes -= int64(bytes)
}

func (b *busService) join(stream subscribeStream, hello *semabusv1.SubscribeHello) (*member, error) {
	if hello == nil {
		return nil, invalid(semabus.ReasonRequired, "hello", "", "", "begin the stream with a hello frame")
	}
	var f fields
	ctx := stream.Context()
	p := principal(ctx)
	o := bus.SubscribeOptions{Group: hello.GetGroup(), Member: hello.GetMember(), Lease: f.duration("hello.lease", hello.GetLease())}
	if f.err != nil {
		return nil, f.err
	}
	if o.Member == "" {
		o.Member = p.Name + "#" + strconv.FormatUint(b.members.Add(1), 10)
	}
	sub, err := b.s.bus.Subscribe(ctx, p, o)
	if err != nil {
		return nil, err
	}
	m := &member{s: b.s, stream: stream, sub: sub, settles: make(chan *semabusv1.SettleFrame)}
	m.credit.more = make(chan struct{}, 1)
	m.credit.unlimited = hello.GetCredit().GetBytes() == 0
	m.credit.add(hello.GetCredit())
	lease := o.Lease
	if lease == 0 {
		if g, err := b.s.bus.GetGroup(ctx, p, o.Group); err == nil {
			lease = g.Lease
		}
	}
	return m, m.send(&semabusv1.SubscribeResponse{Frame: &semabusv1.SubscribeResponse_Welcome{
		Welcome: &semabusv1.SubscribeWelcome{Member: o.Member, Lease: durationpb.New(lease)}}})
}

func (m *member) send(r *semabusv1.SubscribeResponse) error {
	m.sending.Lock()
	defer m.sending.Unlock()
	return m.stream.Send(r)
}

// receive handles the client's frames until the client ends its side (nil) or the stream breaks; leave ends the deliver loop,
// also while it waits for work.
func (m *member) receive(ctx context.Context, g *errgroup.Group, leave func()) error {
	for {
		in, err := m.stream.Recv()
		if err != nil {
			return ended(err)
		}
		switch frame := in.GetFrame().(type) {
		case *semabusv1.SubscribeRequest_Credit:
			m.credit.add(frame.Credit)
		case *semabusv1.SubscribeRequest_Settle:
			err = m.settle(ctx, g, frame.Settle)
		case *semabusv1.SubscribeRequest_Extend:
			err = m.extend(ctx, frame.Extend)
		case *semabusv1.SubscribeRequest_Heartbeat:
			err = m.heartbeat(ctx, frame.Heartbeat)
		case *semabusv1.SubscribeRequest_Drain:
			m.draining.Store(true)
			leave()
		default:
			err = invalid(semabus.ReasonInvalidValue, "frame", "hello again, or a frame of a later version", "",
				"send hello once, then credit, settle, extend, heartbeat or drain")
		}
		if err != nil {
			return err
		}
	}
}

// settle commits one frame as one batch beside the loop and answers it. Up to settlesInWork frames are in work at a time, each
// by a worker that lives as long as the stream, whose stack has grown to what a commit needs.
func (m *member) settle(ctx context.Context, g *errgroup.Group, in *semabusv1.SettleFrame) error {
	if n := len(in.GetSettlements()); n > maxItems {
		return tooMany("settlements", n)
	}
	select {
	case m.settles <- in:
		return nil
	default:
	}
	if m.workers < settlesInWork {
		m.workers++
		g.Go(m.s.guard(ctx, semabusv1.Bus_Subscribe_FullMethodName, func() error { return m.work(ctx, in) }))
		return nil
	}
	select {
	case m.settles <- in:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work settles frames, beginning with the given one, until the receive loop ends.
func (m *member) work(ctx context.Context, in *semabusv1.SettleFrame) error {
	ctx = context.WithoutCancel(ctx) // a commit is short and must not be torn
	for in != nil {
		out := &semabusv1.SettledFrame{Id: in.GetId(),
			Results: m.s.settle(ctx, semabusv1.Bus_Subscribe_FullMethodName, "", in.GetSettlements(), m.sub.Settle)}
		if err := m.send(&semabusv1.SubscribeResponse{Frame: &semabusv1.SubscribeResponse_Settled{Settled: out}}); err != nil {
			return err
		}
		in = <-m.settles
	}
	return nil
}

func (m *member) extend(ctx context.Context, in *semabusv1.ExtendFrame) error {
	if n := len(in.GetExtensions()); n > maxItems {
		return tooMany("extensions", n)
	}
	out := &semabusv1.ExtendedFrame{Id: in.GetId(),
		Results: m.s.extend(ctx, semabusv1.Bus_Subscribe_FullMethodName, in.GetExtensions(), m.sub.Extend)}
	return m.send(&semabusv1.SubscribeResponse{Frame: &semabusv1.SubscribeResponse_Extended{Extended: out}})
}

// heartbeat renews every lease of the stream before it is answered, so that the answer is a promise.
func (m *member) heartbeat(ctx context.Context, in *semabusv1.Heartbeat) error {
	if err := m.sub.Renew(ctx); err != nil {
		return m.tell(ctx, err)
	}
	return m.send(&semabusv1.SubscribeResponse{Frame: &semabusv1.SubscribeResponse_Heartbeat{Heartbeat: in}})
}

// tell sends an error that has no frame to answer.
func (m *member) tell(ctx context.Context, err error) error {
	return m.send(&semabusv1.SubscribeResponse{Frame: &semabusv1.SubscribeResponse_Error{
		Error: m.s.toError(ctx, semabusv1.Bus_Subscribe_FullMethodName, err)}})
}

// deliver leases and sends while there is credit, until the client goes, drains, or the node stops.
func (m *member) deliver(ctx context.Context) error {
	for {
		if err := m.paused(ctx); err != nil || m.draining.Load() {
			return m.farewell(err)
		}
		messages, bytes := m.credit.room()
		ds, err := m.sub.Next(ctx, messages, bytes, deliverWait)
		if len(ds) > 0 {
			if serr := m.frames(ds); serr != nil {
				return serr
			}
		}
		if err != nil && ctx.Err() == nil {
			if terr := m.tell(ctx, err); terr != nil {
				return terr
			}
			return err
		}
	}
}

// paused waits for credit.
func (m *member) paused(ctx context.Context) error {
	for {
		if n, _ := m.credit.room(); ctx.Err() != nil || m.draining.Load() || n > 0 {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
		case <-m.credit.more:
		}
	}
}

// farewell ends the deliver loop; a node that stops says so and lets the client settle what it holds.
func (m *member) farewell(err error) error {
	if m.s.stopping() && !m.gone.Load() && m.stream.Context().Err() == nil {
		return m.send(&semabusv1.SubscribeResponse{Frame: &semabusv1.SubscribeResponse_GoAway{
			GoAway: goAway()}})
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// frames sends deliveries in frames of at most 1 MiB and charges their size.
func (m *member) frames(ds []semabus.Delivery) error {
	out := fromDeliveries(ds)
	start, size, total := 0, 0, 0
	for i := range out {
		n := proto.Size(out[i]) + 8
		total += n
		if i > start && size+n > semabus.MaxFrameBytes {
			if err := m.sendDeliveries(out[start:i]); err != nil {
				return err
			}
			start, size = i, 0
		}
		size += n
	}
	m.credit.spend(len(out), total)
	return m.sendDeliveries(out[start:])
}

func (m *member) sendDeliveries(ds []*semabusv1.Delivery) error {
	return m.send(&semabusv1.SubscribeResponse{Frame: &semabusv1.SubscribeResponse_Deliveries{Deliveries: &semabusv1.Deliveries{Deliveries: ds}}})
}
