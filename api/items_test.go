package api_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

func TestEveryFaultOfAMessageIsAViolation(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, err := w.bus.Publish(as(t, "publisher"), &semabusv1.PublishRequest{Message: &semabusv1.Message{
		Id: strings.Repeat("x", 10<<10), To: "g", Topic: "a\x00b", Audience: []string{"ok", ""}}})
	refused(t, err, codes.InvalidArgument, semabus.ReasonTooLarge)
	var fields []string
	for _, d := range status.Convert(err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	if got := strings.Join(fields, " "); got != "message.id message.topic message.audience[1]" {
		t.Errorf("violations of %q", got)
	}
}

// TestBadItemDisturbsNoNeighbour: what is wrong with one settlement, extension or message is in its own result, under its own
// place, and the stream lives on.
func TestBadItemDisturbsNoNeighbour(t *testing.T) {
	t.Parallel()
	w := setup(t)
	feed(t, w, "g", 2, nil)
	stream := join(t, as(t, "agent"), w, &semabusv1.SubscribeHello{Group: "g", Credit: &semabusv1.Credit{Messages: 2}})
	var tokens [][]byte
	for len(tokens) < 2 {
		for _, d := range next(t, stream).GetDeliveries().GetDeliveries() {
			tokens = append(tokens, d.GetLease().GetToken())
		}
	}
	say(t, stream, &semabusv1.ExtendFrame{Id: 1, Extensions: []*semabusv1.Extension{
		{Token: tokens[0], Term: durationpb.New(-time.Second)}, {Token: tokens[1], Term: durationpb.New(time.Minute)}}})
	ext := next(t, stream).GetExtended().GetResults()
	if ext[0].GetError().GetField() != "extensions[0].term" || ext[1].GetError() != nil {
		t.Errorf("extended: %v", ext)
	}
	bad := &timestamppb.Timestamp{Nanos: -1}
	say(t, stream, &semabusv1.SettleFrame{Id: 2, Settlements: []*semabusv1.Settlement{
		{Token: tokens[0], Outcome: 99},
		{Token: tokens[0], Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_DONE, Outputs: []*semabusv1.Message{{To: "x"}, {To: "x", Time: bad}}},
		{Token: tokens[1], Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_DONE, Outputs: []*semabusv1.Message{{To: "x"}}}}})
	settled := next(t, stream).GetSettled().GetResults()
	if settled[0].GetError().GetReason() != semabus.ReasonInvalidValue || settled[1].GetError().GetField() != "settlements[1].outputs[1].time" ||
		len(settled[2].GetSettled().GetOutputs()) != 1 {
		t.Errorf("settled: %v", settled)
	}
	f, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "x", Max: 10})
	must(t, err)
	if len(f.GetDeliveries()) != 1 {
		t.Errorf("%d outputs, want that of the good settlement", len(f.GetDeliveries()))
	}

	pub := publishing(t, w, &semabusv1.PublishHello{Producer: "p"})
	rs := frame(t, pub, &semabusv1.SequencedMessage{Sequence: 1, Message: &semabusv1.Message{To: "g", Time: bad}},
		&semabusv1.SequencedMessage{Message: to("g", "no number")},
		&semabusv1.SequencedMessage{Sequence: 3, Message: &semabusv1.Message{To: "g", Id: "a\x00"}},
		&semabusv1.SequencedMessage{Sequence: 4, Message: to("g", "good")})
	for i, want := range []string{"messages[0].time", "messages[1].sequence", "messages[2].id", ""} {
		if got := rs[i].GetError().GetField(); got != want {
			t.Errorf("message %d: %v, want %q", i, rs[i], want)
		}
	}
	if r := frame(t, pub, &semabusv1.SequencedMessage{Sequence: 5, Message: &semabusv1.Message{To: "g", Payload: make([]byte, 10<<20)}})[0]; r.GetError().GetReason() != semabus.ReasonTooLarge {
		t.Errorf("10 MB: %v", r)
	}
	if r := frame(t, pub, &semabusv1.SequencedMessage{Sequence: 6, Message: to("g", "still here")})[0]; r.GetReceipt() == nil {
		t.Errorf("after 10 MB: %v", r)
	}
}

// TestDrainEndsTheWaitForWork: a member that drains gets nothing more, also when it was waiting with credit.
func TestDrainEndsTheWaitForWork(t *testing.T) {
	t.Parallel()
	w := setup(t)
	stream := join(t, as(t, "agent"), w, &semabusv1.SubscribeHello{Group: "g", Credit: &semabusv1.Credit{Messages: 10}})
	say(t, stream, &semabusv1.Heartbeat{Id: 1})
	if next(t, stream).GetHeartbeat().GetId() != 1 {
		t.Fatal("no heartbeat")
	}
	say(t, stream, &semabusv1.Drain{})
	say(t, stream, &semabusv1.Heartbeat{Id: 2})
	if next(t, stream).GetHeartbeat().GetId() != 2 {
		t.Fatal("no heartbeat")
	}
	must(t, stream.CloseSend())
	if r, err := stream.Recv(); err == nil {
		t.Fatalf("a drained member heard %v", r)
	}
	feed(t, w, "g", 1, nil)
	f, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "g"})
	must(t, err)
	if len(f.GetDeliveries()) != 1 {
		t.Error("a drained member took a delivery along")
	}
}

func TestHealthNamesTheServices(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, service := range []string{"", "semabus.v1.Bus", "semabus.v1.Admin"} {
		h, err := healthv1.NewHealthClient(w.conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		must(t, err)
		if h.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("%q is %s", service, h.GetStatus())
		}
	}
	w.server.Shutdown(t.Context())
}

// TestPublisherMayNotConsume: a role's permission is the method's, whatever the arguments.
func TestPublisherMayNotConsume(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, err := w.bus.Settle(as(t, "publisher"), &semabusv1.SettleRequest{})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
	_, err = w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: semabus.GroupDeadLetter})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
	_, err = w.groups.Configure(as(t, "agent"), &semabusv1.GroupsConfigureRequest{Group: &semabusv1.Group{Name: "g"}})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
}
