package client

import (
	"context"
	"errors"
	"io"
	"maps"
	"runtime"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

const (
	// firstBurst bounds the items of a stream's first frame.
	firstBurst = 16
	// settlesInWork bounds the settle frames on their way; beyond it settlements gather into larger frames.
	settlesInWork = 2
	// deliveryOverhead is what a delivery costs of byte credit beyond its encoded size.
	deliveryOverhead = 8
)

// turn is one stream of a subscription. Everything below lease is under the subscription's mu.
type turn struct {
	lease time.Duration // term, as the node said

	messages int   // credit that the node has
	bytes    int64 // of it; below 0 when a large delivery overdrew it

	id      uint64
	settles map[uint64][]*job // frames on their way
	extends map[uint64][]*job // frames on their way; renewals and returns
	renewal []*job            // to be renewed
	alive   bool              // a third of the lease has passed with nothing to renew
	drained bool              // the node knows that we take no more
	leaving bool              // the node asked to go
	burst   int               // items of a frame; doubles with each answer, so that a line that breaks often carries a little
}

type subscribeStream = grpc.BidiStreamingClient[semabusv1.SubscribeRequest, semabusv1.SubscribeResponse]

// session is one stream's life, begun by renewing what is held from earlier ones and settling again what had no answer. It
// returns nil when the stream ended in order.
func (s *subscription) session(ctx context.Context, welcomed func(), b *backoff) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.c.bus.Subscribe(ctx, s.c.ready)
	if err != nil {
		return err
	}
	t, err := s.join(stream)
	if err != nil {
		return err
	}
	welcomed()
	defer s.leave(t)
	defer s.beat(t)()
	return converse("client.Subscribe", cancel, stream.Recv, func(a *semabusv1.SubscribeResponse) error {
		b.reset()
		return s.heard(t, a)
	}, func() (bool, error) { return s.send(ctx, t, stream) })
}

// join says hello, with the room there is, and waits for the welcome.
func (s *subscription) join(stream subscribeStream) (*turn, error) {
	hello := &semabusv1.SubscribeHello{Group: s.group, Member: s.o.Member, Lease: term(s.o.Lease)}
	t := &turn{settles: map[uint64][]*job{}, extends: map[uint64][]*job{}, burst: firstBurst}
	s.mu.Lock()
	t.drained = s.draining
	hello.Credit = s.credit(t)
	s.mu.Unlock()
	if err := stream.Send(&semabusv1.SubscribeRequest{Frame: &semabusv1.SubscribeRequest_Hello{Hello: hello}}); err != nil && !errors.Is(err, io.EOF) {
		return nil, err // of EOF, Recv knows the reason
	}
	a, err := stream.Recv()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errCut("client.Subscribe")
	case err != nil:
		return nil, err
	case a.GetWelcome() == nil:
		return nil, errNonsense("no welcome")
	}
	if t.lease = a.GetWelcome().GetLease().AsDuration(); t.lease <= 0 {
		t.lease = semabus.DefaultLease // renewing for nothing would give everything back
	}
	s.mu.Lock()
	s.turn = t
	s.renew(t)
	s.mu.Unlock()
	s.poke()
	return t, nil
}

// credit is what the node may send beyond the credit it has; the bytes are never 0, which would mean no limit. It holds mu.
func (s *subscription) credit(t *turn) *semabusv1.Credit {
	n, b := s.o.Concurrency+s.o.Prefetch-s.room-t.messages, max(1, s.o.Bytes-s.bytes-t.bytes)
	if t.drained || n < 0 {
		n = 0
	}
	t.messages += n
	t.bytes += b
	return &semabusv1.Credit{Messages: uint32(n), Bytes: uint64(b)}
}

// short reports whether it is worth a frame to give the node more credit: a quarter of all, or it has none. It holds mu.
func (s *subscription) short(t *turn) bool {
	all := s.o.Concurrency + s.o.Prefetch
	n := all - s.room - t.messages
	return n >= max(1, all/4) || n > 0 && t.messages <= 0 || t.bytes <= 0 && s.bytes+t.bytes < s.o.Bytes
}

// leave takes back what the stream had no answer for, in order. It is charged again: were it not, a connection that breaks
// again and again would pile up settlements that never get through.
func (s *subscription) leave(t *turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var again []*job
	for _, id := range slices.Sorted(maps.Keys(t.settles)) {
		for _, j := range t.settles[id] {
			j.place = placeSettling
			if !j.occupies {
				s.occupy(j)
			}
			again = append(again, j)
		}
	}
	s.settling = append(again, s.settling...)
	for _, id := range slices.Sorted(maps.Keys(t.extends)) {
		for _, j := range t.extends[id] {
			if j.place == placeGiven {
				j.place = placeGiving
				s.giving = append(s.giving, j)
			}
		}
	}
	s.turn = nil
}

