package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

// feed publishes "0", "1", … to a group.
func feed(t testing.TB, c *client.Client, group string, n int) {
	t.Helper()
	p, err := c.NewPublisher(client.PublisherOptions{})
	must(t, err)
	for i := range n {
		must(t, p.PublishAsync(t.Context(), to(group, "%d", i), func(_ semabus.Receipt, err error) { must(t, err) }))
	}
	must(t, p.Close())
}

// subscribed is a running Subscribe.
type subscribed struct {
	leave context.CancelFunc
	group errgroup.Group
	wait  func() error
}

// subscribe runs a Subscribe until leave or the test's end.
func subscribe(t testing.TB, c *client.Client, group string, h client.Handler, o client.SubscribeOptions) *subscribed {
	ctx, cancel := context.WithCancel(context.Background())
	s := &subscribed{leave: cancel}
	s.group.Go(func() error { return c.Subscribe(ctx, group, h, o) })
	s.wait = sync.OnceValue(s.group.Wait)
	t.Cleanup(func() {
		cancel()
		s.wait()
	})
	return s
}

// end leaves and waits.
func (s *subscribed) end(t testing.TB) {
	t.Helper()
	s.leave()
	must(t, s.wait())
}

// receive takes one value that must come.
func receive[T any](t testing.TB, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-within(t).Done():
		t.Fatal("it did not come")
	}
	return v
}

func stats(t testing.TB, c *client.Client, group string) semabus.GroupStats {
	t.Helper()
	all, err := c.GroupStats(t.Context(), group)
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("stats of %s: %+v", group, all)
	}
	return all[0]
}

func TestSubscribeHandlesInOrderAndSettles(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	const n = 2000
	feed(t, c, "desk", n)
	var texts []string // one handler at a time
	all := make(chan struct{})
	var settled atomic.Int64
	s := subscribe(t, c, "desk", func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		if texts = append(texts, d.Message.Text); len(texts) == n {
			close(all)
		}
		return semabus.Settlement{Outputs: []*semabus.Message{to("sink", "%s", d.Message.Text)}}, nil
	}, client.SubscribeOptions{Prefetch: 100, OnSettled: func(d *semabus.Delivery, s semabus.Settled, err error) {
		if err != nil || len(s.Outputs) != 1 || d.Message.Text == "" {
			t.Errorf("settled %q: %+v, %v", d.Message.Text, s, err)
		}
		settled.Add(1)
	}})
	receive(t, all)
	s.end(t)
	numbered(t, texts, n)
	if settled.Load() != n {
		t.Errorf("OnSettled heard %d of %d", settled.Load(), n)
	}
	if st := stats(t, c, "desk"); st.Ready+st.Leased+st.Delayed != 0 || st.Settled != n {
		t.Errorf("stats are %+v", st)
	}
	if out := fetchAll(t, c, "sink"); len(out) != n {
		t.Errorf("%d outputs, want %d", len(out), n)
	}
}

func TestConcurrencyIsABound(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	const bound, n = 4, 60
	feed(t, c, "desk", n)
	var running, most, handled atomic.Int64
	full, all := make(chan struct{}), make(chan struct{})
	s := subscribe(t, c, "desk", func(ctx context.Context, _ *semabus.Delivery) (semabus.Settlement, error) {
		now := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		if now == bound && handled.Load() == 0 {
			close(full)
		}
		select {
		case <-full: // the first ones are at work together
		case <-ctx.Done():
		}
		if handled.Add(1) == n {
			close(all)
		}
		return semabus.Settlement{}, nil
	}, client.SubscribeOptions{Concurrency: bound, Prefetch: 8})
	receive(t, all)
	s.end(t)
	if most.Load() != bound {
		t.Errorf("%d handlers at the same time, want %d", most.Load(), bound)
	}
}

