package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/internal/bus"
)

// poison publishes a message to a group and lets its consumer give it up.
func poison(t *testing.T, b *bus.Bus, m *semabus.Message) semabus.Receipt {
	t.Helper()
	r := publish(t, b, m)
	for _, d := range fetch(t, b, m.To) {
		settle(t, b, semabus.Settlement{Token: d.Lease.Token, Outcome: semabus.SettlePoison, Error: "cannot read " + d.Message.Text})
	}
	return r
}

// letters reads all pages of a listing and returns the texts.
func letters(t *testing.T, b *bus.Bus, f bus.DeadLetterFilter, limit int) (texts []string) {
	t.Helper()
	token := ""
	for {
		page, next, err := b.DeadLetters(t.Context(), alice, f, token, limit)
		must(t, err)
		for _, l := range page {
			texts = append(texts, l.Message.Text)
		}
		if token = next; token == "" {
			return texts
		}
	}
}

func quiet(bus.Redriven) error { return nil }

func TestDeadLettersAreSelected(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		began := time.Now()
		for i, text := range []string{"red", "green", "blue", "grey"} {
			pass(time.Minute)
			poison(t, b, &semabus.Message{To: []string{"g", "h"}[i%2], Text: text, Headers: map[string]string{"n": fmt.Sprint(i)}})
		}
		_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "full", MaxDepth: 1, Topics: []string{"t"}})
		must(t, err)
		_, err = b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "wide", Topics: []string{"t"}})
		must(t, err)
		publish(t, b, &semabus.Message{Topic: "t", Text: "first"})
		publish(t, b, &semabus.Message{Topic: "t", Text: "overflow"})
		for name, c := range map[string]struct {
			f    bus.DeadLetterFilter
			want []string
		}{
			"all":     {bus.DeadLetterFilter{}, []string{"red", "green", "blue", "grey", "overflow"}},
			"group":   {bus.DeadLetterFilter{Group: "h"}, []string{"green", "grey"}},
			"reason":  {bus.DeadLetterFilter{Reason: broker.DeadOverflow}, []string{"overflow"}},
			"filter":  {bus.DeadLetterFilter{Filter: `text.startsWith("gr") && headers["n"] == "3"`}, []string{"grey"}},
			"since":   {bus.DeadLetterFilter{Since: began.Add(2 * time.Minute), Until: began.Add(4 * time.Minute)}, []string{"green", "blue"}},
			"nothing": {bus.DeadLetterFilter{Group: "g", Reason: broker.DeadOverflow}, nil},
		} {
			for _, limit := range []int{0, 1} {
				if got := letters(t, b, c.f, limit); !slices.Equal(got, c.want) {
					t.Errorf("%s, pages of %d: %v, want %v", name, limit, got, c.want)
				}
			}
		}
		for field, f := range map[string]bus.DeadLetterFilter{"filter": {Filter: "text =="}, "since": {Since: began, Until: began}, "group": {Group: "\x00"}} {
			_, _, err := b.DeadLetters(t.Context(), alice, f, "", 0)
			if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument || e.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		if page, _, err := b.DeadLetters(t.Context(), other, bus.DeadLetterFilter{}, "", 0); err != nil || len(page) != 0 {
			t.Errorf("another tenant sees %+v, %v", page, err)
		}
	})
}

