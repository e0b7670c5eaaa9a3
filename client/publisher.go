package client

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

const (
	// maxUnanswered bounds the encoded bytes of a publisher's unacknowledged messages; one message may exceed it alone.
	maxUnanswered = 64 << 20
	// maxItems bounds the messages of a frame.
	maxItems = 4096
	// maxStreams bounds [PublisherOptions.Streams].
	maxStreams = 64
	// sharedStreams is how many streams the publishes of a Client share: enough that the node decides one frame while
	// another is synced, few enough that frames stay large.
	sharedStreams = 4
)

// PublisherOptions shape a Publisher; zero values mean the stated default.
type PublisherOptions struct {
	// Producer names the numbered stream of messages, 1–240 bytes; "" = a random name. Give one, with After, to go on where
	// an earlier process stopped; no two publishers may use a name at the same time.
	Producer string
	// After is the highest sequence used already: numbering goes on behind it, and what is at or under it was published.
	After uint64
	// Streams carry the messages: 0 or 1 = one, the order of messages is kept; more, at most 64, are faster for many
	// concurrent callers and keep order only between a receipt and what is published after it.
	Streams int
	// Window bounds the unacknowledged messages; 0 = [Options.Window].
	Window int
	// Expect is a condition on each decision; broken, the message is refused with NO_MATCH or TOO_MANY_MATCHES.
	Expect semabus.Expect
	// Async acknowledges when durable and decides afterwards: receipts are pending.
	Async bool
	// MinRegistryVersion decides at this registry version or a later one, else FAILED_PRECONDITION / REGISTRY_BEHIND.
	MinRegistryVersion uint64
}

func (o PublisherOptions) validate() error {
	switch {
	case len(o.Producer) > semabus.MaxIDBytes-16: // room for the number of the stream
		return invalid("Producer", o.Producer, "0–240 bytes", "shorten the producer's name")
	case o.Streams < 0 || o.Streams > maxStreams:
		return invalid("Streams", strconv.Itoa(o.Streams), "0–64", "choose another number of streams")
	case o.Window < 0 || o.Window > 1<<20:
		return invalid("Window", strconv.Itoa(o.Window), "0–1048576 messages", "choose another window")
	case o.Async && o.Expect != semabus.ExpectAny:
		return invalid("expect", "", "any, when publishing asynchronously", "publish in sync mode to hear the decision")
	}
	return nil
}

// hello begins each stream of the publisher.
func (o PublisherOptions) hello(producer string) *semabusv1.PublishHello {
	return &semabusv1.PublishHello{Producer: producer, Expect: semabusv1.Expect(o.Expect) + 1, Mode: mode(o.Async),
		MinRegistryVersion: o.MinRegistryVersion}
}

func mode(async bool) semabusv1.PublishMode {
	if async {
		return semabusv1.PublishMode_PUBLISH_MODE_ASYNC
	}
	return semabusv1.PublishMode_PUBLISH_MODE_SYNC
}

// Publisher publishes over numbered streams of its own, which its callers share: a message is sent at once when a stream is
// idle and waits for its neighbours while frames are on their way. Safe for concurrent use; end it with Close.
type Publisher struct {
	c       *Client
	o       PublisherOptions
	started func(run func(context.Context) error) // in the publisher's life
	end     context.CancelFunc
	group   errgroup.Group
	pool    sync.Pool // of *entry

	mu       sync.Mutex
	closed   bool
	finished bool            // closed and everything is answered: lanes end
	queue    fifo            // waits for a lane
	lanes    []*lane         // those that run; the first is used as long as it keeps up
	count    int             // messages in the window
	bytes    int             // of them, encoded
	last     uint64          // order of handing over
	waiting  []chan struct{} // for room in the window
	flushing []flush
	answered []uint64 // number of the oldest of each slice of entries that is being answered
}

// flush waits until everything up to the entry number is answered.
type flush struct {
	upTo uint64
	done chan struct{}
}

// NewPublisher makes a publisher; it connects with its first message. Errors: INVALID_ARGUMENT, UNAVAILABLE / SHUTTING_DOWN.
func (c *Client) NewPublisher(o PublisherOptions) (*Publisher, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Streams == 0 {
		o.Streams = 1
	}
	if o.Window == 0 {
		o.Window = c.o.Window
	}
	if o.Producer == "" {
		o.Producer = newID()
	}
	p := &Publisher{c: c, o: o}
	p.pool.New = func() any { return &entry{answer: make(chan struct{}, 1)} }
	life, end := context.WithCancel(context.Background())
	p.end = end
	p.started = func(run func(context.Context) error) { p.group.Go(func() error { return run(life) }) }
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		end()
		return nil, errClosed("client.NewPublisher")
	}
	c.publishers[p] = struct{}{}
	return p, nil
}