func TestBytesAreABound(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	const n = 6
	for range n {
		_, err := c.Publish(t.Context(), &semabus.Message{To: "desk", Text: "large", Payload: make([]byte, 600<<10)})
		must(t, err)
	}
	var running, most, handled atomic.Int64
	all := make(chan struct{})
	s := subscribe(t, c, "desk", func(context.Context, *semabus.Delivery) (semabus.Settlement, error) {
		now := running.Add(1)
		defer running.Add(-1)
		most.Store(max(most.Load(), now))
		if handled.Add(1) == n {
			close(all)
		}
		return semabus.Settlement{}, nil
	}, client.SubscribeOptions{Concurrency: n, Bytes: 1000})
	receive(t, all)
	s.end(t)
	if most.Load() != 1 {
		t.Errorf("%d handlers held 600 KiB each, though 1,000 bytes allow one delivery", most.Load())
	}
}

func TestNoPrefetchLeavesWorkToOthers(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	busy := make(chan struct{})
	begun := make(chan struct{}, 8)
	s := subscribe(t, c, "desk", func(ctx context.Context, _ *semabus.Delivery) (semabus.Settlement, error) {
		begun <- struct{}{}
		select {
		case <-busy:
		case <-ctx.Done():
		}
		return semabus.Settlement{}, nil
	}, client.SubscribeOptions{})
	feed(t, c, "desk", 3)
	receive(t, begun)
	if rest := fetchAll(t, c, "desk"); len(rest) != 2 {
		t.Errorf("another member finds %q, want the two that are not worked on", rest)
	}
	close(busy)
	s.end(t)
}

// A handler that works longer than the lease keeps it; the wait of a second is the other member's, at the node.
func TestLeaseIsRenewedWhileTheHandlerWorks(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	feed(t, c, "desk", 1)
	begun, finish := make(chan struct{}), make(chan struct{})
	results := make(chan error, 1)
	s := subscribe(t, c, "desk", func(ctx context.Context, _ *semabus.Delivery) (semabus.Settlement, error) {
		close(begun)
		select {
		case <-finish:
			return semabus.Settlement{}, nil
		case <-ctx.Done():
			return semabus.Settlement{}, ctx.Err()
		}
	}, client.SubscribeOptions{Lease: 300 * time.Millisecond, OnSettled: func(_ *semabus.Delivery, _ semabus.Settled, err error) { results <- err }})
	receive(t, begun)
	ds, err := c.Fetch(t.Context(), "desk", client.FetchOptions{Wait: time.Second})
	must(t, err)
	if len(ds) != 0 {
		t.Fatal("the lease ran out under a working handler")
	}
	close(finish)
	must(t, receive(t, results))
	s.end(t)
}

func TestHandlerHearsThatItsLeaseIsLost(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	feed(t, c, "desk", 1)
	tokens := make(chan []byte, 1)
	causes := make(chan error, 1)
	s := subscribe(t, c, "desk", func(ctx context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		tokens <- d.Lease.Token
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return semabus.Settlement{}, nil
	}, client.SubscribeOptions{Lease: 300 * time.Millisecond})
	errs, err := c.Extend(t.Context(), client.Extension{Token: receive(t, tokens)}) // an operator gives it back
	must(t, err)
	must(t, errs[0])
	ds, err := c.Fetch(t.Context(), "desk", client.FetchOptions{Wait: 30 * time.Second})
	must(t, err)
	if len(ds) != 1 {
		t.Fatal("the delivery did not come back")
	}
	is(t, receive(t, causes), semabus.CodeFailedPrecondition, semabus.ReasonStaleLease)
	rs, err := c.Settle(t.Context(), semabus.Settlement{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone})
	must(t, err)
	must(t, rs[0].Err)
	s.end(t)
	if n := c.Stats().Redelivered; n != 1 {
		t.Errorf("%d settlements too late, want 1", n)
	}
}

