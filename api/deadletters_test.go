package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	semabusv1alpha "github.com/semabus/semabus/api/semabus/v1alpha"
	"github.com/semabus/semabus/internal/bus"
)

// bury makes n dead letters of a group and returns the ids of their messages.
func bury(t *testing.T, w *world, group string, n int) (ids []string) {
	t.Helper()
	feed(t, w, group, n, nil)
	ds, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: group, Max: 1000, MaxBytes: 1 << 30})
	must(t, err)
	q := &semabusv1.SettleRequest{}
	for _, d := range ds.GetDeliveries() {
		ids = append(ids, d.GetMessage().GetId())
		q.Settlements = append(q.Settlements, &semabusv1.Settlement{Token: d.GetLease().GetToken(), Outcome: semabusv1.SettleOutcome_SETTLE_OUTCOME_POISON,
			Error: "of no use"})
	}
	a, err := w.bus.Settle(as(t, "agent"), q)
	must(t, err)
	for _, r := range a.GetResults() {
		if r.GetError() != nil {
			t.Fatal(r.GetError())
		}
	}
	if len(ids) != n {
		t.Fatalf("%d messages died, want %d", len(ids), n)
	}
	return ids
}

// redrive reads a redrive to its end and returns its last answer.
func redrive(ctx context.Context, c semabusv1alpha.DeadLettersClient, q *semabusv1alpha.DeadLettersRedriveRequest) (last *semabusv1alpha.DeadLettersRedriveResponse, err error) {
	stream, err := c.Redrive(ctx, q)
	if err != nil {
		return nil, err
	}
	for {
		a, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		last = a
	}
}

func TestDeadLettersOverTheWire(t *testing.T) {
	t.Parallel()
	w := setup(t)
	c := semabusv1alpha.NewDeadLettersClient(w.conn)
	op := as(t, "operator")
	ids := bury(t, w, "g", 5)
	_, err := c.List(as(t, "agent"), &semabusv1alpha.DeadLettersListRequest{})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
	var all []*semabusv1alpha.DeadLetter
	q := &semabusv1alpha.DeadLettersListRequest{Group: "g", Reason: "POISON", Filter: `text != "message 2"`, PageSize: 3,
		Since: timestamppb.New(time.Now().Add(-time.Hour)), Until: timestamppb.New(time.Now().Add(time.Hour))}
	for {
		page, err := c.List(op, q)
		must(t, err)
		all = append(all, page.GetLetters()...)
		if q.PageToken = page.GetNextPageToken(); q.PageToken == "" {
			break
		}
	}
	if len(all) != 4 || all[0].GetMessage().GetId() != ids[0] || all[2].GetMessage().GetText() != "message 3" {
		t.Fatalf("listed %v", all)
	}
	got, err := c.Get(op, &semabusv1alpha.DeadLettersGetRequest{MessageId: ids[1], Group: "g"})
	must(t, err)
	l := got.GetLetter()
	if l.GetReason() != "POISON" || l.GetAttempts() != 1 || fmt.Sprint(l.GetErrors()) != "[of no use]" || l.GetTime() == nil || l.GetGroup() != "g" ||
		l.GetMatch().GetReason() != semabusv1.MatchReason_MATCH_REASON_ADDRESS || got.GetDecision().GetOutcome() != semabusv1.Outcome_OUTCOME_MATCHED {
		t.Errorf("the letter is %v", got)
	}
	_, err = c.Get(op, &semabusv1alpha.DeadLettersGetRequest{MessageId: ids[1], Group: "h"})
	refused(t, err, codes.NotFound, semabus.ReasonNotFound)
	_, err = c.Get(as(t, "stranger"), &semabusv1alpha.DeadLettersGetRequest{MessageId: ids[1], Group: "g"})
	refused(t, err, codes.NotFound, semabus.ReasonNotFound)
	_, err = c.List(op, &semabusv1alpha.DeadLettersListRequest{Filter: "text =="})
	refused(t, err, codes.InvalidArgument, semabus.ReasonInvalidFilter)

	a, err := redrive(op, c, &semabusv1alpha.DeadLettersRedriveRequest{DryRun: true})
	if must(t, err); a.GetRedriven() != 5 {
		t.Errorf("a dry run counts %v", a)
	}
	a, err = redrive(op, c, &semabusv1alpha.DeadLettersRedriveRequest{OpId: "op", MessageId: ids[3], Rate: 1})
	if must(t, err); a.GetRedriven() != 1 || a.GetSkipped() != 0 {
		t.Errorf("one: %v", a)
	}
	ds, err := w.bus.Fetch(as(t, "agent"), &semabusv1.FetchRequest{Group: "g", Max: 10})
	must(t, err)
	if d := ds.GetDeliveries(); len(d) != 1 || d[0].GetMessage().GetId() != ids[3] {
		t.Errorf("delivered %v", d)
	}
	_, err = redrive(op, c, &semabusv1alpha.DeadLettersRedriveRequest{Rate: -1})
	refused(t, err, codes.InvalidArgument, semabus.ReasonInvalidValue)
}

// TestRedriveEndsWithTheNode: a slow redrive does not hold the shutdown up, and what is left can be redriven later.
func TestRedriveEndsWithTheNode(t *testing.T) {
	t.Parallel()
	b := openBus(t)
	w := serve(t, b, nil)
	bury(t, w, "g", 3)
	stream, err := semabusv1alpha.NewDeadLettersClient(w.conn).Redrive(as(t, "operator"), &semabusv1alpha.DeadLettersRedriveRequest{Rate: .001})
	must(t, err)
	for { // until the first has moved
		st, err := w.groups.Stats(as(t, "operator"), &semabusv1.GroupsStatsRequest{Names: []string{"g"}})
		must(t, err)
		if st.GetStats()[0].GetReady() == 1 {
			break
		}
	}
	w.server.Shutdown(context.Background())
	for err == nil { // what was told before
		_, err = stream.Recv()
	}
	refused(t, err, codes.Unavailable, semabus.ReasonShuttingDown)
	so, err := b.Redrive(t.Context(), semabus.Principal{Tenant: "t", Name: "operator", Role: semabus.RoleOperator}, bus.Redrive{}, func(bus.Redriven) error { return nil })
	if err != nil || so.Redriven != 2 {
		t.Errorf("the rest: %+v, %v", so, err)
	}
}