// TestDeadLetterHasItsHistory: the original, the decision, each attempt's error.
func TestDeadLetterHasItsHistory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	desk(t, b)
	_, err := b.ConfigureGroup(ctx, alice, "", semabus.GroupConfig{Name: "refunds", MaxAttempts: 2, RetryBase: time.Millisecond, RetryCap: time.Millisecond})
	must(t, err)
	r := publish(t, b, &semabus.Message{Text: "please refund my order", Session: "s", Priority: 7})
	for i := range 2 {
		ds, err := b.Fetch(ctx, alice, bus.FetchRequest{Group: "refunds", Max: 1, Wait: time.Minute})
		must(t, err)
		settle(t, b, semabus.Settlement{Token: ds[0].Lease.Token, Outcome: semabus.SettleRetry, Error: fmt.Sprint("failure ", i+1)})
	}
	l, err := b.DeadLetter(ctx, alice, r.ID, "refunds")
	must(t, err)
	if l.Message.Text != "please refund my order" || l.Reason != broker.DeadExhausted || l.Attempts != 2 || l.Match.Reason != semabus.MatchMeaning ||
		l.Decision == nil || l.Decision.Outcome != semabus.OutcomeMatched || l.Time.IsZero() {
		t.Errorf("the letter is %+v of %+v", l, l.Message)
	}
	if diff := cmp.Diff([]string{"failure 1", "failure 2"}, l.Errors); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	w, err := b.Why(ctx, alice, r.ID, "refunds")
	must(t, err)
	if !strings.HasPrefix(w.Text, "Delivered") || !strings.Contains(w.Text, "failed 2 times") || len(w.Deliveries) != 2 {
		t.Errorf("why says %q with %d deliveries", w.Text, len(w.Deliveries))
	}
	for id, group := range map[string]string{"nobody's": "", r.ID: "cards"} {
		if _, err := b.DeadLetter(ctx, alice, id, group); semabus.CodeOf(err) != semabus.CodeNotFound {
			t.Errorf("letter of %s for %q: %v", id, group, err)
		}
	}
	if _, err := b.DeadLetter(ctx, other, r.ID, "refunds"); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("another tenant's letter: %v", err)
	}
}

func TestDeadLetterOfSeveralGroups(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, g := range []string{"a", "b"} {
		_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: g, Topics: []string{"t"}})
		must(t, err)
	}
	r := publish(t, b, &semabus.Message{Topic: "t"})
	for _, g := range []string{"a", "b"} {
		settle(t, b, semabus.Settlement{Token: one(t, b, g).Lease.Token, Outcome: semabus.SettlePoison})
	}
	_, err := b.DeadLetter(t.Context(), alice, r.ID, "")
	if e, ok := semabus.AsError(err); !ok || e.Reason != semabus.ReasonRequired || e.Field != "group" {
		t.Errorf("which of two: %v", err)
	}
	if l, err := b.DeadLetter(t.Context(), alice, r.ID, "b"); err != nil || l.Group != "b" {
		t.Errorf("b's is %+v, %v", l, err)
	}
}

// TestRedriveKeepsWhatTheMessageIs and fences who had it before.
func TestRedriveKeepsWhatTheMessageIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	r := publish(t, b, &semabus.Message{To: "g", Text: "job", Priority: 8, Session: "s", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	first := one(t, b, "g")
	settle(t, b, semabus.Settlement{Token: first.Lease.Token, Outcome: semabus.SettlePoison, Error: "broken"})
	so, err := b.Redrive(ctx, alice, bus.Redrive{DryRun: true}, quiet)
	if err != nil || so.Redriven != 1 || len(fetch(t, b, "g")) != 0 {
		t.Fatalf("a dry run: %+v, %v", so, err)
	}
	so, err = b.Redrive(ctx, alice, bus.Redrive{}, quiet)
	if err != nil || so != (bus.Redriven{Redriven: 1}) {
		t.Fatalf("redriven: %+v, %v", so, err)
	}
	again := one(t, b, "g")
	if diff := cmp.Diff(first.Message, again.Message); diff != "" || again.Message.ID != r.ID || again.Attempt != 1 || again.Match.Reason != semabus.MatchAddress {
		t.Errorf("delivery %+v, message (-want +got):\n%s", again, diff)
	}
	for _, outcome := range []semabus.SettleOutcome{semabus.SettleDone, semabus.SettleRetry} {
		res := b.Settle(ctx, alice, []semabus.Settlement{{Token: first.Lease.Token, Outcome: outcome}})[0]
		if semabus.CodeOf(res.Err) != semabus.CodeFailedPrecondition {
			t.Errorf("the token from before the redrive settles %s: %v", outcome, res.Err)
		}
	}
	settle(t, b, semabus.Settlement{Token: again.Lease.Token, Outcome: semabus.SettleDone})
	if st := stats(t, b, "g"); st.DeadLetters != 0 {
		t.Errorf("stats %+v", st)
	}
	w, err := b.Why(ctx, alice, r.ID, semabus.GroupDeadLetter)
	must(t, err)
	if !strings.Contains(w.Text, "redriven by alice") {
		t.Errorf("why of the dead letter says %q", w.Text)
	}
	if _, err := b.DeadLetter(ctx, alice, r.ID, "g"); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("the letter is still there: %v", err)
	}
	_, err = b.Redrive(ctx, alice, bus.Redrive{DeadLetterFilter: bus.DeadLetterFilter{MessageID: r.ID}}, quiet)
	if semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("redriven again: %v", err)
	}
}

