package bus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/bus"
)

// bubble runs a test over a bus of its own on a clock that stands still while anything is to be done.
func bubble(t *testing.T, f func(t *testing.T, b *bus.Bus)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, done := open(t, t.TempDir())
		defer done()
		f(t, b)
	})
}

// pass lets time pass on the clock of a bubble.
func pass(d time.Duration) { time.Sleep(d) }

// stats are one group's.
func stats(t *testing.T, b *bus.Bus, group string) semabus.GroupStats {
	t.Helper()
	all, err := b.GroupStats(t.Context(), alice, []string{group})
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("stats of one group are %+v", all)
	}
	return all[0]
}

func TestPauseStopsWhoWaitsAndResumeWakes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		ctx := t.Context()
		sub, err := b.Subscribe(ctx, alice, bus.SubscribeOptions{Group: "g", Member: "streaming"})
		must(t, err)
		defer sub.Close(context.WithoutCancel(ctx))
		publish(t, b, &semabus.Message{To: "g", Text: "before"})
		held := one(t, b, "g")
		type got struct {
			ds    []semabus.Delivery
			after time.Duration
		}
		began := time.Now()
		waiting := make([]got, 2) // a call that waits, and a subscription
		var g errgroup.Group
		g.Go(func() (err error) {
			waiting[0].ds, err = b.Fetch(ctx, alice, bus.FetchRequest{Group: "g", Wait: time.Minute})
			waiting[0].after = time.Since(began)
			return err
		})
		g.Go(func() (err error) {
			waiting[1].ds, err = sub.Next(ctx, 1, 0, time.Minute)
			waiting[1].after = time.Since(began)
			return err
		})
		synctest.Wait()
		must(t, b.PauseGroup(ctx, alice, "stop", "g"))
		publish(t, b, &semabus.Message{To: "g", Text: "one"})
		publish(t, b, &semabus.Message{To: "g", Text: "two"})
		time.Sleep(10 * time.Second)
		if st := stats(t, b, "g"); !st.Paused || st.Ready != 2 || st.Leased != 1 {
			t.Fatalf("while it is paused: %+v", st)
		}
		if ds := fetch(t, b, "g"); len(ds) != 0 {
			t.Errorf("a paused group gave %d deliveries", len(ds))
		}
		settle(t, b, semabus.Settlement{Token: held.Lease.Token, Outcome: semabus.SettleDone}) // what is leased may be settled
		must(t, b.ResumeGroup(ctx, alice, "go", "g"))
		must(t, g.Wait())
		for i := range waiting {
			if len(waiting[i].ds) != 1 || waiting[i].after != 10*time.Second {
				t.Errorf("waiter %d got %d after %v, want 1 after 10s, with the resume", i, len(waiting[i].ds), waiting[i].after)
			}
		}
		if st := stats(t, b, "g"); st.Paused {
			t.Errorf("resumed: %+v", st)
		}
	})
}

// TestNothingIsLeasedAfterPause: members race with the pause; what they get, they got before it was answered.
func TestNothingIsLeasedAfterPause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	flood := make([]bus.PublishItem, 200)
	var g errgroup.Group
	stop := make(chan struct{})
	for range 4 {
		g.Go(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if _, err := b.Fetch(ctx, alice, bus.FetchRequest{Group: "g", Max: 1}); err != nil {
					return err
				}
			}
		})
	}
	for round := range 5 {
		for i := range flood {
			flood[i].Message = &semabus.Message{To: "g", Text: "x"}
		}
		for _, r := range b.Publish(ctx, alice, flood) {
			must(t, r.Err)
		}
		must(t, b.PauseGroup(ctx, alice, "", "g"))
		before := stats(t, b, "g").Leased
		publish(t, b, &semabus.Message{To: "g", Text: "y"}) // some time passes
		if after := stats(t, b, "g"); after.Leased != before || after.Ready == 0 {
			t.Errorf("round %d: %+v after the pause, %d leases when it was answered", round, after, before)
		}
		must(t, b.ResumeGroup(ctx, alice, "", "g"))
	}
	close(stop)
	must(t, g.Wait())
}

// TestPauseLasts over a restart and over a configuration, and each operation happens once.
func TestPauseLasts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, done := open(t, dir)
	ctx := t.Context()
	_, err := b.ConfigureGroup(ctx, alice, "", semabus.GroupConfig{Name: "g", MaxAttempts: 3})
	must(t, err)
	must(t, b.PauseGroup(ctx, alice, "op", "g"))
	if g, err := b.GetGroup(ctx, alice, "g"); err != nil || g.MaxAttempts != 3 || g.Version != 2 {
		t.Errorf("the pause changed the configuration: %+v, %v", g, err)
	}
	_, err = b.ConfigureGroup(ctx, alice, "", semabus.GroupConfig{Name: "g", MaxAttempts: 5})
	must(t, err)
	publish(t, b, &semabus.Message{To: "g", Text: "x"})
	done()

	b, done = open(t, dir)
	defer done()
	if st := stats(t, b, "g"); !st.Paused {
		t.Errorf("after a restart: %+v", st)
	}
	if ds := fetch(t, b, "g"); len(ds) != 0 {
		t.Error("a paused group gave a delivery")
	}
	must(t, b.ResumeGroup(ctx, alice, "", "g"))
	must(t, b.PauseGroup(ctx, alice, "op", "g")) // a repeat of what was done: it does not pause again
	if g, err := b.GetGroup(ctx, alice, "g"); err != nil || g.MaxAttempts != 5 {
		t.Errorf("configuration %+v, %v", g, err)
	}
	one(t, b, "g")
	if err := b.PauseGroup(ctx, alice, "op", "another"); semabus.ReasonOf(err) != semabus.ReasonDuplicateMismatch {
		t.Errorf("the op id of another pause: %v", err)
	}
}

