package client

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strconv"

	"google.golang.org/grpc"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// lane is one numbered stream of a publisher: a producer of its own, its unacknowledged messages in order, and the gRPC
// stream of the moment. Everything below mu is under the publisher's mu.
type lane struct {
	p        *Publisher
	producer string
	depth    int           // frames on their way at most
	wake     chan struct{} // one token: look again
	batch    frame         // of the sender

	// under p.mu
	seq     uint64
	sent    fifo               // without an answer, in order of sequence
	next    int                // how many of sent this stream has sent
	lost    int                // how many of sent an earlier stream has sent
	frames  int                // on their way on this stream
	counts  []int              // entries of each of them
	abort   context.CancelFunc // ends the attempts to get a stream; nil before the first
	live    bool               // it has a stream
	parked  bool               // the sender waits for wake
	woken   bool               // it was woken and has not looked yet
	leaving bool               // the node asked to go
	limit   int                // bytes of a message, as the node said
	burst   int                // messages of a frame; doubles with each ack, so that a line that breaks often carries a little
}

// newLane: with one stream two frames are on their way, so that the node finds the next one when it is done with the first;
// with several each has one, so that frames grow instead.
func newLane(p *Publisher, i int) *lane {
	l := &lane{p: p, producer: p.o.Producer, seq: p.o.After, depth: 2, wake: make(chan struct{}, 1)}
	if p.o.Streams > 1 {
		l.producer += "/" + strconv.Itoa(i)
		l.depth = 1
	}
	return l
}

// unpark wakes the sender. It holds mu.
func (l *lane) unpark() {
	l.parked, l.woken = false, true
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run keeps a stream as long as there is something to send. What is left when ctx ends is answered by Close.
func (l *lane) run(ctx context.Context) error {
	var b backoff
	for l.wanted(ctx) {
		if err := l.pursue(ctx, &b); err != nil {
			l.fail(err)
		}
	}
	return nil
}

func (l *lane) pursue(ctx context.Context, b *backoff) error {
	ctx, abort := context.WithCancel(ctx)
	defer abort()
	l.p.mu.Lock()
	l.abort = abort
	l.p.mu.Unlock()
	return l.p.c.pursue(ctx, "client.Publish", b, func(ctx context.Context, welcomed func()) error {
		return l.session(ctx, welcomed, b)
	})
}

// wanted waits until there is something to send; false = the lane's end.
func (l *lane) wanted(ctx context.Context) bool {
	for {
		l.p.mu.Lock()
		l.woken, l.next, l.frames, l.counts = false, 0, 0, l.counts[:0]
		work := l.p.queue.len() > 0 || l.sent.len() > 0
		over := l.p.finished || ctx.Err() != nil
		l.parked = !work && !over
		l.p.mu.Unlock()
		if work || over {
			return !over
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
}

// session is one stream's life, begun by sending again what an earlier one left; welcomed is called when the node answers.
// It returns nil when the stream ended in order.
func (l *lane) session(ctx context.Context, welcomed func(), b *backoff) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := l.open(ctx)
	if err != nil {
		return err
	}
	welcomed()
	l.rewind()
	defer l.offline()
	return converse("client.Publish", cancel, stream.Recv, func(a *semabusv1.PublishStreamResponse) error {
		b.reset()
		return l.heard(a)
	}, func() (bool, error) { return l.send(ctx, stream) })
}

type publishStream = grpc.BidiStreamingClient[semabusv1.PublishStreamRequest, semabusv1.PublishStreamResponse]

// open begins a stream and waits for its welcome.
func (l *lane) open(ctx context.Context) (publishStream, error) {
	stream, err := l.p.c.bus.PublishStream(ctx, l.p.c.ready, grpc.ForceCodecV2(l.p.c.codec))
	if err != nil {
		return nil, err
	}
	hello := &semabusv1.PublishStreamRequest{Frame: &semabusv1.PublishStreamRequest_Hello{Hello: l.p.o.hello(l.producer)}}
	if err := stream.Send(hello); err != nil && !errors.Is(err, io.EOF) { // EOF: Recv knows why
		return nil, err
	}
	a, err := stream.Recv()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errCut("client.Publish")
	case err != nil:
		return nil, err
	case a.GetGoAway() != nil:
		return nil, &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonShuttingDown, Op: "client.Publish",
			Fix: "the node stops; repeat", RetryAfter: a.GetGoAway().GetRetryAfter().AsDuration()}
	}
	l.p.mu.Lock()
	l.limit = int(a.GetWelcome().GetMaxMessageBytes())
	l.p.mu.Unlock()
	return stream, nil
}

// rewind prepares sending everything without an answer again, except what nobody waits for any more.
func (l *lane) rewind() {
	p := l.p
	p.mu.Lock()
	var gone []*entry
	for _, e := range l.sent.takeAll() {
		if e.abandoned {
			gone = append(gone, e)
		} else {
			l.sent.push(e)
		}
	}
	l.live, l.leaving, l.burst = true, false, firstBurst
	l.next, l.frames, l.counts = 0, 0, l.counts[:0]
	l.lost = l.sent.len()
	p.detach(gone)
	p.mu.Unlock()
	p.c.counts.resent.Add(int64(l.lost))
	p.answer(gone, func(int, *entry) (semabus.Receipt, error) { return semabus.Receipt{}, errAbandoned })
}

// offline makes other lanes take what comes until there is a stream again.
func (l *lane) offline() {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	l.live, l.parked, l.woken = false, false, false
}

// errAbandoned is heard by nobody.
var errAbandoned = errors.New("nobody waits")

