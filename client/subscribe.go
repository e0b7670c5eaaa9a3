package client

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
)

// Handler works on one delivery. What it returns ends the delivery:
//
//   - no error: done, with the outputs of the Settlement in the same commit, or the outcome that it names;
//   - an error: retry with the error's text, which costs an attempt; a *semabus.Error of code RESOURCE_EXHAUSTED: throttled,
//     which costs none; RetryAfter of the error says when. The Settlement's own outcome wins where it names one other than
//     done; outputs of a failed delivery are dropped unless it does.
//
// The token is filled in. ctx ends when the lease is lost or Subscribe's grace is over; then the delivery is another's.
type Handler = func(ctx context.Context, d *semabus.Delivery) (semabus.Settlement, error)

// SubscribeOptions shape a subscription; zero values mean the stated default.
type SubscribeOptions struct {
	Concurrency int           // handlers at the same time, at most 65,536; 0 = 1
	Prefetch    int           // deliveries held ready beyond Concurrency, at most 65,536; they are kept from other members
	Bytes       int64         // of deliveries held; 0 = 64 MiB. One delivery comes whatever its size
	Member      string        // for stats and why; "" = the node names the member
	Lease       time.Duration // 0 = the group's, 30 s; renewed each third of it
	Grace       time.Duration // for handlers when ctx has ended; 0 = 10 s
	// OnSettled hears the result of each settlement, from one goroutine; it must not block. err is that of the node:
	// FAILED_PRECONDITION / STALE_LEASE when the delivery is another's by now, or a fault of the settlement, after which the
	// delivery is settled as retry. nil = nobody listens.
	OnSettled func(d *semabus.Delivery, s semabus.Settled, err error)
}

func (o SubscribeOptions) validate() error {
	switch {
	case o.Concurrency < 0 || o.Concurrency > 1<<16:
		return invalid("Concurrency", strconv.Itoa(o.Concurrency), "0–65536 handlers", "choose another concurrency")
	case o.Prefetch < 0 || o.Prefetch > 1<<16:
		return invalid("Prefetch", strconv.Itoa(o.Prefetch), "0–65536 deliveries", "choose another prefetch")
	case o.Bytes < 0:
		return invalid("Bytes", strconv.FormatInt(o.Bytes, 10), "0 or more bytes (0 = 64 MiB)", "choose another bound")
	case o.Grace < 0:
		return invalid("Grace", o.Grace.String(), "0 or more (0 = 10s)", "choose another grace")
	}
	return nil
}

func (o SubscribeOptions) withDefaults() SubscribeOptions {
	if o.Concurrency == 0 {
		o.Concurrency = 1
	}
	if o.Bytes == 0 {
		o.Bytes = 64 << 20
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	if o.OnSettled == nil {
		o.OnSettled = func(*semabus.Delivery, semabus.Settled, error) {}
	}
	return o
}

// partingTime is how long a subscription that ends waits for the answers to its last settlements.
const partingTime = 3 * time.Second

var (
	errGrace = errors.New("the subscription's grace is over")
	errLost  = &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonStaleLease, Op: "client.Subscribe",
		Field: "lease", Fix: "the delivery is another member's by now; leave it"}
)

// Subscribe works as a member of a group until ctx ends or the client is closed; then it takes no more, gives handlers the
// grace, settles, and returns nil. It reconnects by itself; what handlers are working on goes on meanwhile and is settled
// on the next connection if its lease still stands. It returns the error that cannot be waited out otherwise:
// INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED, UNAVAILABLE when Options.Patience is used up or settlements are
// left without an answer at the end.
func (c *Client) Subscribe(ctx context.Context, group string, handle Handler, o SubscribeOptions) error {
	if handle == nil {
		return required("handler")
	}
	if err := o.validate(); err != nil {
		return err
	}
	c.mu.Lock()
	if c.draining {
		c.mu.Unlock()
		return errClosed("client.Subscribe")
	}
	c.running.Add(1)
	c.mu.Unlock()
	defer c.running.Done()
	o = o.withDefaults()
	s := &subscription{c: c, o: o, group: group, handle: handle, jobs: make(chan *job, o.Concurrency+o.Prefetch),
		wake: make(chan struct{}, 1), drained: make(chan struct{}), held: map[*job]struct{}{}}
	return s.run(ctx)
}

