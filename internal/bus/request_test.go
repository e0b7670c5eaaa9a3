package bus_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/bus"
)

// answer settles the next delivery of a group with replies to its address.
func answer(t *testing.T, b *bus.Bus, group string, texts ...string) {
	t.Helper()
	ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: group, Wait: time.Minute})
	must(t, err)
	if len(ds) != 1 {
		t.Fatalf("%s got %d deliveries", group, len(ds))
	}
	s := semabus.Settlement{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone}
	for _, text := range texts {
		s.Outputs = append(s.Outputs, &semabus.Message{To: ds[0].Message.ReplyTo, Text: text})
	}
	settle(t, b, s)
}

// TestRequestGetsTheFirstReply, and a repeat under the same op id gets it again.
func TestRequestGetsTheFirstReply(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ask := func() (semabus.Receipt, *semabus.Message, error) {
		return b.Request(t.Context(), alice, bus.PublishItem{Message: &semabus.Message{To: "g", Text: "what?", Session: "s"}, OpID: "op"}, time.Minute)
	}
	var g errgroup.Group
	var first *semabus.Message
	g.Go(func() (err error) {
		_, first, err = ask()
		return err
	})
	answer(t, b, "g", "this", "and that")
	must(t, g.Wait())
	if first.Text != "this" || first.Session != "s" || first.Hops != 1 {
		t.Fatalf("the reply is %+v", first)
	}
	r, again, err := ask()
	must(t, err)
	if again.ID != first.ID || r.DuplicateOf == "" {
		t.Errorf("the repeat got %+v, receipt %+v", again, r)
	}
	if ds := fetch(t, b, "g"); len(ds) != 0 {
		t.Error("the repeat was delivered again")
	}
}

// TestRequestOfNobody: what nobody would get is not stored, and what is not allowed is named.
func TestRequestOfNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		m       semabus.Message
		timeout time.Duration
		reason  string
	}{
		"unmatched":     {semabus.Message{Text: "zebras yodel"}, time.Second, semabus.ReasonNoMatch},
		"reply address": {semabus.Message{To: "g", Text: "x", ReplyTo: "mine"}, 0, semabus.ReasonInvalidValue},
		"timeout":       {semabus.Message{To: "g", Text: "x"}, 2 * time.Hour, semabus.ReasonInvalidValue},
	} {
		_, _, err := b.Request(t.Context(), alice, bus.PublishItem{Message: &c.m}, c.timeout)
		if semabus.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
	if ds := fetch(t, b, "g"); len(ds) != 0 {
		t.Error("a refused request was stored")
	}
}

// TestRequestTimesOut: the message stays, and a late reply waits at the address for an hour.
func TestRequestTimesOut(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		stop := run(t, b)
		defer stop()
		_, _, err := b.Request(t.Context(), alice, bus.PublishItem{Message: &semabus.Message{To: "g", Text: "x"}}, time.Second)
		e, ok := semabus.AsError(err)
		if !ok || e.Code != semabus.CodeDeadlineExceeded || e.Reason != semabus.ReasonNoReply || !strings.HasPrefix(e.Value, "reply/") {
			t.Fatalf("after the timeout: %v", err)
		}
		answer(t, b, "g", "late")
		if ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: e.Value, Lease: time.Second}); err != nil || len(ds) != 1 || ds[0].Message.Text != "late" {
			t.Fatalf("at the address waits %+v, %v", ds, err)
		}
		_, _, err = b.Request(t.Context(), alice, bus.PublishItem{Message: &semabus.Message{To: "g", Text: "y"}}, time.Second)
		e, _ = semabus.AsError(err)
		answer(t, b, "g", "too late")
		pass(2 * time.Hour)
		letters, _, err := b.DeadLetters(t.Context(), alice, bus.DeadLetterFilter{Group: e.Value}, "", 0)
		must(t, err)
		if len(letters) != 1 || letters[0].Message.Text != "too late" {
			t.Errorf("after two hours the dead letters are %+v", letters)
		}
	})
}

// TestRequestEndsWithItsCaller: nobody waits for whom nobody asks any more.
func TestRequestEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error {
		_, _, err := b.Request(ctx, alice, bus.PublishItem{Message: &semabus.Message{To: "g", Text: "x"}}, time.Hour)
		if ctx.Err() == nil || err == nil {
			t.Errorf("the request ended with %v", err)
		}
		return nil
	})
	if ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: "g", Wait: time.Minute}); err != nil || len(ds) != 1 {
		t.Fatalf("%+v, %v", ds, err)
	}
	cancel()
	must(t, g.Wait())
}