// TestRedriveByRateAndInterrupted: 10 a second are 10 a second, and a second call goes on with what the first left.
func TestRedriveByRateAndInterrupted(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		for i := range 50 {
			poison(t, b, &semabus.Message{To: "g", Text: fmt.Sprint(i)})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second+50*time.Millisecond)
		defer cancel()
		var heard []int64
		so, err := b.Redrive(ctx, alice, bus.Redrive{Rate: 10}, func(r bus.Redriven) error {
			heard = append(heard, r.Redriven)
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || so.Redriven != 21 || len(heard) != 3 || heard[0] != 0 {
			t.Fatalf("after 2s at 10 a second: %+v, heard %v, %v", so, heard, err)
		}
		if st := stats(t, b, "g"); st.Ready != 21 || st.DeadLetters != 29 {
			t.Errorf("stats %+v", st)
		}
		began := time.Now()
		so, err = b.Redrive(t.Context(), alice, bus.Redrive{Rate: 10}, quiet)
		if took := time.Since(began); err != nil || so.Redriven != 29 || took < 2700*time.Millisecond || took > 2900*time.Millisecond {
			t.Errorf("the rest: %+v in %v, %v", so, took, err)
		}
		ds := fetch(t, b, "g")
		for i := range ds {
			if ds[i].Message.Text != fmt.Sprint(i) {
				t.Fatalf("delivery %d is %s: the order is lost", i, ds[i].Message.Text)
			}
		}
		if len(ds) != 50 {
			t.Errorf("%d deliveries, want 50, each once", len(ds))
		}
		boom := errors.New("nobody listens")
		for i := range 40 {
			poison(t, b, &semabus.Message{To: "h", Text: fmt.Sprint(i)})
		}
		if _, err := b.Redrive(t.Context(), alice, bus.Redrive{Rate: 10}, func(bus.Redriven) error { return boom }); !errors.Is(err, boom) {
			t.Errorf("nobody listens any more: %v", err)
		}
	})
}