// subscription is one Subscribe: deliveries on their way through it, whatever stream they came by.
type subscription struct {
	c      *Client
	o      SubscribeOptions
	group  string
	handle Handler

	jobs    chan *job     // to the workers; has room for all that credit allows
	wake    chan struct{} // one token: the sender should look again
	drained chan struct{} // closed when workers take no more

	mu       sync.Mutex
	held     map[*job]struct{} // not settled and not given back
	room     int               // jobs of held that are charged against credit
	bytes    int64             // of those
	settling []*job            // to be settled, in order
	giving   []*job            // to be given back
	draining bool              // takes no more
	idle     bool              // draining, and the workers have ended
	turn     *turn             // the stream of the moment; nil = none
}

// place is where a job is.
type place uint8

const (
	placeQueued   place = iota // waits for a worker
	placeRunning               // its handler runs
	placeSettling              // waits to be settled
	placeSettled               // its settlement is on its way
	placeGiving                // waits to be given back
	placeGiven                 // it is on its way back
)

// job is one delivery. Everything but d and size is under the subscription's mu.
type job struct {
	d    semabus.Delivery
	size int64

	place      place
	occupies   bool                    // it is charged against credit
	lost       bool                    // its lease is another's
	cancel     context.CancelCauseFunc // while running
	settlement semabus.Settlement
	refused    bool // it is settled as retry because the node refused the handler's settlement
}

// run works until ctx ends and everything has drained, or an error that does not pass.
func (s *subscription) run(ctx context.Context) error {
	base := context.WithoutCancel(ctx)
	work, stopWork := context.WithCancelCause(base)
	defer stopWork(nil)
	life, end := context.WithCancel(base) // of streams
	defer end()
	over := make(chan struct{})

	var workers, shepherd errgroup.Group
	for range s.o.Concurrency {
		workers.Go(func() error {
			s.worker(work)
			return nil
		})
	}
	shepherd.Go(func() error {
		select {
		case <-ctx.Done():
		case <-s.c.closing:
		case <-over: // an error
			stopWork(errGrace)
		}
		s.drain()
		stop := s.c.clock.AfterFunc(s.o.Grace, func() { stopWork(errGrace) })
		_ = workers.Wait() // they report by settling
		stop()
		if s.settleDown() {
			end()
		}
		stop = s.c.clock.AfterFunc(partingTime, end)
		<-over
		stop()
		return nil
	})
	err := s.connect(life)
	close(over)
	_ = shepherd.Wait() // it has nothing to report
	if err != nil {
		return err
	}
	return s.unanswered()
}