// Publish publishes one message and waits for its receipt; m may be used again when it returns. When ctx ends after the
// message was sent, nobody knows whether it is stored. Errors: those of the node, INVALID_ARGUMENT / INVALID_UTF8,
// DEADLINE_EXCEEDED, CANCELLED, UNAVAILABLE.
func (p *Publisher) Publish(ctx context.Context, m *semabus.Message) (semabus.Receipt, error) {
	e, err := p.hand(ctx, m, nil)
	if err != nil {
		return semabus.Receipt{}, err
	}
	select {
	case <-e.answer:
		r, err := e.receipt, e.err
		p.recycle(e)
		return r, err
	case <-ctx.Done():
		p.abandon(e)
		return semabus.Receipt{}, ended("client.Publish", ctx, nil)
	}
}

// abandon forgets a message that was not sent yet, and notes of one that was that nobody waits.
func (p *Publisher) abandon(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.abandoned = !p.queue.remove(e); !e.abandoned {
		p.leave(1, len(e.body))
	}
}

// PublishAsync hands a message over and returns when the window has room; m may be used again. Unless it returns an error,
// done is called once with what Publish would have returned. It is called from a goroutine of the publisher, in order
// within a stream; it must not block, nor publish, flush or close.
func (p *Publisher) PublishAsync(ctx context.Context, m *semabus.Message, done func(semabus.Receipt, error)) error {
	if done == nil {
		return required("done")
	}
	_, err := p.hand(ctx, m, done)
	return err
}

// Flush waits until every message handed over before is answered, or ctx ends.
func (p *Publisher) Flush(ctx context.Context) error {
	f := flush{done: make(chan struct{})}
	p.mu.Lock()
	f.upTo = p.last
	p.flushing = append(p.flushing, f)
	p.flushed()
	p.mu.Unlock()
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return ended("client.Flush", ctx, nil)
	}
}

// Close waits up to Options.Drain for what is under way and ends the publisher. It returns an error when messages are left
// without an answer: their callers hear it too. Closing twice does nothing.
func (p *Publisher) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.wakeAll()
	p.settleDown()
	p.mu.Unlock()
	stop := p.c.clock.AfterFunc(p.c.o.Drain, p.end)
	_ = p.group.Wait() // lanes report to the callers
	stop()
	p.end()
	p.c.mu.Lock()
	delete(p.c.publishers, p)
	p.c.mu.Unlock()
	p.mu.Lock()
	left := p.queue.takeAll()
	for _, l := range p.lanes {
		left = append(left, l.sent.takeAll()...)
	}
	p.detach(left)
	p.mu.Unlock()
	if len(left) == 0 {
		return nil
	}
	e := errClosed("client.Close")
	e.Value = strconv.Itoa(len(left)) + " messages without an answer"
	e.Limit = p.c.o.Drain.String() + " of draining"
	e.Fix = "nobody knows whether they are stored; raise Options.Drain, or publish them again under a key"
	p.answer(left, func(int, *entry) (semabus.Receipt, error) { return semabus.Receipt{}, e })
	return e
}

// hand encodes a message, waits for room in the window and gives it to a lane.
func (p *Publisher) hand(ctx context.Context, m *semabus.Message, done func(semabus.Receipt, error)) (*entry, error) {
	if m == nil {
		return nil, required("message")
	}
	if err := ctx.Err(); err != nil {
		return nil, ended("client.Publish", ctx, nil)
	}
	e, _ := p.pool.Get().(*entry)
	var err error
	if e.body, err = p.c.encode(e.body[:0], m, p.c.traceOf(ctx, m)); err != nil {
		p.recycle(e)
		return nil, err
	}
	e.done, e.keyed = done, m.DedupKey != ""
	if err := p.enter(ctx, e); err != nil {
		p.recycle(e)
		return nil, err
	}
	return e, nil
}

// enter puts an entry into the window and the queue, and wakes a lane for it.
func (p *Publisher) enter(ctx context.Context, e *entry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed && p.full(len(e.body)) {
		room := make(chan struct{}, 1)
		p.waiting = append(p.waiting, room)
		p.mu.Unlock()
		select {
		case <-room:
			p.mu.Lock()
		case <-ctx.Done():
			p.mu.Lock()
			p.giveUp(room)
			return ended("client.Publish", ctx, nil)
		}
	}
	if p.closed {
		return errClosed("client.Publish")
	}
	p.count++
	p.bytes += len(e.body)
	p.last++
	e.number = p.last
	p.queue.push(e)
	p.dispatch()
	return nil
}

func (p *Publisher) full(size int) bool {
	return p.count >= p.o.Window || (p.count > 0 && p.bytes+size > maxUnanswered)
}