// send sends frames until ctx ends or the stream breaks, which its receiver explains, or until there will be no more to send:
// then the stream is finished.
func (l *lane) send(ctx context.Context, stream publishStream) (finished bool, _ error) {
	for {
		dropped, over := l.take()
		l.drop(dropped)
		switch {
		case len(l.batch.entries) > 0:
			if err := stream.SendMsg(&l.batch); errors.Is(err, io.EOF) {
				return false, nil
			} else if err != nil {
				return false, err
			}
		case len(dropped) > 0:
		case over:
			return true, stream.CloseSend()
		default:
			select {
			case <-l.wake:
				runtime.Gosched() // callers that are about to publish get into this frame
			case <-ctx.Done():
				return false, nil
			}
		}
	}
}

// take puts the next frame together: what an earlier stream left, else this lane's share of what is queued. An empty frame
// means wait, or over: nothing will come. What the node could not even refuse is returned.
func (l *lane) take() (dropped []*entry, over bool) {
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	l.batch.entries = l.batch.entries[:0]
	l.woken = false
	if l.frames < l.depth && !l.leaving {
		dropped = l.fill()
		p.detach(dropped)
	}
	if n := len(l.batch.entries); n > 0 {
		l.frames++
		l.counts = append(l.counts, n)
		l.next += n
		if p.queue.len() > 0 {
			p.dispatch() // the rest is for another lane
		}
		return dropped, false
	}
	if len(dropped) > 0 {
		return dropped, false
	}
	if l.frames == 0 && (l.leaving || p.finished) {
		return nil, true
	}
	l.parked = true
	return nil, false
}

// fill fills the batch. It holds mu.
func (l *lane) fill() (dropped []*entry) {
	p := l.p
	share := min(l.burst, max(1, (p.count+p.o.Streams*l.depth-1)/(p.o.Streams*l.depth)))
	size := 0
	fits := func(e *entry) bool {
		size += len(e.body) + 16
		return len(l.batch.entries) == 0 || size <= semabus.MaxFrameBytes
	}
	for _, e := range l.sent.from(l.next) {
		if len(l.batch.entries) == l.burst || !fits(e) {
			return nil
		}
		l.batch.entries = append(l.batch.entries, e)
	}
	for p.queue.len() > 0 && len(l.batch.entries) < share {
		e := p.queue.at(0)
		switch {
		case l.unanswerable(e):
			dropped = append(dropped, e)
		case !fits(e):
			return dropped
		default:
			l.seq++
			e.seq = l.seq
			l.batch.entries = append(l.batch.entries, e)
			l.sent.push(e)
		}
		p.queue.drop(1)
	}
	return dropped
}

// unanswerable: beyond about twice its limit the node's gRPC ends the stream instead of refusing the message.
func (l *lane) unanswerable(e *entry) bool { return len(e.body) > max(24<<20, 2*l.limit) }

// drop answers messages that are not sent.
func (l *lane) drop(entries []*entry) {
	if len(entries) == 0 {
		return
	}
	l.p.answer(entries, func(_ int, e *entry) (semabus.Receipt, error) {
		return semabus.Receipt{}, &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonTooLarge, Op: "client.Publish",
			Field: "message", Value: strconv.Itoa(len(e.body)) + " bytes", Limit: strconv.Itoa(l.limit) + " bytes",
			Fix: "send a smaller message; large payloads travel as blobs"}
	})
}

// heard handles one frame of the node.
func (l *lane) heard(a *semabusv1.PublishStreamResponse) error {
	switch f := a.GetFrame().(type) {
	case *semabusv1.PublishStreamResponse_Ack:
		return l.acknowledged(f.Ack.GetResults())
	case *semabusv1.PublishStreamResponse_GoAway:
		l.p.mu.Lock()
		l.leaving = true
		l.unpark()
		l.p.mu.Unlock()
	}
	return nil
}

// acknowledged answers the entries of the oldest frame.
func (l *lane) acknowledged(results []*semabusv1.PublishResult) error {
	p := l.p
	p.mu.Lock()
	if l.frames == 0 || l.counts[0] != len(results) {
		p.mu.Unlock()
		return errNonsense("an ack of another frame")
	}
	n := len(results)
	entries := append([]*entry(nil), l.sent.from(0)[:n]...)
	for i, r := range results {
		if r.GetSequence() != entries[i].seq {
			p.mu.Unlock()
			return errNonsense("an ack out of order")
		}
	}
	l.sent.drop(n)
	l.next -= n
	l.frames--
	l.burst = min(2*l.burst, maxItems)
	l.counts = append(l.counts[:0], l.counts[1:]...)
	lost := min(l.lost, n)
	l.lost -= lost
	p.detach(entries)
	if l.parked && (p.queue.len() > 0 || l.next < l.sent.len() || l.leaving) {
		l.unpark()
	}
	p.mu.Unlock()
	p.answer(entries, func(i int, e *entry) (semabus.Receipt, error) {
		if err := results[i].GetError(); err != nil {
			return semabus.Receipt{}, fromWire("client.Publish", err)
		}
		r := fromReceipt(results[i].GetReceipt())
		if i < lost && !e.keyed {
			r.DuplicateOf = "" // of itself: an earlier stream's answer was lost
		}
		return r, nil
	})
	return nil
}

// fail answers everything of this lane, and everything that waits for one, with an error.
func (l *lane) fail(e error) {
	l.p.mu.Lock()
	all := append(l.sent.takeAll(), l.p.queue.takeAll()...)
	l.next, l.frames, l.counts = 0, 0, l.counts[:0]
	l.p.detach(all)
	l.p.mu.Unlock()
	l.p.answer(all, func(int, *entry) (semabus.Receipt, error) { return semabus.Receipt{}, e })
}