// connect keeps a stream until the subscription is over.
func (s *subscription) connect(ctx context.Context) error {
	var b backoff
	for !s.over() && ctx.Err() == nil {
		err := s.c.pursue(ctx, "client.Subscribe", &b, func(ctx context.Context, welcomed func()) error {
			return s.session(ctx, welcomed, &b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// over reports whether there is nothing left to do.
func (s *subscription) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle && len(s.held) == 0
}

// unanswered is the error of an end at which settlements had no answer; what was only to be given back comes back by itself.
func (s *subscription) unanswered() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.toSettle()
	if n == 0 {
		return nil
	}
	return &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonEngineUnavailable, Op: "client.Subscribe",
		Value: strconv.Itoa(n) + " settlements without an answer", Limit: partingTime.String() + " of waiting at the end",
		Fix: "those that did not arrive are delivered again"}
}

// drain lets workers take no more and gives back what waits for one.
func (s *subscription) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	close(s.drained)
	for {
		select {
		case j := <-s.jobs: // nobody adds any
			s.giveBack(j)
		default:
			s.poke()
			return
		}
	}
}

// settleDown is after the last handler. It reports whether nothing is worth waiting for a node that is away: leases come back
// by themselves.
func (s *subscription) settleDown() (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = true
	s.poke()
	return s.turn == nil && s.toSettle() == 0
}

// toSettle counts settlements without an answer. It holds mu.
func (s *subscription) toSettle() (n int) {
	for j := range s.held {
		if j.place == placeSettling || j.place == placeSettled {
			n++
		}
	}
	return n
}

// poke makes the sender look again.
func (s *subscription) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// worker runs handlers one after another.
func (s *subscription) worker(ctx context.Context) {
	for {
		select {
		case <-s.drained:
			return
		default:
		}
		select {
		case <-s.drained:
			return
		case j := <-s.jobs:
			s.work(ctx, j)
		}
	}
}

// work runs one handler and notes what it returned.
func (s *subscription) work(ctx context.Context, j *job) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.mu.Lock()
	if j.lost {
		s.forget(j)
		s.mu.Unlock()
		return
	}
	j.place, j.cancel = placeRunning, cancel
	s.mu.Unlock()
	st, err := s.call(ctx, &j.d)
	expelled := err != nil && st.Outcome == semabus.SettleUnspecified && errors.Is(context.Cause(ctx), errGrace)
	if !expelled {
		st = settlementOf(&j.d, st, err)
		if bad := checkSettlement(&st); bad != nil {
			s.c.log.Error("handler returned a settlement that cannot be sent", "message", j.d.Message.ID, "group", s.group, "error", bad)
			st = settlementOf(&j.d, semabus.Settlement{}, bad)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j.cancel = nil
	switch {
	case j.lost:
		s.c.counts.late.Add(1)
		s.forget(j)
	case expelled:
		s.giveBack(j)
	default:
		j.place, j.settlement = placeSettling, st
		s.settling = append(s.settling, j)
		s.poke()
	}
}

// call runs the handler; a panic is an error.
func (s *subscription) call(ctx context.Context, d *semabus.Delivery) (st semabus.Settlement, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.c.log.Error("handler panicked", "message", d.Message.ID, "group", s.group, "panic", v, "stack", string(debug.Stack()))
			st, err = semabus.Settlement{}, fmt.Errorf("panic: %v", v)
		}
	}()
	return s.handle(ctx, d)
}

// settlementOf is what a handler's return means.
func settlementOf(d *semabus.Delivery, st semabus.Settlement, err error) semabus.Settlement {
	st.Token = d.Lease.Token
	if err == nil {
		if st.Outcome == semabus.SettleUnspecified {
			st.Outcome = semabus.SettleDone
		}
		return st
	}
	e, typed := semabus.AsError(err)
	if st.Outcome == semabus.SettleUnspecified || st.Outcome == semabus.SettleDone {
		st.Outcome, st.Outputs, st.Appends = semabus.SettleRetry, nil, nil
		if typed && e.Code == semabus.CodeResourceExhausted {
			st.Outcome = semabus.SettleThrottled
		}
	}
	if st.RetryAfter == 0 && typed {
		st.RetryAfter = e.RetryAfter
	}
	if st.Error == "" {
		st.Error = err.Error()
	}
	st.Error = strings.ToValidUTF8(st.Error[:min(len(st.Error), maxErrorBytes)], "")
	return st
}

// maxErrorBytes bounds Settlement.Error.
const maxErrorBytes = 8 << 10

// giveBack ends a job without settling it: the lease is returned and costs no attempt. It holds mu.
func (s *subscription) giveBack(j *job) {
	j.place = placeGiving
	s.giving = append(s.giving, j)
	s.poke()
}

// forget drops a job that is another's, and returns its credit. It holds mu.
func (s *subscription) forget(j *job) {
	s.release(j)
	delete(s.held, j)
	s.poke()
}

// occupy charges a job's credit. It holds mu.
func (s *subscription) occupy(j *job) {
	j.occupies = true
	s.room++
	s.bytes += j.size
}

// release returns a job's credit, once. It holds mu.
func (s *subscription) release(j *job) {
	if !j.occupies {
		return
	}
	j.occupies = false
	s.room--
	s.bytes -= j.size
}

// take admits deliveries of a stream.
func (s *subscription) take(t *turn, jobs []*job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		s.held[j] = struct{}{}
		s.occupy(j)
		t.messages--
		t.bytes -= j.size
		if s.draining {
			s.giveBack(j)
			continue
		}
		select {
		case s.jobs <- j:
		default: // more than credit allowed
			s.giveBack(j)
		}
	}
}

// lose ends a job whose lease is another's. What is about to be settled or given back is answered by the node. It holds mu.
func (s *subscription) lose(j *job) {
	if j.place > placeRunning {
		return
	}
	j.lost = true
	if j.cancel != nil {
		j.cancel(errLost)
	}
}