// TestLostAnswerCounts: the node settled, and nobody heard it. Settling again after the reconnect is not a failure: the
// delivery is reported settled, once, as a duplicate.
func TestLostAnswerCounts(t *testing.T) {
	t.Parallel()
	srv, c := setup(t)
	feed(t, c, "desk", 1)
	w := &wire{}
	lost := srv.dial(t, client.Options{Connect: w.connect})
	type outcome struct {
		done semabus.Settled
		err  error
	}
	settled := make(chan outcome, 8)
	s := subscribe(t, lost, "desk", func(context.Context, *semabus.Delivery) (semabus.Settlement, error) {
		w.deafen()
		return semabus.Settlement{Outcome: semabus.SettleDone}, nil
	}, client.SubscribeOptions{OnSettled: func(_ *semabus.Delivery, done semabus.Settled, err error) { settled <- outcome{done, err} }})
	for { // until the node has the settlement
		st, err := c.GroupStats(t.Context(), "desk")
		must(t, err)
		if len(st) == 1 && st[0].Settled == 1 {
			break
		}
	}
	w.cut(false)
	if o := receive(t, settled); o.err != nil || !o.done.Duplicate {
		t.Errorf("the settlement ended with %+v", o)
	}
	s.end(t)
	if n := lost.Stats().Redelivered; n != 0 || len(settled) > 0 {
		t.Errorf("%d settled too late, %d reported again", n, len(settled))
	}
}

func TestKilledConnectionHandsWorkOver(t *testing.T) {
	t.Parallel()
	srv, c := setup(t)
	_, err := c.ConfigureGroup(t.Context(), semabus.GroupConfig{Name: "desk", Grace: 100 * time.Millisecond, Lease: time.Hour})
	must(t, err)
	feed(t, c, "desk", 1)
	w := &wire{}
	lost := srv.dial(t, client.Options{Connect: w.connect})
	begun, causes := make(chan struct{}), make(chan error, 1)
	first := subscribe(t, lost, "desk", func(ctx context.Context, _ *semabus.Delivery) (semabus.Settlement, error) {
		close(begun)
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return semabus.Settlement{Outputs: []*semabus.Message{to("sink", "too late")}}, nil
	}, client.SubscribeOptions{})
	receive(t, begun)
	w.cut(true)
	taken := make(chan *semabus.Delivery, 1)
	second := subscribe(t, c, "desk", func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		taken <- d
		return semabus.Settlement{Outputs: []*semabus.Message{to("sink", "done")}}, nil
	}, client.SubscribeOptions{})
	if d := receive(t, taken); d.Attempt != 2 || d.Message.Text != "0" { // the grace of the first one's lease ran out
		t.Errorf("the other member got %+v", d)
	}
	w.up() // the first one comes back and hears that it is not its work any more
	is(t, receive(t, causes), semabus.CodeFailedPrecondition, semabus.ReasonStaleLease)
	first.end(t)
	second.end(t)
	if out := fetchAll(t, c, "sink"); !slices.Equal(out, []string{"done"}) {
		t.Errorf("effects: %q", out)
	}
}

// A short cut costs nothing: the handler goes on and settles on the next connection.
func TestWorkGoesOnOverACut(t *testing.T) {
	t.Parallel()
	srv, c := setup(t)
	_, err := c.ConfigureGroup(t.Context(), semabus.GroupConfig{Name: "desk", Grace: 30 * time.Second})
	must(t, err)
	feed(t, c, "desk", 1)
	w := &wire{}
	mine := srv.dial(t, client.Options{Connect: w.connect})
	begun, finish := make(chan struct{}), make(chan struct{})
	results := make(chan error, 1)
	s := subscribe(t, mine, "desk", func(ctx context.Context, _ *semabus.Delivery) (semabus.Settlement, error) {
		close(begun)
		select {
		case <-finish:
			return semabus.Settlement{}, nil
		case <-ctx.Done():
			return semabus.Settlement{}, context.Cause(ctx)
		}
	}, client.SubscribeOptions{OnSettled: func(_ *semabus.Delivery, _ semabus.Settled, err error) { results <- err }})
	receive(t, begun)
	w.cut(false)
	close(finish)
	must(t, receive(t, results))
	s.end(t)
	if st := mine.Stats(); st.Disconnects != 1 || st.Redelivered != 0 {
		t.Errorf("stats are %+v", st)
	}
}

