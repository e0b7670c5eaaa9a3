package api_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// to is a message addressed to a group: no intent is needed.
func to(group, text string) *semabusv1.Message { return &semabusv1.Message{To: group, Text: text} }

func TestEveryFieldOfAMessageTravels(t *testing.T) {
	t.Parallel()
	w := setup(t)
	at := time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
	in := &semabusv1.Message{
		Id: "m-1", Type: "com.example.refund", Subject: "order 7", Time: timestamppb.New(at), To: "desk",
		Payload: []byte{0, 1, 0xff}, ContentType: "application/octet-stream", Text: "请退款",
		Parts:   []*semabusv1.Part{{MediaType: "text/plain", Text: "part"}},
		Headers: map[string]string{"lang": "zh"}, Audience: []string{"desk"}, Session: "s-1", InReplyTo: "m-0",
		Priority: proto.Uint32(0), Cost: 2.5, Deadline: timestamppb.New(at.Add(time.Hour)), Ttl: durationpb.New(time.Hour),
		ReplyTo: "answers", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=b",
		DedupKey: "k-1",
		Source:   "mallory", Cause: "forged", Root: "forged", Hops: 9, // set by the bus, whatever a client says
	}
	r, err := w.bus.Publish(as(t, "publisher"), &semabusv1.PublishRequest{OpId: "op-1", Message: in})
	must(t, err)
	got := r.GetReceipt()
	if got.GetId() != "m-1" || !got.GetFinal() || got.GetOutcome() != semabusv1.Outcome_OUTCOME_MATCHED || len(got.GetPosition()) == 0 ||
		!cmp.Equal(got.GetGroups(), []string{"desk"}) {
		t.Errorf("receipt is %v", got)
	}
	f, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "desk"})
	must(t, err)
	if len(f.GetDeliveries()) != 1 {
		t.Fatalf("fetched %d deliveries, want 1", len(f.GetDeliveries()))
	}
	d := f.GetDeliveries()[0]
	want := proto.Clone(in).(*semabusv1.Message)
	want.Source, want.Cause, want.Root, want.Hops = "publisher", "", d.GetMessage().GetRoot(), 0
	if want.Root == "forged" {
		t.Error("a client forged the root")
	}
	opts := []cmp.Option{protocmp.Transform(), protocmp.IgnoreFields(&semabusv1.Message{}, "trace_parent", "trace_state")}
	if diff := cmp.Diff(want, d.GetMessage(), opts...); diff != "" {
		t.Errorf("the message changed on its way (-want +got):\n%s", diff)
	}
	if m := d.GetMatch(); m.GetReason() != semabusv1.MatchReason_MATCH_REASON_ADDRESS || m.GetProbability() != 1 {
		t.Errorf("match is %v", m)
	}
	if d.GetAttempt() != 1 || len(d.GetLease().GetToken()) == 0 || d.GetLease().GetExpires() == nil || d.GetEnqueued() == nil {
		t.Errorf("delivery is %v", d)
	}
}

func TestAbsentPriorityIsFour(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, err := w.bus.Publish(as(t, "publisher"), &semabusv1.PublishRequest{Message: to("desk", "hello")})
	must(t, err)
	f, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "desk"})
	must(t, err)
	if got := f.GetDeliveries()[0].GetMessage().GetPriority(); got != semabus.DefaultPriority {
		t.Errorf("priority is %d, want %d", got, semabus.DefaultPriority)
	}
}

func TestBadRequestsAreTyped(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := as(t, "publisher")
	for name, c := range map[string]struct {
		in            *semabusv1.PublishRequest
		reason, field string
	}{
		"no message":  {&semabusv1.PublishRequest{}, semabus.ReasonRequired, "message"},
		"10 MB":       {&semabusv1.PublishRequest{Message: &semabusv1.Message{To: "g", Payload: make([]byte, 10<<20)}}, semabus.ReasonTooLarge, ""},
		"id of 10 KB": {&semabusv1.PublishRequest{Message: &semabusv1.Message{To: "g", Id: strings.Repeat("x", 10<<10)}}, semabus.ReasonTooLarge, ""},
		"bad time": {&semabusv1.PublishRequest{Message: &semabusv1.Message{To: "g", DeliverAt: &timestamppb.Timestamp{Nanos: -5}}},
			semabus.ReasonInvalidValue, "message.deliver_at"},
		"negative ttl": {&semabusv1.PublishRequest{Message: &semabusv1.Message{To: "g", Ttl: durationpb.New(-1)}}, semabus.ReasonInvalidValue, "message.ttl"},
		"priority 99":  {&semabusv1.PublishRequest{Message: &semabusv1.Message{To: "g", Priority: proto.Uint32(99)}}, semabus.ReasonInvalidValue, ""},
		"expect 77":    {&semabusv1.PublishRequest{Message: to("g", "x"), Expect: 77}, semabus.ReasonInvalidValue, "expect"},
	} {
		_, err := w.bus.Publish(ctx, c.in)
		info := refused(t, err, codes.InvalidArgument, c.reason)
		if got := info.GetMetadata()["field"]; c.field != "" && got != c.field {
			t.Errorf("%s: field is %q, want %q", name, got, c.field)
		}
		if info.GetMetadata()["fix"] == "" {
			t.Errorf("%s: the error does not say what to do", name)
		}
	}
	stats, err := w.groups.Stats(as(t, "operator"), &semabusv1.GroupsStatsRequest{Names: []string{"g"}})
	must(t, err)
	if n := stats.GetStats(); len(n) > 0 && n[0].GetReady() != 0 {
		t.Errorf("a refused message was stored: %v", n)
	}
}

