package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// feed publishes n messages to a group.
func feed(t *testing.T, w *world, group string, n int, payload []byte) {
	t.Helper()
	for i := range n {
		_, err := w.bus.Publish(as(t, "publisher"), &semabusv1.PublishRequest{Message: &semabusv1.Message{
			To: group, Text: fmt.Sprintf("message %d", i), Payload: payload}})
		must(t, err)
	}
}

func join(t *testing.T, ctx context.Context, w *world, hello *semabusv1.SubscribeHello) semabusv1.Bus_SubscribeClient { //nolint:revive // ctx of the stream, not of the call
	t.Helper()
	stream, err := w.bus.Subscribe(ctx)
	must(t, err)
	must(t, stream.Send(&semabusv1.SubscribeRequest{Frame: &semabusv1.SubscribeRequest_Hello{Hello: hello}}))
	if got := next(t, stream).GetWelcome(); got.GetMember() == "" || got.GetLease().AsDuration() <= 0 {
		t.Fatalf("welcome is %v", got)
	}
	return stream
}

func next(t *testing.T, stream semabusv1.Bus_SubscribeClient) *semabusv1.SubscribeResponse {
	t.Helper()
	r, err := stream.Recv()
	must(t, err)
	return r
}

func say(t *testing.T, stream semabusv1.Bus_SubscribeClient, frame any) {
	t.Helper()
	r := &semabusv1.SubscribeRequest{}
	switch f := frame.(type) {
	case *semabusv1.Credit:
		r.Frame = &semabusv1.SubscribeRequest_Credit{Credit: f}
	case *semabusv1.SettleFrame:
		r.Frame = &semabusv1.SubscribeRequest_Settle{Settle: f}
	case *semabusv1.ExtendFrame:
		r.Frame = &semabusv1.SubscribeRequest_Extend{Extend: f}
	case *semabusv1.Heartbeat:
		r.Frame = &semabusv1.SubscribeRequest_Heartbeat{Heartbeat: f}
	case *semabusv1.Drain:
		r.Frame = &semabusv1.SubscribeRequest_Drain{Drain: f}
	}
	must(t, stream.Send(r))
}

func TestSubscribeDeliversWithinCredit(t *testing.T) {
	t.Parallel()
	w := setup(t)
	feed(t, w, "g", 3, nil)
	stream := join(t, as(t, "agent"), w, &semabusv1.SubscribeHello{Group: "g", Member: "m", Credit: &semabusv1.Credit{Messages: 1}})
	ds := next(t, stream).GetDeliveries().GetDeliveries()
	if len(ds) != 1 {
		t.Fatalf("%d deliveries for a credit of 1", len(ds))
	}
	// With the credit spent, the next frame is the answer to the heartbeat and not a delivery.
	say(t, stream, &semabusv1.Heartbeat{Id: 7})
	if got := next(t, stream).GetHeartbeat(); got.GetId() != 7 {
		t.Fatalf("want the heartbeat's answer, got %v", got)
	}
	token := ds[0].GetLease().GetToken()
	say(t, stream, &semabusv1.ExtendFrame{Id: 8, Extensions: []*semabusv1.Extension{
		{Token: token, Term: durationpb.New(time.Minute)}, {Token: []byte("no lease")}}})
	ext := next(t, stream).GetExtended()
	if ext.GetId() != 8 || ext.GetResults()[0].GetError() != nil || ext.GetResults()[1].GetError() == nil {
		t.Errorf("extended is %v", ext)
	}
	say(t, stream, &semabusv1.SettleFrame{Id: 9, Settlements: []*semabusv1.Settlement{
		{Token: token, Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_DONE},
		{Token: []byte("no lease"), Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_DONE}}})
	settled := next(t, stream).GetSettled()
	if settled.GetId() != 9 || settled.GetResults()[0].GetSettled() == nil || settled.GetResults()[1].GetError() == nil {
		t.Errorf("settled is %v", settled)
	}
	say(t, stream, &semabusv1.Credit{Messages: 10})
	got := 0
	for got < 2 {
		got += len(next(t, stream).GetDeliveries().GetDeliveries())
	}
	must(t, stream.CloseSend())
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("an orderly end is %v, want EOF", err)
	}
}

func TestByteCreditAndFrameBound(t *testing.T) {
	t.Parallel()
	w := setup(t)
	feed(t, w, "g", 4, make([]byte, 600<<10))
	stream := join(t, as(t, "agent"), w, &semabusv1.SubscribeHello{Group: "g", Credit: &semabusv1.Credit{Messages: 100, Bytes: 1}})
	if n := len(next(t, stream).GetDeliveries().GetDeliveries()); n != 1 {
		t.Fatalf("%d deliveries for a byte credit of 1, want the one that may overdraw", n)
	}
	say(t, stream, &semabusv1.Heartbeat{Id: 1})
	if next(t, stream).GetHeartbeat() == nil {
		t.Fatal("more was delivered than the byte credit allows")
	}
	say(t, stream, &semabusv1.Credit{Bytes: 100 << 20})
	for got := 0; got < 3; {
		n := len(next(t, stream).GetDeliveries().GetDeliveries())
		if n > 1 {
			t.Errorf("a frame has %d deliveries of 600 KiB", n)
		}
		got += n
	}
}

func TestDrainStopsDeliveries(t *testing.T) {
	t.Parallel()
	w := setup(t)
	stream := join(t, as(t, "agent"), w, &semabusv1.SubscribeHello{Group: "g"})
	say(t, stream, &semabusv1.Drain{})
	say(t, stream, &semabusv1.Credit{Messages: 10})
	feed(t, w, "g", 1, nil)
	say(t, stream, &semabusv1.Heartbeat{Id: 1})
	if next(t, stream).GetHeartbeat() == nil {
		t.Error("a drained stream got a delivery")
	}
}