// Connections break in the middle of frames in both directions: every message has exactly one effect.
func TestCutConnectionsDoNothingTwice(t *testing.T) {
	t.Parallel()
	srv, c := setup(t)
	const seed, cuts, n = 7, 50, 3000
	_, err := c.ConfigureGroup(t.Context(), semabus.GroupConfig{Name: "desk", Grace: 50 * time.Millisecond})
	must(t, err)
	feed(t, c, "desk", n)
	w := &wire{budget: lottery(seed, 600, 24_000)}
	mine := srv.dial(t, client.Options{Connect: w.connect, Clock: hasty{}})
	s := subscribe(t, mine, "desk", func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		return semabus.Settlement{OpID: "effect/" + d.Message.ID, Outputs: []*semabus.Message{to("sink", "%s", d.Message.Text)}}, nil
	}, client.SubscribeOptions{Concurrency: 8, Prefetch: 8})
	seen := map[string]int{}
	sink := subscribe(t, c, "sink", func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		seen[d.Message.Text]++ // one handler at a time
		return semabus.Settlement{}, nil
	}, client.SubscribeOptions{})
	for ctx := within(t); stats(t, c, "desk").Settled < n; {
		must(t, ctx.Err())
	}
	s.leave()
	for ctx := within(t); stats(t, c, "sink").Settled < n; {
		must(t, ctx.Err())
	}
	sink.end(t)
	t.Logf("seed %d: %d cuts, %+v", seed, w.cuts.Load(), mine.Stats())
	if w.cuts.Load() < cuts {
		t.Errorf("only %d cuts", w.cuts.Load())
	}
	for i := range n {
		if k := seen[fmt.Sprint(i)]; k != 1 {
			t.Errorf("message %d had %d effects", i, k)
		}
	}
}

func TestDrainFinishesWhatRunsAndGivesBackWhatWaits(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*client.Client, *subscribed){
		"ctx":   func(_ *client.Client, s *subscribed) { s.leave() },
		"close": func(c *client.Client, _ *subscribed) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, c := setup(t)
			feed(t, c, "desk", 5)
			begun, finish := make(chan struct{}), make(chan struct{})
			mine := srv.dial(t, client.Options{})
			s := subscribe(t, mine, "desk", func(ctx context.Context, _ *semabus.Delivery) (semabus.Settlement, error) {
				close(begun)
				select {
				case <-finish:
					return semabus.Settlement{Outputs: []*semabus.Message{to("sink", "done")}}, nil
				case <-ctx.Done():
					return semabus.Settlement{}, ctx.Err()
				}
			}, client.SubscribeOptions{Prefetch: 4, Grace: patience})
			receive(t, begun)
			var ending errgroup.Group
			ending.Go(func() error {
				end(mine, s)
				return nil
			})
			ending.Go(func() error { // what waits is back before the handler is done
				for ctx := within(t); stats(t, c, "desk").Leased > 0; {
					ds, err := c.Fetch(ctx, "desk", client.FetchOptions{Max: 10, Wait: time.Second})
					if err != nil {
						return err
					}
					for _, d := range ds {
						if d.Attempt != 1 {
							return fmt.Errorf("attempt %d: giving back cost one", d.Attempt)
						}
						if _, err := c.Settle(ctx, semabus.Settlement{Token: d.Lease.Token, Outcome: semabus.SettleDone}); err != nil {
							return err
						}
					}
					if stats(t, c, "desk").Settled == 4 {
						close(finish)
						return nil
					}
				}
				return errors.New("the handler's lease is gone")
			})
			must(t, ending.Wait())
			must(t, s.wait())
			if st := stats(t, c, "desk"); st.Settled != 5 || st.Ready+st.Leased != 0 {
				t.Errorf("stats are %+v", st)
			}
			if out := fetchAll(t, c, "sink"); len(out) != 1 {
				t.Errorf("effects: %q", out)
			}
		})
	}
}