// TestRedriveSkips what somebody looks at, and what has no room; a letter that fails again is not moved twice by one redrive.
func TestRedriveSkips(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	for _, g := range []semabus.GroupConfig{{Name: "full", MaxDepth: 2, Topics: []string{"t"}}, {Name: "wide", Topics: []string{"t"}}} {
		_, err := b.ConfigureGroup(ctx, alice, "", g)
		must(t, err)
	}
	for i := range 5 {
		publish(t, b, &semabus.Message{Topic: "t", Text: fmt.Sprint(i)})
	}
	if st := stats(t, b, "full"); st.Ready != 2 || st.DeadLetters != 3 {
		t.Fatalf("stats %+v", st)
	}
	w, err := b.Why(ctx, alice, mustLetters(t, b)[0].Message.ID, "full")
	must(t, err)
	if !strings.HasPrefix(w.Text, "Not delivered") || !strings.Contains(w.Text, "queue was full") {
		t.Errorf("why of an overflow says %q", w.Text)
	}
	ds, err := b.Fetch(ctx, alice, bus.FetchRequest{Group: "full", Max: 1})
	must(t, err)
	settle(t, b, semabus.Settlement{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone})
	so, err := b.Redrive(ctx, alice, bus.Redrive{Rate: 1000}, quiet)
	if err != nil || so != (bus.Redriven{Redriven: 1, Skipped: 2}) {
		t.Errorf("into one free place: %+v, %v", so, err)
	}
	held, err := b.Fetch(ctx, alice, bus.FetchRequest{Group: semabus.GroupDeadLetter, Max: 1, Lease: time.Hour})
	must(t, err)
	_, err = b.ConfigureGroup(ctx, alice, "", semabus.GroupConfig{Name: "full"})
	must(t, err)
	so, err = b.Redrive(ctx, alice, bus.Redrive{}, quiet)
	if err != nil || so != (bus.Redriven{Redriven: 1, Skipped: 1}) {
		t.Errorf("beside one that is leased: %+v, %v", so, err)
	}
	so, err = b.Redrive(ctx, alice, bus.Redrive{DeadLetterFilter: bus.DeadLetterFilter{MessageID: held[0].Message.ID}}, quiet)
	if err != nil || so != (bus.Redriven{Skipped: 1}) {
		t.Errorf("the leased one by its id: %+v, %v", so, err)
	}
	for _, rate := range []float64{-1, 10_001, 1e-9} {
		_, err := b.Redrive(ctx, alice, bus.Redrive{Rate: rate}, quiet)
		if e, ok := semabus.AsError(err); !ok || e.Field != "rate" || e.Limit == "" {
			t.Errorf("rate %v: %v", rate, err)
		}
	}
}

func mustLetters(t *testing.T, b *bus.Bus) []bus.DeadLetter {
	t.Helper()
	page, _, err := b.DeadLetters(t.Context(), alice, bus.DeadLetterFilter{}, "", 0)
	must(t, err)
	if len(page) == 0 {
		t.Fatal("no dead letters")
	}
	return page
}

// TestRedriveOfALoop: what was parked before it reached the router is decided now.
func TestRedriveOfALoop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	publish(t, b, &semabus.Message{To: "ping", Text: "start"})
	var last semabus.Receipt
	for turn := range semabus.MaxHops + 1 {
		from, to := "ping", "pong"
		if turn%2 == 1 {
			from, to = to, from
		}
		last = settle(t, b, semabus.Settlement{Token: one(t, b, from).Lease.Token, Outcome: semabus.SettleDone,
			Outputs: []*semabus.Message{{To: to, Text: "again"}}}).Outputs[0]
	}
	if last.Outcome != semabus.OutcomeLoop {
		t.Fatalf("not parked: %+v", last)
	}
	so, err := b.Redrive(ctx, alice, bus.Redrive{DeadLetterFilter: bus.DeadLetterFilter{Reason: semabus.ReasonLoop}}, quiet)
	if err != nil || so.Redriven != 1 {
		t.Fatalf("%+v, %v", so, err)
	}
	if d := one(t, b, "pong"); d.Message.ID != last.ID || d.Match.Reason != semabus.MatchAddress {
		t.Errorf("delivered %+v", d)
	}
	if ds := fetch(t, b, "ping"); len(ds) != 0 {
		t.Error("the group that caused it got it")
	}
	w, err := b.Why(ctx, alice, last.ID, "pong")
	must(t, err)
	if w.Reason != semabus.MatchAddress {
		t.Errorf("why: %s %q", w.Reason, w.Text)
	}
}

// TestRedriveOfWhatExpired: the TTL begins again.
func TestRedriveOfWhatExpired(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		defer run(t, b)()
		r := publish(t, b, &semabus.Message{To: "g", Text: "x", TTL: time.Minute})
		pass(2 * time.Minute)
		so, err := b.Redrive(t.Context(), alice, bus.Redrive{DeadLetterFilter: bus.DeadLetterFilter{MessageID: r.ID}}, quiet)
		if err != nil || so.Redriven != 1 {
			t.Fatalf("%+v, %v", so, err)
		}
		pass(50 * time.Second)
		if d := one(t, b, "g"); d.Message.ID != r.ID {
			t.Errorf("delivered %+v", d)
		}
	})
}
