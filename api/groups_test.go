package api_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

func TestGroupConfigurationOverTheWire(t *testing.T) {
	t.Parallel()
	w := setup(t)
	op := as(t, "operator")
	a, err := w.groups.Configure(op, &semabusv1.GroupsConfigureRequest{Group: &semabusv1.Group{Name: "g",
		Ageing: durationpb.New(time.Minute), OnExpiry: semabusv1.OnExpiry_ON_EXPIRY_DROP}})
	must(t, err)
	if g := a.GetGroup(); g.GetAgeing().AsDuration() != time.Minute || g.GetOnExpiry() != semabusv1.OnExpiry_ON_EXPIRY_DROP {
		t.Errorf("configured as %v", g)
	}
	got, err := w.groups.Get(op, &semabusv1.GroupsGetRequest{Name: "never configured"})
	must(t, err)
	if g := got.GetGroup(); g.GetAgeing() != nil || g.GetOnExpiry() != semabusv1.OnExpiry_ON_EXPIRY_DEAD_LETTER {
		t.Errorf("the defaults are %v", g)
	}
	for field, g := range map[string]*semabusv1.Group{"group.ageing": {Name: "g", Ageing: durationpb.New(48 * time.Hour)}, "group.on_expiry": {Name: "g", OnExpiry: 7},
		"group.topics[0]": {Name: "g", Topics: []string{"a..b"}}} {
		_, err := w.groups.Configure(op, &semabusv1.GroupsConfigureRequest{Group: g})
		if info := refused(t, err, codes.InvalidArgument, semabus.ReasonInvalidValue); info.GetMetadata()["field"] != field {
			t.Errorf("field is %q, want %q", info.GetMetadata()["field"], field)
		}
	}
}

// TestPauseHoldsAnOpenStream: the stream that waits gets nothing until the group is resumed.
func TestPauseHoldsAnOpenStream(t *testing.T) {
	t.Parallel()
	w := setup(t)
	op := as(t, "operator")
	stream := join(t, as(t, "agent"), w, &semabusv1.SubscribeHello{Group: "g", Credit: &semabusv1.Credit{Messages: 10}})
	feed(t, w, "g", 1, nil)
	first := next(t, stream).GetDeliveries().GetDeliveries()
	if len(first) != 1 {
		t.Fatalf("delivered %v", first)
	}
	_, err := w.groups.Pause(as(t, "agent"), &semabusv1.GroupsPauseRequest{Name: "g"})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
	_, err = w.groups.Pause(op, &semabusv1.GroupsPauseRequest{OpId: "stop", Name: "g"})
	must(t, err)
	feed(t, w, "g", 1, nil)
	// What the stream answers now, it would have sent a delivery before.
	say(t, stream, &semabusv1.SettleFrame{Id: 7, Settlements: []*semabusv1.Settlement{{Token: first[0].GetLease().GetToken(),
		Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_DONE}}})
	if got := next(t, stream).GetSettled(); got.GetId() != 7 || got.GetResults()[0].GetError() != nil {
		t.Fatalf("settled as %v", got)
	}
	st, err := w.groups.Stats(op, &semabusv1.GroupsStatsRequest{Names: []string{"g"}})
	must(t, err)
	if g := st.GetStats()[0]; !g.GetPaused() || g.GetReady() != 1 || g.GetLeased() != 0 || g.GetMembers() != 1 {
		t.Errorf("stats are %v", g)
	}
	_, err = w.groups.Resume(op, &semabusv1.GroupsResumeRequest{OpId: "go", Name: "g"})
	must(t, err)
	if got := next(t, stream).GetDeliveries().GetDeliveries(); len(got) != 1 {
		t.Errorf("after the resume: %v", got)
	}
	must(t, stream.CloseSend())
}