func TestGraceEndsAndCostsNoAttempt(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	feed(t, c, "desk", 1)
	begun := make(chan struct{})
	s := subscribe(t, c, "desk", func(ctx context.Context, _ *semabus.Delivery) (semabus.Settlement, error) {
		close(begun)
		<-ctx.Done()
		return semabus.Settlement{}, ctx.Err()
	}, client.SubscribeOptions{Grace: time.Millisecond})
	receive(t, begun)
	s.end(t)
	ds, err := c.Fetch(within(t), "desk", client.FetchOptions{Wait: 30 * time.Second})
	must(t, err)
	if len(ds) != 1 || ds[0].Attempt != 1 {
		t.Errorf("after the grace: %+v", ds)
	}
}

func TestEndWithoutNodeDoesNotHang(t *testing.T) {
	t.Parallel()
	srv, c := setup(t)
	feed(t, c, "desk", 1)
	w := &wire{}
	mine := srv.dial(t, client.Options{Connect: w.connect})
	begun, finish := make(chan struct{}), make(chan struct{})
	s := subscribe(t, mine, "desk", func(context.Context, *semabus.Delivery) (semabus.Settlement, error) {
		close(begun)
		<-finish
		return semabus.Settlement{}, nil
	}, client.SubscribeOptions{})
	receive(t, begun)
	w.cut(true)
	s.leave()
	close(finish)
	if e := is(t, s.wait(), semabus.CodeUnavailable, semabus.ReasonEngineUnavailable); !strings.HasPrefix(e.Value, "1 settlements") {
		t.Errorf("value is %q", e.Value)
	}
}

// failing settles its first delivery in one of the ways to fail and reports what it gets.
func TestFailures(t *testing.T) {
	t.Parallel()
	quick := time.Millisecond
	for name, c := range map[string]struct {
		fail    func() (semabus.Settlement, error)
		attempt int    // of the next delivery; 0 = there is none
		says    string // in the history
		result  string // reason that OnSettled hears
	}{
		"error":    {func() (semabus.Settlement, error) { return semabus.Settlement{RetryAfter: quick}, errors.New("no ink") }, 2, "no ink", ""},
		"panic":    {func() (semabus.Settlement, error) { panic("boom") }, 2, "panic: boom", ""},
		"bad utf8": {func() (semabus.Settlement, error) { return semabus.Settlement{}, errors.New("no \xff ink") }, 2, "no  ink", ""},
		"outputs of a failure": {func() (semabus.Settlement, error) {
			return semabus.Settlement{Outputs: []*semabus.Message{to("sink", "half")}}, errors.New("half done")
		}, 2, "half done", ""},
		"throttled": {func() (semabus.Settlement, error) {
			return semabus.Settlement{}, &semabus.Error{Code: semabus.CodeResourceExhausted, Reason: "BUSY", RetryAfter: quick, Fix: "wait"}
		}, 1, "BUSY", ""},
		"outcome of one's own": {func() (semabus.Settlement, error) {
			return semabus.Settlement{Outcome: semabus.SettleThrottled, RetryAfter: quick}, errors.New("later")
		}, 1, "later", ""},
		"poison": {func() (semabus.Settlement, error) {
			return semabus.Settlement{Outcome: semabus.SettlePoison}, errors.New("never")
		}, 0, "never", ""},
		"not for me": {func() (semabus.Settlement, error) { return semabus.Settlement{Outcome: semabus.SettleNotForMe}, nil }, 0, "", ""},
		"refused by the node": {func() (semabus.Settlement, error) {
			return semabus.Settlement{Outputs: []*semabus.Message{to("$dlq", "x")}}, nil
		}, 2, "$dlq", semabus.ReasonInvalidValue},
		"no output": {func() (semabus.Settlement, error) {
			return semabus.Settlement{Outputs: []*semabus.Message{nil}}, nil
		}, 2, "REQUIRED", ""},
		"negative ttl": {func() (semabus.Settlement, error) {
			return semabus.Settlement{Outputs: []*semabus.Message{{To: "sink", Text: "x", TTL: -1}}}, nil
		}, 2, "ttl", ""},
		"unknown outcome": {func() (semabus.Settlement, error) { return semabus.Settlement{Outcome: 77}, nil }, 2, "outcome", ""},
		"sessions": {func() (semabus.Settlement, error) {
			return semabus.Settlement{Appends: []semabus.Append{{Session: "s"}}}, nil
		}, 2, "NOT_BUILT", semabus.ReasonNotBuilt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, cl := setup(t)
			_, err := cl.ConfigureGroup(t.Context(), semabus.GroupConfig{Name: "desk", RetryBase: quick, RetryCap: quick})
			must(t, err)
			r, err := cl.Publish(t.Context(), to("desk", "work"))
			must(t, err)
			results := make(chan error, 4)
			again := make(chan int, 4)
			first := true // one handler at a time
			s := subscribe(t, cl, "desk", func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
				if first {
					first = false
					return c.fail()
				}
				again <- d.Attempt
				return semabus.Settlement{}, nil
			}, client.SubscribeOptions{OnSettled: func(_ *semabus.Delivery, _ semabus.Settled, err error) { results <- err }})
			if got := semabus.ReasonOf(receive(t, results)); got != c.result {
				t.Errorf("OnSettled heard %q, want %q", got, c.result)
			}
			if c.attempt > 0 {
				if got := receive(t, again); got != c.attempt {
					t.Errorf("the next attempt is number %d, want %d", got, c.attempt)
				}
				must(t, receive(t, results))
			}
			s.end(t)
			why, err := cl.Why(t.Context(), r.ID, "desk")
			must(t, err)
			history := strings.Join(why.Deliveries[0].Errors, "\n")
			if !strings.Contains(history, c.says) || c.says == "" && history != "" {
				t.Errorf("the history says %q, want %q", history, c.says)
			}
			if out := fetchAll(t, cl, "sink"); len(out) != 0 {
				t.Errorf("a failed delivery had effects: %q", out)
			}
		})
	}
}