// publishing opens a stream and says hello.
func publishing(t *testing.T, w *world, hello *semabusv1.PublishHello) semabusv1.Bus_PublishStreamClient {
	t.Helper()
	stream, err := w.bus.PublishStream(as(t, "publisher"))
	must(t, err)
	must(t, stream.Send(&semabusv1.PublishStreamRequest{Frame: &semabusv1.PublishStreamRequest_Hello{Hello: hello}}))
	answer, err := stream.Recv()
	must(t, err)
	if got := answer.GetWelcome().GetMaxMessageBytes(); got != semabus.MaxMessageBytes {
		t.Fatalf("welcome is %v", answer)
	}
	return stream
}

func frame(t *testing.T, stream semabusv1.Bus_PublishStreamClient, ms ...*semabusv1.SequencedMessage) []*semabusv1.PublishResult {
	t.Helper()
	must(t, stream.Send(&semabusv1.PublishStreamRequest{Frame: &semabusv1.PublishStreamRequest_Messages{Messages: &semabusv1.PublishFrame{Messages: ms}}}))
	answer, err := stream.Recv()
	must(t, err)
	return answer.GetAck().GetResults()
}

func TestPublishStreamAcknowledgesBySequence(t *testing.T) {
	t.Parallel()
	w := setup(t)
	hello := &semabusv1.PublishHello{Producer: "p-1"}
	stream := publishing(t, w, hello)
	bad := &semabusv1.Message{To: "desk", Id: strings.Repeat("x", 10<<10)}
	sent := []*semabusv1.SequencedMessage{
		{Sequence: 1, Message: to("desk", "one")}, {Sequence: 2, Message: bad}, {Sequence: 3}, {Sequence: 4, Message: to("desk", "four")}}
	rs := frame(t, stream, sent...)
	if len(rs) != 4 || rs[0].GetReceipt() == nil || rs[3].GetReceipt() == nil || rs[3].GetSequence() != 4 {
		t.Fatalf("results are %v", rs)
	}
	if e := rs[1].GetError(); e.GetReason() != semabus.ReasonTooLarge || rs[1].GetReceipt() != nil || rs[1].GetSequence() != 2 {
		t.Errorf("result of the bad id is %v", rs[1])
	}
	if e := rs[2].GetError(); e.GetReason() != semabus.ReasonRequired {
		t.Errorf("result of the absent message is %v", rs[2])
	}
	must(t, stream.CloseSend())
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("an orderly end is %v, want EOF", err)
	}

	// A client that did not hear the ack sends it all again on a new stream: nothing is stored twice.
	again := frame(t, publishing(t, w, hello), sent[0], sent[3], &semabusv1.SequencedMessage{Sequence: 5, Message: to("desk", "five")})
	if again[0].GetReceipt().GetDuplicateOf() == "" || again[1].GetReceipt().GetDuplicateOf() == "" || again[2].GetReceipt().GetDuplicateOf() != "" {
		t.Errorf("results of the repeat are %v", again)
	}
	f, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "desk", Max: 10})
	must(t, err)
	if len(f.GetDeliveries()) != 3 {
		t.Errorf("%d deliveries, want 3", len(f.GetDeliveries()))
	}
}

func TestPublishStreamRefusesNonsense(t *testing.T) {
	t.Parallel()
	w := setup(t)
	stream, err := w.bus.PublishStream(as(t, "publisher"))
	must(t, err)
	must(t, stream.Send(&semabusv1.PublishStreamRequest{Frame: &semabusv1.PublishStreamRequest_Messages{}}))
	_, err = stream.Recv()
	refused(t, err, codes.InvalidArgument, semabus.ReasonRequired)

	stream = publishing(t, w, &semabusv1.PublishHello{})
	half := make([]byte, 700<<10)
	must(t, stream.Send(&semabusv1.PublishStreamRequest{Frame: &semabusv1.PublishStreamRequest_Messages{Messages: &semabusv1.PublishFrame{
		Messages: []*semabusv1.SequencedMessage{{Message: &semabusv1.Message{To: "g", Payload: half}}, {Message: &semabusv1.Message{To: "g", Payload: half}}}}}}))
	_, err = stream.Recv()
	refused(t, err, codes.InvalidArgument, semabus.ReasonTooLarge)
}

func TestLargeMessageTravelsAlone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	big := &semabusv1.Message{To: "g", Payload: make([]byte, 3<<20)}
	stream := publishing(t, w, &semabusv1.PublishHello{Producer: "p"})
	if r := frame(t, stream, &semabusv1.SequencedMessage{Sequence: 1, Message: big})[0]; r.GetReceipt() == nil {
		t.Fatalf("3 MiB are refused: %v", r.GetError())
	}
	f, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "g"})
	must(t, err)
	if got := len(f.GetDeliveries()[0].GetMessage().GetPayload()); got != 3<<20 {
		t.Errorf("%d bytes came back", got)
	}
}