// beat renews leases each third of their term until it is stopped.
func (s *subscription) beat(t *turn) (stop func()) {
	every := max(t.lease/3, 10*time.Millisecond)
	ended := false // under mu
	var again func() bool
	var tick func()
	tick = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !ended {
			s.renew(t)
			t.alive = len(t.renewal) == 0
			again = s.c.clock.AfterFunc(every, tick)
			s.poke()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	again = s.c.clock.AfterFunc(every, tick)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		ended = true
		again()
	}
}

// send sends frames until ctx ends or the stream breaks, which its receiver explains, or until nothing more will come: then
// the stream is finished.
func (s *subscription) send(ctx context.Context, t *turn, stream subscribeStream) (finished bool, _ error) {
	for {
		frame, over := s.next(t)
		switch {
		case frame != nil:
			if err := stream.Send(frame); errors.Is(err, io.EOF) {
				return false, nil
			} else if err != nil {
				return false, err
			}
		case over:
			return true, stream.CloseSend()
		default:
			select {
			case <-s.wake:
				runtime.Gosched() // handlers that are about to return get into this frame
			case <-ctx.Done():
				return false, nil
			}
		}
	}
}

// next is the next frame to send; none = wait, or over: there will be none.
func (s *subscription) next(t *turn) (_ *semabusv1.SubscribeRequest, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining && !t.drained:
		t.drained = true
		return &semabusv1.SubscribeRequest{Frame: &semabusv1.SubscribeRequest_Drain{Drain: &semabusv1.Drain{}}}, false
	case len(s.settling) > 0 && len(t.settles) < t.inWork():
		return s.settlement(t), false
	case len(t.renewal) > 0:
		n := min(len(t.renewal), t.burst)
		jobs := t.renewal[:n]
		t.renewal = t.renewal[n:]
		return t.extend(jobs, t.lease), false
	case t.alive:
		t.alive = false
		t.id++
		return &semabusv1.SubscribeRequest{Frame: &semabusv1.SubscribeRequest_Heartbeat{Heartbeat: &semabusv1.Heartbeat{Id: t.id}}}, false
	case len(s.giving) > 0:
		return s.returning(t), false
	case s.short(t) && !t.leaving && !s.draining:
		return &semabusv1.SubscribeRequest{Frame: &semabusv1.SubscribeRequest_Credit{Credit: s.credit(t)}}, false
	}
	return nil, len(s.held) == 0 && (s.idle || t.leaving)
}

// inWork bounds the settle frames on their way.
func (t *turn) inWork() int {
	if t.burst == firstBurst {
		return 1
	}
	return settlesInWork
}

// settlement takes settlements for one frame. It holds mu.
func (s *subscription) settlement(t *turn) *semabusv1.SubscribeRequest {
	t.id++
	out := &semabusv1.SettleFrame{Id: t.id}
	size := 0
	for _, j := range s.settling[:min(len(s.settling), t.burst)] {
		w := toSettlement(&j.settlement)
		if len(j.settlement.Outputs) > 0 || len(j.settlement.Appends) > 0 {
			size += proto.Size(w)
		} else {
			size += len(w.Token) + len(w.OpId) + len(w.Error) + 32
		}
		if len(out.Settlements) > 0 && size > semabus.MaxFrameBytes {
			break
		}
		out.Settlements = append(out.Settlements, w)
	}
	n := len(out.Settlements)
	jobs := slices.Clone(s.settling[:n])
	s.settling = slices.Delete(s.settling, 0, n)
	for _, j := range jobs {
		j.place = placeSettled
		s.release(j)
	}
	t.settles[t.id] = jobs
	return &semabusv1.SubscribeRequest{Frame: &semabusv1.SubscribeRequest_Settle{Settle: out}}
}

// renew notes all that waits or runs for renewal; what is finished goes to be settled at once. It holds mu.
func (s *subscription) renew(t *turn) {
	t.renewal = nil
	for j := range s.held {
		if j.place <= placeRunning && !j.lost {
			t.renewal = append(t.renewal, j)
		}
	}
}

// returning gives leases back. It holds mu.
func (s *subscription) returning(t *turn) *semabusv1.SubscribeRequest {
	n := min(len(s.giving), t.burst)
	jobs := slices.Clone(s.giving[:n])
	s.giving = slices.Delete(s.giving, 0, n)
	for _, j := range jobs {
		j.place = placeGiven
		s.release(j)
	}
	return t.extend(jobs, 0)
}