func TestSubscribersSurviveARestart(t *testing.T) {
	t.Parallel()
	srv, c := setup(t)
	const n = 300
	feed(t, c, "desk", n)
	seen := make(chan string, 4*n)
	s := subscribe(t, c, "desk", func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		seen <- d.Message.Text
		return semabus.Settlement{OpID: d.Message.ID, Outputs: []*semabus.Message{to("sink", "%s", d.Message.Text)}}, nil
	}, client.SubscribeOptions{Concurrency: 4})
	for range 20 {
		receive(t, seen)
	}
	srv.restart(t)
	for ctx := within(t); ; must(t, ctx.Err()) {
		if st := stats(t, c, "desk"); st.Ready+st.Delayed+st.Leased == 0 {
			break
		}
	}
	s.end(t)
	out := fetchAll(t, c, "sink")
	slices.Sort(out)
	if len(slices.Compact(out)) != n || len(out) != n {
		t.Errorf("%d effects of %d messages", len(out), n)
	}
}

func TestFetchSettleExtend(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	feed(t, c, "desk", 3)
	ds, err := c.Fetch(t.Context(), "desk", client.FetchOptions{Max: 2, Member: "script"})
	must(t, err)
	if len(ds) != 2 {
		t.Fatalf("%d deliveries, want 2", len(ds))
	}
	errs, err := c.Extend(t.Context(), client.Extension{Token: ds[0].Lease.Token, For: time.Hour}, client.Extension{Token: []byte("no lease"), For: time.Hour})
	must(t, err)
	if errs[0] != nil || errs[1] == nil {
		t.Errorf("extend: %v", errs)
	}
	done := semabus.Settlement{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone}
	rs, err := c.Settle(t.Context(), done, semabus.Settlement{Token: []byte("no lease"), Outcome: semabus.SettleDone})
	must(t, err)
	if rs[0].Err != nil || rs[1].Err == nil {
		t.Errorf("settle: %+v", rs)
	}
	rs, err = c.Settle(t.Context(), done)
	must(t, err)
	is(t, rs[0].Err, semabus.CodeFailedPrecondition, semabus.ReasonAlreadySettled)
	_, err = c.Settle(t.Context(), semabus.Settlement{Outputs: []*semabus.Message{nil}})
	is(t, err, semabus.CodeInvalidArgument, semabus.ReasonRequired)
}
