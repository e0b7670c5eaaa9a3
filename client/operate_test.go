package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

func TestPauseBrowsePurge(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	ctx := within(t)
	for i := range 5 {
		m := to("g", "%d", i)
		m.Session, m.Priority = "s", 7
		_, err := c.Publish(ctx, m)
		must(t, err)
	}
	held, err := c.Fetch(ctx, "g", client.FetchOptions{Member: "m"})
	must(t, err)
	if len(held) != 1 {
		t.Fatal("nothing to lease")
	}
	must(t, c.PauseGroup(ctx, "g"))
	if ds, err := c.Fetch(ctx, "g", client.FetchOptions{}); err != nil || len(ds) != 0 || !stats(t, c, "g").Paused {
		t.Errorf("a paused group gave %d, %v", len(ds), err)
	}
	var texts []string
	for d, err := range c.Browse(ctx, "g") {
		must(t, err)
		texts = append(texts, d.Message.Text)
		phase, member := "ready", ""
		if d.Message.Text == held[0].Message.Text {
			phase, member = "leased", "m"
		}
		if d.State.Phase != phase || d.State.Member != member || d.State.Group != "g" || d.State.Priority != 7 || d.State.Session != "s" {
			t.Errorf("%s is %+v", d.Message.Text, d.State)
		}
	}
	numbered(t, texts, 5)
	for range c.Browse(ctx, "g") { // whoever has seen enough goes
		break
	}
	for _, dry := range []bool{true, false} {
		if n, err := c.PurgeGroup(ctx, "g", dry); err != nil || n != 4 {
			t.Errorf("dry run %v: %d, %v", dry, n, err)
		}
	}
	must(t, c.ResumeGroup(ctx, "g"))
	if st := stats(t, c, "g"); st.Ready != 0 || st.Leased != 1 || st.Paused {
		t.Errorf("after the purge: %+v", st)
	}
	is(t, c.PauseGroup(ctx, "$dlq"), semabus.CodeInvalidArgument, semabus.ReasonInvalidValue)
	for _, err := range c.Browse(ctx, "") {
		is(t, err, semabus.CodeInvalidArgument, semabus.ReasonRequired)
	}
}

// TestWatchGroups over a restart of the node: it comes back by itself, and ends with its context or its listener.
func TestWatchGroups(t *testing.T) {
	t.Parallel()
	s, c := setup(t)
	ctx, cancel := context.WithCancel(within(t))
	heard := make(chan int64)
	var g errgroup.Group
	g.Go(func() error {
		return c.WatchGroups(ctx, 0, func(all []semabus.GroupStats) error {
			if len(all) != 1 || all[0].Group != "g" {
				return fmt.Errorf("heard of %+v", all)
			}
			select {
			case heard <- all[0].Ready:
			case <-ctx.Done():
			}
			return nil
		}, "g")
	})
	until := func(ready int64) {
		t.Helper()
		for {
			select {
			case n := <-heard:
				if n == ready {
					return
				}
			case <-ctx.Done():
				t.Fatalf("never heard of %d", ready)
			}
		}
	}
	until(0)
	_, err := c.Publish(ctx, to("g", "x"))
	must(t, err)
	until(1)
	s.restart(t)
	until(1) // it says so at once
	cancel()
	must(t, g.Wait())
	enough := errors.New("enough")
	if err := c.WatchGroups(t.Context(), time.Hour, func([]semabus.GroupStats) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the listener's end is %v", err)
	}
	is(t, c.WatchGroups(t.Context(), time.Millisecond, nil), semabus.CodeInvalidArgument, semabus.ReasonInvalidValue)
}

func TestCancelScheduled(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	ctx := t.Context()
	m := to("g", "later")
	m.DeliverAt = time.Now().Add(time.Hour)
	r, err := c.Publish(ctx, m)
	must(t, err)
	groups, err := c.CancelScheduled(ctx, r.ID)
	if err != nil || !slices.Equal(groups, []string{"g"}) {
		t.Errorf("cancelled for %v, %v", groups, err)
	}
	r, err = c.Publish(ctx, to("g", "now"))
	must(t, err)
	_, err = c.CancelScheduled(ctx, r.ID)
	is(t, err, semabus.CodeFailedPrecondition, semabus.ReasonAlreadyDue)
	_, err = c.CancelScheduled(ctx, "nobody's")
	is(t, err, semabus.CodeNotFound, semabus.ReasonNotFound)
}