// extend makes an extend frame and remembers it. It holds mu.
func (t *turn) extend(jobs []*job, term time.Duration) *semabusv1.SubscribeRequest {
	t.id++
	out := &semabusv1.ExtendFrame{Id: t.id, Extensions: make([]*semabusv1.Extension, len(jobs))}
	for i, j := range jobs {
		out.Extensions[i] = &semabusv1.Extension{Token: j.d.Lease.Token, Term: durationpb.New(term)}
	}
	t.extends[t.id] = jobs
	return &semabusv1.SubscribeRequest{Frame: &semabusv1.SubscribeRequest_Extend{Extend: out}}
}

// heard handles one frame of the node.
func (s *subscription) heard(t *turn, a *semabusv1.SubscribeResponse) error {
	switch f := a.GetFrame().(type) {
	case *semabusv1.SubscribeResponse_Deliveries:
		ds := f.Deliveries.GetDeliveries()
		jobs := make([]*job, len(ds))
		for i, d := range ds {
			jobs[i] = &job{size: int64(proto.Size(d)) + deliveryOverhead}
			fillDelivery(&jobs[i].d, d)
		}
		s.take(t, jobs)
	case *semabusv1.SubscribeResponse_Settled:
		return s.settled(t, f.Settled)
	case *semabusv1.SubscribeResponse_Extended:
		return s.extended(t, f.Extended)
	case *semabusv1.SubscribeResponse_GoAway:
		s.mu.Lock()
		t.leaving = true
		s.mu.Unlock()
		s.poke()
	case *semabusv1.SubscribeResponse_Error:
		s.c.log.Warn("node reports", "group", s.group, "error", fromWire("client.Subscribe", f.Error))
	}
	return nil
}

// settled ends the jobs of a settle frame. Where the engine failed, the stream is begun again, and with it the settlement.
func (s *subscription) settled(t *turn, in *semabusv1.SettledFrame) error {
	s.mu.Lock()
	jobs, known := t.settles[in.GetId()]
	s.mu.Unlock()
	if !known || len(jobs) != len(in.GetResults()) {
		return errNonsense("a settled frame of no settle frame")
	}
	var again []*job
	var down error
	errs := make([]error, len(jobs))
	for i, j := range jobs {
		r := in.GetResults()[i]
		errs[i] = fromWire("client.Subscribe", r.GetError())
		if e, ok := semabus.AsError(errs[i]); ok && engineDown(e) {
			again, down = append(again, j), e
			continue
		}
		done := fromSettled(r.GetSettled())
		if semabus.ReasonOf(errs[i]) == semabus.ReasonAlreadySettled { // the first time counted, only its answer was lost
			done.Duplicate, errs[i] = true, nil
		}
		s.report(j, done, errs[i])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(t.settles, in.GetId())
	t.burst = min(2*t.burst, maxItems)
	if len(again) > 0 {
		t.settles[in.GetId()] = again
	}
	for i, j := range jobs {
		if !slices.Contains(again, j) {
			s.conclude(j, errs[i])
		}
	}
	s.poke()
	return down
}

// report tells who listens how a settlement ended.
func (s *subscription) report(j *job, done semabus.Settled, err error) {
	switch {
	case err == nil:
	case semabus.ReasonOf(err) == semabus.ReasonStaleLease:
		s.c.counts.late.Add(1)
		s.c.log.Warn("settled too late", "message", j.d.Message.ID, "group", s.group, "error", err)
	default:
		s.c.log.Error("settlement refused", "message", j.d.Message.ID, "group", s.group, "error", err)
	}
	if !j.refused {
		s.o.OnSettled(&j.d, done, err)
	}
}

// conclude forgets a job that is settled; one whose settlement was refused for its own fault is settled as retry instead.
// It holds mu.
func (s *subscription) conclude(j *job, err error) {
	if err == nil || j.refused || semabus.ReasonOf(err) == semabus.ReasonStaleLease {
		delete(s.held, j)
		return
	}
	j.refused, j.place = true, placeSettling
	j.settlement = settlementOf(&j.d, semabus.Settlement{}, err)
	s.settling = append(s.settling, j)
}

// extended reads which leases still stand.
func (s *subscription) extended(t *turn, in *semabusv1.ExtendedFrame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs, known := t.extends[in.GetId()]
	if !known || len(jobs) != len(in.GetResults()) {
		return errNonsense("an extended frame of no extend frame")
	}
	var down error
	for i, r := range in.GetResults() {
		e, failed := semabus.AsError(fromWire("client.Subscribe", r.GetError()))
		switch j := jobs[i]; {
		case failed && engineDown(e):
			down = e
		case j.place == placeGiven:
			delete(s.held, j) // it is back, or another's already
		case failed:
			s.lose(j)
		}
	}
	if down != nil {
		return down // what was to be given back is given back on the next stream
	}
	delete(t.extends, in.GetId())
	t.burst = min(2*t.burst, maxItems)
	s.poke()
	return nil
}