func TestBrowseAndPurgeOverTheWire(t *testing.T) {
	t.Parallel()
	w := setup(t)
	op := as(t, "operator")
	feed(t, w, "g", 3, nil)
	_, err := w.bus.Fetch(op, &semabusv1.FetchRequest{Group: "g", Member: "m"})
	must(t, err)
	_, err = w.groups.Browse(as(t, "agent"), &semabusv1.GroupsBrowseRequest{Name: "g"})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
	var all []*semabusv1.BrowsedDelivery
	q := &semabusv1.GroupsBrowseRequest{Name: "g", PageSize: 2}
	for {
		page, err := w.groups.Browse(op, q)
		must(t, err)
		all = append(all, page.GetDeliveries()...)
		if q.PageToken = page.GetNextPageToken(); q.PageToken == "" {
			break
		}
	}
	if len(all) != 3 {
		t.Fatalf("browsed %v", all)
	}
	for i, d := range all {
		phase, member := semabusv1.DeliveryPhase_DELIVERY_PHASE_READY, ""
		if i == 0 {
			phase, member = semabusv1.DeliveryPhase_DELIVERY_PHASE_LEASED, "m"
		}
		if d.GetMessage().GetText() != fmt.Sprintf("message %d", i) || d.GetState().GetPhase() != phase || d.GetState().GetMember() != member ||
			d.GetState().GetGroup() != "g" || d.GetState().GetEnqueued() == nil {
			t.Errorf("delivery %d is %v", i, d)
		}
	}
	for _, dry := range []bool{true, false} {
		a, err := w.groups.Purge(op, &semabusv1.GroupsPurgeRequest{OpId: fmt.Sprint(dry), Name: "g", DryRun: dry})
		must(t, err)
		if a.GetPurged() != 2 {
			t.Errorf("dry run %v: %d purged, want 2", dry, a.GetPurged())
		}
	}
	_, err = w.groups.Purge(op, &semabusv1.GroupsPurgeRequest{Name: "$ingress"})
	refused(t, err, codes.InvalidArgument, semabus.ReasonInvalidValue)
}

// quick is a clock on which waiting takes a fiftieth of the time.
type quick struct{ semabus.SystemClock }

func (quick) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return semabus.SystemClock{}.AfterFunc(d/50, f)
}

// TestWatch: the stats at once, then when they change, and an end with the node.
func TestWatch(t *testing.T) {
	t.Parallel()
	w := serve(t, openBus(t), quick{})
	ctx := as(t, "publisher")
	stream, err := w.groups.Watch(ctx, &semabusv1.GroupsWatchRequest{Names: []string{"g"}})
	must(t, err)
	a, err := stream.Recv()
	must(t, err)
	if g := a.GetStats(); len(g) != 1 || g[0].GetGroup() != "g" || g[0].GetReady() != 0 {
		t.Fatalf("at first: %v", a)
	}
	feed(t, w, "g", 2, nil)
	for ready := int64(0); ready != 2; { // one is seen on the way, or not
		a, err := stream.Recv()
		must(t, err)
		if g := a.GetStats(); len(g) != 1 || g[0].GetReady() < ready {
			t.Fatalf("after %d: %v", ready, g)
		}
		ready = a.GetStats()[0].GetReady()
	}
	for _, interval := range []time.Duration{0, time.Millisecond, 2 * time.Hour} {
		bad, err := w.groups.Watch(ctx, &semabusv1.GroupsWatchRequest{Interval: durationpb.New(interval)})
		must(t, err)
		_, err = bad.Recv()
		if info := refused(t, err, codes.InvalidArgument, semabus.ReasonInvalidValue); info.GetMetadata()["field"] != "interval" {
			t.Errorf("%v: %v", interval, info)
		}
	}
	w.server.Shutdown(context.Background())
	for err == nil { // what was sent before
		_, err = stream.Recv()
	}
	refused(t, err, codes.Unavailable, semabus.ReasonShuttingDown)
}

func TestCancelScheduledOverTheWire(t *testing.T) {
	t.Parallel()
	w := setup(t)
	a, err := w.bus.Publish(as(t, "publisher"), &semabusv1.PublishRequest{Message: &semabusv1.Message{To: "g", DeliverAt: timestamppb.New(time.Now().Add(time.Hour))}})
	must(t, err)
	id := a.GetReceipt().GetId()
	_, err = w.bus.CancelScheduled(as(t, "agent"), &semabusv1.CancelScheduledRequest{MessageId: id})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
	c, err := w.bus.CancelScheduled(as(t, "publisher"), &semabusv1.CancelScheduledRequest{OpId: "op", MessageId: id})
	must(t, err)
	if g := c.GetGroups(); len(g) != 1 || g[0] != "g" {
		t.Errorf("cancelled for %v", g)
	}
	feed(t, w, "h", 1, nil)
	ds, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "h"})
	must(t, err)
	_, err = w.bus.CancelScheduled(as(t, "publisher"), &semabusv1.CancelScheduledRequest{MessageId: ds.GetDeliveries()[0].GetMessage().GetId()})
	refused(t, err, codes.FailedPrecondition, semabus.ReasonAlreadyDue)
	why, err := w.bus.Why(as(t, "publisher"), &semabusv1.WhyRequest{MessageId: id, Group: "g"})
	must(t, err)
	if d := why.GetDeliveries(); len(d) != 1 || d[0].GetErrors()[0] != "cancelled by publisher" {
		t.Errorf("why: %v", why)
	}
}