// dispatch wakes a lane that can send, or starts one more. It holds mu.
func (p *Publisher) dispatch() {
	for _, l := range p.lanes {
		if l.parked && l.frames < l.depth {
			l.unpark()
			return
		}
		if l.woken {
			return // it has not looked yet and will find this one
		}
	}
	if len(p.lanes) < p.o.Streams {
		l := newLane(p, len(p.lanes))
		p.lanes = append(p.lanes, l)
		p.started(l.run)
	}
}

// leave takes entries out of the window. It holds mu.
func (p *Publisher) leave(n, bytes int) {
	p.count -= n
	p.bytes -= bytes
	if len(p.waiting) > 0 {
		p.wakeWaiting(n)
	}
	p.flushed()
	if p.closed {
		p.settleDown()
	}
}

// giveUp takes a caller out of those that wait for room; a turn it has got already is the next one's. It holds mu.
func (p *Publisher) giveUp(room chan struct{}) {
	if i := slices.Index(p.waiting, room); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return
	}
	p.wakeWaiting(1)
}

// wakeWaiting lets up to n callers look for room. It holds mu.
func (p *Publisher) wakeWaiting(n int) {
	n = min(n, len(p.waiting))
	for _, room := range p.waiting[:n] {
		room <- struct{}{} // has a place for it
	}
	p.waiting = slices.Delete(p.waiting, 0, n)
}

// flushed tells those who wait for what is answered now. It holds mu.
func (p *Publisher) flushed() {
	if len(p.flushing) == 0 {
		return
	}
	oldest := p.oldest()
	rest := p.flushing[:0]
	for _, f := range p.flushing {
		if oldest > f.upTo {
			close(f.done)
		} else {
			rest = append(rest, f)
		}
	}
	clear(p.flushing[len(rest):])
	p.flushing = rest
}

// oldest is the number of the oldest entry without an answer; each list is in order of handing over. It holds mu.
func (p *Publisher) oldest() uint64 {
	oldest := p.last + 1
	if p.queue.len() > 0 {
		oldest = min(oldest, p.queue.at(0).number)
	}
	for _, l := range p.lanes {
		if l.sent.len() > 0 {
			oldest = min(oldest, l.sent.at(0).number)
		}
	}
	for _, number := range p.answered {
		oldest = min(oldest, number)
	}
	return oldest
}

// settleDown ends the lanes of a closed publisher once everything is answered. It holds mu.
func (p *Publisher) settleDown() {
	if p.count == 0 {
		p.finished = true
		for _, l := range p.lanes {
			l.unpark()
			if !l.live && l.abort != nil {
				l.abort()
			}
		}
	}
}

// wakeAll lets every waiting caller see that the publisher is closed. It holds mu.
func (p *Publisher) wakeAll() { p.wakeWaiting(len(p.waiting)) }

// first is the lowest number of some entries.
func first(entries []*entry) uint64 {
	n := entries[0].number
	for _, e := range entries[1:] {
		n = min(n, e.number)
	}
	return n
}

// detach notes entries that were just taken out of a list to be answered. It holds mu.
func (p *Publisher) detach(entries []*entry) {
	if len(entries) > 0 {
		p.answered = append(p.answered, first(entries))
	}
}

// forget forgets a slice of entries that is answered. It holds mu.
func (p *Publisher) forget(number uint64) {
	i := slices.Index(p.answered, number)
	p.answered = slices.Delete(p.answered, i, i+1)
}

// answer ends detached entries. The callers that wait leave the window before they hear it, so that their next message finds
// room; callbacks have returned when theirs do, so that Flush means what it says.
func (p *Publisher) answer(entries []*entry, result func(int, *entry) (semabus.Receipt, error)) {
	if len(entries) == 0 {
		return
	}
	number := first(entries)
	waiters, callbacks, waiterBytes, callbackBytes := 0, 0, 0, 0
	for _, e := range entries {
		if e.done == nil {
			waiters, waiterBytes = waiters+1, waiterBytes+len(e.body)
		} else {
			callbacks, callbackBytes = callbacks+1, callbackBytes+len(e.body)
		}
	}
	if waiters > 0 {
		p.mu.Lock()
		if callbacks == 0 {
			p.forget(number)
		}
		p.leave(waiters, waiterBytes)
		p.mu.Unlock()
	}
	for i, e := range entries {
		r, err := result(i, e)
		if e.done != nil {
			e.done(r, err)
			p.recycle(e)
			continue
		}
		e.receipt, e.err = r, err
		e.answer <- struct{}{} // has a place for it; from here on the entry is its caller's
	}
	if callbacks > 0 {
		p.mu.Lock()
		p.forget(number)
		p.leave(callbacks, callbackBytes)
		p.mu.Unlock()
	}
}

// recycle keeps an entry, and its buffer unless that is large, for another message.
func (p *Publisher) recycle(e *entry) {
	body := e.body
	if cap(body) > 64<<10 {
		body = nil
	}
	*e = entry{body: body, answer: e.answer}
	p.pool.Put(e)
}