// TestLowestPriority: 0 can be said, by every door, and other negative numbers are refused.
func TestLowestPriority(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	ctx := t.Context()
	for want, p := range map[int]int{0: client.LowestPriority, semabus.DefaultPriority: 0, 9: 9} {
		for _, opts := range [][]client.PublishOption{nil, {client.Expect(semabus.ExpectAny)}} {
			m := to("g", "%d", want)
			m.Priority = p
			_, err := c.Publish(ctx, m, opts...)
			must(t, err)
		}
	}
	ds, err := c.Fetch(ctx, "g", client.FetchOptions{Max: 10})
	must(t, err)
	var got []int
	for i := range ds {
		got = append(got, ds[i].Message.Priority)
		if fmt.Sprint(ds[i].Message.Priority) != ds[i].Message.Text {
			t.Errorf("priority %d of %s", ds[i].Message.Priority, ds[i].Message.Text)
		}
	}
	if !slices.Equal(got, []int{9, 9, 4, 4, 0, 0}) {
		t.Errorf("delivered in the order %v", got)
	}
	m := to("g", "x")
	m.Priority = -2
	_, err = c.Publish(ctx, m)
	is(t, err, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue)
}

func TestExpectOfAnAsynchronousPublisher(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	_, err := c.NewPublisher(client.PublisherOptions{Async: true, Expect: semabus.ExpectExactlyOne})
	if e := is(t, err, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue); e.Field != "expect" {
		t.Errorf("field %q", e.Field)
	}
}

// bury makes dead letters of a group and returns the ids of their messages.
func bury(t *testing.T, c *client.Client, group string, n int) (ids []string) {
	t.Helper()
	for i := range n {
		r, err := c.Publish(t.Context(), to(group, "%d", i))
		must(t, err)
		ids = append(ids, r.ID)
	}
	ds, err := c.Fetch(t.Context(), group, client.FetchOptions{Max: 1000})
	must(t, err)
	for _, d := range ds {
		rs, err := c.Settle(t.Context(), semabus.Settlement{Token: d.Lease.Token, Outcome: semabus.SettlePoison, Error: "of no use"})
		must(t, err)
		must(t, rs[0].Err)
	}
	return ids
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	ctx := within(t)
	ids := bury(t, c, "g", 4)
	bury(t, c, "h", 1)
	var texts []string
	for l, err := range c.DeadLetters(ctx, client.DeadLetterFilter{Group: "g", Reason: "POISON", Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}) {
		must(t, err)
		texts = append(texts, l.Message.Text)
		if l.Group != "g" || l.Attempts != 1 || !slices.Equal(l.Errors, []string{"of no use"}) || l.Time.IsZero() || l.Match.Reason != semabus.MatchAddress {
			t.Errorf("letter %+v", l)
		}
	}
	numbered(t, texts, 4)
	for _, err := range c.DeadLetters(ctx, client.DeadLetterFilter{Filter: "text =="}) {
		is(t, err, semabus.CodeInvalidArgument, semabus.ReasonInvalidFilter)
	}
	l, err := c.DeadLetter(ctx, ids[2], "")
	must(t, err)
	if l.Message.ID != ids[2] || l.Decision == nil || l.Decision.Outcome != semabus.OutcomeMatched {
		t.Errorf("letter %+v", l)
	}
	_, err = c.DeadLetter(ctx, ids[2], "h")
	is(t, err, semabus.CodeNotFound, semabus.ReasonNotFound)
	so, err := c.Redrive(ctx, client.Redrive{DryRun: true}, nil)
	if err != nil || so.Redriven != 5 {
		t.Errorf("a dry run counts %+v, %v", so, err)
	}
	so, err = c.Redrive(ctx, client.Redrive{MessageID: ids[1]}, nil)
	if err != nil || so.Redriven != 1 {
		t.Errorf("one by its id: %+v, %v", so, err)
	}
	var told []client.Redriven
	so, err = c.Redrive(ctx, client.Redrive{DeadLetterFilter: client.DeadLetterFilter{Group: "g", Filter: `text != "3"`}}, func(r client.Redriven) { told = append(told, r) })
	if err != nil || so.Redriven != 2 || told[0].Redriven != 0 || told[len(told)-1] != so {
		t.Errorf("redriven %+v, told %+v, %v", so, told, err)
	}
	if got := fetchAll(t, c, "g"); !slices.Equal(got, []string{"1", "0", "2"}) {
		t.Errorf("delivered %v", got)
	}
	_, err = c.Redrive(ctx, client.Redrive{Rate: -1}, nil)
	is(t, err, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue)
}

// TestRedriveGoesOn when the node was away in the middle of it, and ends with its context.
func TestRedriveGoesOn(t *testing.T) {
	t.Parallel()
	s, c := setup(t)
	bury(t, c, "g", 6)
	var g errgroup.Group
	var so client.Redriven
	begun := make(chan struct{}, 100)
	g.Go(func() (err error) {
		so, err = c.Redrive(within(t), client.Redrive{Rate: 3}, func(client.Redriven) { begun <- struct{}{} })
		return err
	})
	<-begun
	s.restart(t)
	must(t, g.Wait())
	numbered(t, fetchAll(t, c, "g"), 6)
	if so != (client.Redriven{Redriven: 6}) {
		t.Errorf("redriven %+v", so)
	}
	bury(t, c, "h", 2)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.Redrive(ctx, client.Redrive{Rate: .001}, func(client.Redriven) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}