func TestPauseOfWhatCannotBePaused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range []string{"", semabus.GroupDeadLetter, "a\x00b"} {
		err := b.PauseGroup(t.Context(), alice, "", name)
		if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument || e.Field != "name" || e.Fix == "" {
			t.Errorf("%q: %v", name, err)
		}
	}
	must(t, b.PauseGroup(t.Context(), alice, "", "g"))
	if st := stats(t, b, "g"); !st.Paused {
		t.Error("a group that nobody named before is not paused")
	}
	all, err := b.GroupStats(t.Context(), alice, nil)
	must(t, err)
	if len(all) != 1 || !all[0].Paused {
		t.Errorf("a paused group without deliveries is not listed: %+v", all)
	}
	if theirs, err := b.GroupStats(t.Context(), other, []string{"g"}); err != nil || theirs[0].Paused {
		t.Errorf("the group of another tenant: %+v, %v", theirs, err)
	}
}

// TestAgeing: with strict priority the urgent message goes first, with ageing the one that waited.
func TestAgeing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		for group, ageing := range map[string]time.Duration{"strict": 0, "ageing": time.Second} {
			_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: group, Ageing: ageing})
			must(t, err)
			publish(t, b, &semabus.Message{To: group, Text: "low", Priority: 1})
			time.Sleep(5 * time.Second)
			publish(t, b, &semabus.Message{To: group, Text: "high", Priority: 3})
			ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: group, Max: 1})
			must(t, err)
			want := map[string]string{"strict": "high", "ageing": "low"}[group]
			if len(ds) != 1 || ds[0].Message.Text != want {
				t.Errorf("%s: %+v, want %s first", group, ds, want)
			}
		}
	})
}

// TestLeasesThatRunOut cost attempts, and the last one the message: a member that dies of it is not its last victim.
func TestLeasesThatRunOut(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		ctx := t.Context()
		_, err := b.ConfigureGroup(ctx, alice, "", semabus.GroupConfig{Name: "g", MaxAttempts: 2, Lease: time.Second})
		must(t, err)
		r := publish(t, b, &semabus.Message{To: "g", Text: "killer"})
		for attempt := 1; attempt <= 2; attempt++ {
			ds, err := b.Fetch(ctx, alice, bus.FetchRequest{Group: "g", Member: "victim", Wait: time.Minute})
			must(t, err)
			if len(ds) != 1 || ds[0].Attempt != attempt {
				t.Fatalf("attempt %d: %+v", attempt, ds)
			}
			page, _, err := b.Browse(ctx, alice, "g", "", 0)
			must(t, err)
			if len(page) != 1 || page[0].Deliveries[0].Member != "victim" || len(page[0].Deliveries[0].Errors) != attempt-1 {
				t.Errorf("browsed as %+v", page)
			}
		}
		time.Sleep(2 * time.Second)
		if ds := fetch(t, b, "g"); len(ds) != 0 {
			t.Fatalf("a third attempt: %+v", ds)
		}
		l, err := b.DeadLetter(ctx, alice, r.ID, "")
		must(t, err)
		if l.Group != "g" || l.Reason != "ATTEMPTS_EXHAUSTED" || l.Attempts != 2 || len(l.Errors) != 2 {
			t.Errorf("the dead letter is %+v", l)
		}
		// Reserved groups are retried for ever.
		for range 3 {
			ds, err := b.Fetch(ctx, alice, bus.FetchRequest{Group: semabus.GroupDeadLetter, Lease: time.Second, Wait: time.Minute})
			must(t, err)
			if len(ds) != 1 {
				t.Fatal("the dead letter is gone")
			}
		}
	})
}

// TestLeaseOfACallThatWasGivenUp goes back at once and costs no attempt: the call ends after the grant and before the answer.
func TestLeaseOfACallThatWasGivenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	publish(t, b, &semabus.Message{To: "g", Text: "x"})
	ctx := &expiring{Context: t.Context(), left: 1}
	ds, err := b.Fetch(ctx, alice, bus.FetchRequest{Group: "g", Lease: time.Hour})
	if !errors.Is(err, context.Canceled) || len(ds) != 0 {
		t.Fatalf("a call that was given up got %d deliveries, %v", len(ds), err)
	}
	if d := one(t, b, "g"); d.Attempt != 1 {
		t.Errorf("attempt %d", d.Attempt)
	}
}