// TestDrainWhileWaiting: a member that waits for work when it drains takes none of what comes, and costs it no attempt.
func TestDrainWhileWaiting(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for i := range 20 {
		group := fmt.Sprint("g", i)
		stream := join(t, as(t, "agent"), w, &semabusv1.SubscribeHello{Group: group, Credit: &semabusv1.Credit{Messages: 10}})
		say(t, stream, &semabusv1.Drain{})
		say(t, stream, &semabusv1.Heartbeat{Id: 1})
		if next(t, stream).GetHeartbeat() == nil {
			t.Fatal("a group without messages gave one")
		}
		feed(t, w, group, 1, nil)
		f, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: group, Wait: durationpb.New(30 * time.Second)})
		must(t, err)
		if d := f.GetDeliveries(); len(d) != 1 || d[0].GetAttempt() != 1 {
			t.Fatalf("round %d: %v", i, d)
		}
	}
}

func TestLostStreamGivesItsLeasesBack(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, err := w.groups.Configure(as(t, "operator"), &semabusv1.GroupsConfigureRequest{OpId: "c",
		Group: &semabusv1.Group{Name: "g", Grace: durationpb.New(100 * time.Millisecond), Lease: durationpb.New(time.Hour)}})
	must(t, err)
	feed(t, w, "g", 1, nil)
	ctx, cut := context.WithCancel(as(t, "agent"))
	stream := join(t, ctx, w, &semabusv1.SubscribeHello{Group: "g", Member: "first", Credit: &semabusv1.Credit{Messages: 1}})
	old := next(t, stream).GetDeliveries().GetDeliveries()[0]
	cut()
	f, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "g", Member: "second", Wait: durationpb.New(30 * time.Second)})
	must(t, err)
	if len(f.GetDeliveries()) != 1 {
		t.Fatal("the delivery of a lost stream did not come back")
	}
	// The member that was lost is fenced: its token changes nothing.
	r, err := w.bus.Settle(as(t, "agent"), &semabusv1.SettleRequest{Settlements: []*semabusv1.Settlement{
		{Token: old.GetLease().GetToken(), Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_DONE},
		{Token: f.GetDeliveries()[0].GetLease().GetToken(), Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_DONE}}})
	must(t, err)
	if e := r.GetResults()[0].GetError(); e.GetReason() != semabus.ReasonStaleLease || codes.Code(e.GetCode()) != codes.FailedPrecondition {
		t.Errorf("the old token's result is %v", r.GetResults()[0])
	}
	if r.GetResults()[1].GetSettled() == nil {
		t.Errorf("the new token's result is %v", r.GetResults()[1])
	}
}

func TestShutdownSaysGoAwayAndLetsSettle(t *testing.T) {
	t.Parallel()
	w := setup(t)
	feed(t, w, "g", 1, nil)
	stream := join(t, as(t, "agent"), w, &semabusv1.SubscribeHello{Group: "g", Credit: &semabusv1.Credit{Messages: 5}})
	d := next(t, stream).GetDeliveries().GetDeliveries()[0]
	idle := publishing(t, w, &semabusv1.PublishHello{Producer: "p"})
	stopped, done := context.WithCancel(t.Context())
	t.Cleanup(func() { <-stopped.Done() })
	stop := context.AfterFunc(canceled(), func() {
		defer done()
		w.server.Shutdown(t.Context())
	})
	defer stop()
	if next(t, stream).GetGoAway() == nil {
		t.Fatal("no go_away")
	}
	answer, err := idle.Recv()
	must(t, err)
	if answer.GetGoAway() == nil {
		t.Errorf("an idle publish stream hears %v, want go_away", answer)
	}
	if _, err := idle.Recv(); err == nil { // it does not leave by itself
		t.Error("an idle publish stream outlives the node")
	}
	say(t, stream, &semabusv1.SettleFrame{Id: 1, Settlements: []*semabusv1.Settlement{
		{Token: d.GetLease().GetToken(), Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_DONE}}})
	if next(t, stream).GetSettled().GetResults()[0].GetSettled() == nil {
		t.Error("a delivery cannot be settled while the node stops")
	}
	must(t, stream.CloseSend())
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("an orderly end is %v, want EOF", err)
	}
	<-stopped.Done()
}

// canceled is a context that has ended: AfterFunc over it starts at once.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestTenantsSeeNothingOfEachOther(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r, err := w.bus.Publish(as(t, "publisher"), &semabusv1.PublishRequest{Message: to("g", "secret")})
	must(t, err)
	_, err = w.bus.Why(as(t, "stranger"), &semabusv1.WhyRequest{MessageId: r.GetReceipt().GetId()})
	refused(t, err, codes.NotFound, semabus.ReasonNotFound)
	f, err := w.bus.Fetch(as(t, "stranger"), &semabusv1.FetchRequest{Group: "g"})
	must(t, err)
	if len(f.GetDeliveries()) != 0 {
		t.Error("another tenant's message was delivered")
	}
	f, err = w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "g"})
	must(t, err)
	s, err := w.bus.Settle(as(t, "stranger"), &semabusv1.SettleRequest{Settlements: []*semabusv1.Settlement{
		{Token: f.GetDeliveries()[0].GetLease().GetToken(), Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_DONE}}})
	must(t, err)
	if s.GetResults()[0].GetError() == nil {
		t.Error("another tenant settled the lease")
	}
}
