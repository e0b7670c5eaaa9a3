package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/internal/node"
)

func TestEveryFieldOfAMessageTravels(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	at := time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
	m := &semabus.Message{
		ID: "m-1", Type: "com.example.refund", Subject: "order 7", Time: at, To: "desk", Payload: []byte{0, 1, 0xff},
		ContentType: "application/octet-stream", Text: "请退款", Parts: []semabus.Part{{MediaType: "text/plain", Text: "part"}},
		Headers: map[string]string{"lang": "zh"}, Audience: []string{"desk"}, Session: "s-1", InReplyTo: "m-0", Priority: 7, Cost: 2.5,
		DedupKey: "k-1", Deadline: at.Add(time.Hour), TTL: time.Hour, ReplyTo: "answers",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=b",
	}
	before := *m
	r, err := c.Publish(t.Context(), m)
	must(t, err)
	if r.ID != "m-1" || !r.Final || r.Outcome != semabus.OutcomeMatched || !slices.Equal(r.Groups, []string{"desk"}) || len(r.Position) == 0 {
		t.Errorf("receipt is %+v", r)
	}
	if diff := cmp.Diff(&before, m); diff != "" {
		t.Errorf("Publish changed its message (-before +after):\n%s", diff)
	}
	ds, err := c.Fetch(t.Context(), "desk", client.FetchOptions{})
	must(t, err)
	if len(ds) != 1 {
		t.Fatalf("%d deliveries, want 1", len(ds))
	}
	opts := []cmp.Option{cmpopts.IgnoreFields(semabus.Message{}, "Source", "Root", "TraceParent", "TraceState")}
	if diff := cmp.Diff(m, ds[0].Message, opts...); diff != "" {
		t.Errorf("the message changed on its way (-want +got):\n%s", diff)
	}
	if d := ds[0]; d.Attempt != 1 || d.Group != "desk" || d.Match.Reason != semabus.MatchAddress || len(d.Lease.Token) == 0 || d.Lease.Expires.IsZero() {
		t.Errorf("delivery is %+v", d)
	}
}

func TestConcurrentCallersShareStreams(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	const callers, each = 64, 50
	var g errgroup.Group
	for i := range callers {
		g.Go(func() error {
			m := &semabus.Message{To: "desk"} // reused: Publish keeps nothing of it
			for k := range each {
				m.Text = fmt.Sprintf("%d/%d", i, k)
				if r, err := c.Publish(t.Context(), m); err != nil || r.DuplicateOf != "" {
					return fmt.Errorf("%+v: %w", r, err)
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	next := map[string]int{}
	for _, text := range fetchAll(t, c, "desk") {
		caller, k, _ := strings.Cut(text, "/")
		if k != strconv.Itoa(next[caller]) {
			t.Fatalf("caller %s: message %s when %d was due", caller, k, next[caller])
		}
		next[caller]++
	}
	for i := range callers {
		if n := next[strconv.Itoa(i)]; n != each {
			t.Errorf("caller %d: %d messages arrived, want %d", i, n, each)
		}
	}
}

func TestPublisherKeepsOrder(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	p, err := c.NewPublisher(client.PublisherOptions{Window: 100})
	must(t, err)
	const n = 5000
	var answered []string // by one goroutine
	for i := range n {
		must(t, p.PublishAsync(t.Context(), to("desk", "%d", i), func(r semabus.Receipt, err error) {
			answered = append(answered, r.ID)
			if err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		}))
	}
	must(t, p.Flush(within(t)))
	if len(answered) != n {
		t.Fatalf("%d of %d are answered after Flush", len(answered), n)
	}
	must(t, p.Close())
	must(t, p.Close())
	is(t, p.PublishAsync(t.Context(), to("desk", "late"), func(semabus.Receipt, error) {}), semabus.CodeUnavailable, semabus.ReasonShuttingDown)
	numbered(t, fetchAll(t, c, "desk"), n)
}

// The frames are made by hand: what they carry must be what the contract's own encoder would.
func TestLargeMessagesTravelAlone(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	p, err := c.NewPublisher(client.PublisherOptions{})
	must(t, err)
	sizes := []int{10, 700 << 10, 700 << 10, 3 << 20, 20, 400 << 10, 400 << 10, 400 << 10}
	for i, size := range sizes {
		m := to("desk", "%d", i)
		m.Payload = make([]byte, size)
		must(t, p.PublishAsync(t.Context(), m, func(_ semabus.Receipt, err error) {
			if err != nil {
				t.Errorf("%d bytes: %v", size, err)
			}
		}))
	}
	must(t, p.Close())
	numbered(t, fetchAll(t, c, "desk"), len(sizes))
}

func TestErrorsAreTheNodes(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	long := to("desk", "x")
	long.ID = strings.Repeat("i", 10<<10)
	big := to("desk", "x")
	big.Payload = make([]byte, 10<<20)
	huge := to("desk", "x")
	huge.Payload = make([]byte, 40<<20)
	urgent := to("desk", "x")
	urgent.Priority = 99
	for name, m := range map[string]*semabus.Message{"id of 10 KB": long, "10 MB": big, "priority 99": urgent, "reserved": to("$dlq", "x")} {
		_, stream := c.Publish(t.Context(), m)
		_, unary := c.Publish(t.Context(), m, client.OpID("op"))
		e, ok := semabus.AsError(stream)
		if !ok || e.Code != semabus.CodeInvalidArgument || e.Fix == "" {
			t.Errorf("%s: error is %v", name, stream)
			continue
		}
		other, _ := semabus.AsError(unary)
		if diff := cmp.Diff(other, e, cmpopts.IgnoreFields(semabus.Error{}, "Err", "Op")); diff != "" {
			t.Errorf("%s: the stream's error differs from the request's (-request +stream):\n%s", name, diff)
		}
	}
	_, err := c.Publish(t.Context(), huge)
	if e := is(t, err, semabus.CodeInvalidArgument, semabus.ReasonTooLarge); e.Limit != "4194304 bytes" {
		t.Errorf("limit is %q", e.Limit)
	}
	_, err = c.Publish(t.Context(), nil)
	is(t, err, semabus.CodeInvalidArgument, semabus.ReasonRequired)
	for field, m := range map[string]*semabus.Message{
		"message.text":    {To: "desk", Text: "a\xffb"},
		"message.headers": {To: "desk", Headers: map[string]string{"k": "\xff"}},
	} {
		_, err = c.Publish(t.Context(), m)
		if e := is(t, err, semabus.CodeInvalidArgument, semabus.ReasonInvalidUTF8); e.Field != field {
			t.Errorf("field is %q, want %q", e.Field, field)
		}
	}
	if _, err = c.Publish(t.Context(), to("desk", "still here")); err != nil {
		t.Errorf("after refused messages the stream is of no use: %v", err)
	}
	if texts := fetchAll(t, c, "desk"); len(texts) != 1 {
		t.Errorf("refused messages were stored: %q", texts)
	}
}

func TestConditionsOfAPublish(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	_, err := c.Publish(t.Context(), &semabus.Message{Text: "nobody wants this"}, client.Expect(semabus.ExpectAtLeastOne))
	is(t, err, semabus.CodeFailedPrecondition, semabus.ReasonNoMatch)
	_, err = c.Publish(t.Context(), to("desk", "x"), client.MinRegistryVersion(1<<40))
	is(t, err, semabus.CodeFailedPrecondition, semabus.ReasonRegistryBehind)
	r, err := c.Publish(t.Context(), to("desk", "x"), client.Async())
	must(t, err)
	if r.Final || r.ID == "" {
		t.Errorf("receipt of an asynchronous publish is %+v", r)
	}
	first, err := c.Publish(t.Context(), to("desk", "once"), client.OpID("op-1"))
	must(t, err)
	again, err := c.Publish(t.Context(), to("desk", "once"), client.OpID("op-1"))
	must(t, err)
	if again.ID != first.ID || again.DuplicateOf != first.ID {
		t.Errorf("a repeated op id gives %+v, want a duplicate of %s", again, first.ID)
	}
	p, err := c.NewPublisher(client.PublisherOptions{Expect: semabus.ExpectExactlyOne})
	must(t, err)
	_, err = p.Publish(t.Context(), &semabus.Message{Text: "nobody wants this"})
	is(t, err, semabus.CodeFailedPrecondition, semabus.ReasonNoMatch)
	_, err = c.NewPublisher(client.PublisherOptions{Expect: semabus.ExpectExactlyOne, Async: true})
	is(t, err, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue)
}

func TestSecondMessageOfAKeyIsADuplicate(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	m := to("desk", "pay order 7")
	m.DedupKey = "order-7"
	first, err := c.Publish(t.Context(), m)
	must(t, err)
	second, err := c.Publish(t.Context(), m)
	must(t, err)
	if second.DuplicateOf != first.ID {
		t.Errorf("receipt is %+v, want a duplicate of %s", second, first.ID)
	}
	m.Text = "pay order 8"
	_, err = c.Publish(t.Context(), m)
	is(t, err, semabus.CodeAlreadyExists, semabus.ReasonDuplicateMismatch)
}

func TestNamedProducerGoesOn(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	publish := func(after uint64, text string) semabus.Receipt {
		p, err := c.NewPublisher(client.PublisherOptions{Producer: "journal", After: after})
		must(t, err)
		defer p.Close()
		r, err := p.Publish(t.Context(), to("desk", "%s", text))
		must(t, err)
		return r
	}
	first := publish(0, "one")
	if again := publish(0, "one"); again.DuplicateOf != first.ID {
		t.Errorf("sequence 1 again gives %+v, want a duplicate of %s", again, first.ID)
	}
	if second := publish(1, "two"); second.DuplicateOf != "" {
		t.Errorf("sequence 2 is a duplicate: %+v", second)
	}
	if texts := fetchAll(t, c, "desk"); !slices.Equal(texts, []string{"one", "two"}) {
		t.Errorf("stored: %q", texts)
	}
}

func TestWindowHoldsBack(t *testing.T) {
	t.Parallel()
	s := serve(t)
	w := &wire{}
	w.cut(true) // nothing is acknowledged
	c := s.dial(t, client.Options{Connect: w.connect})
	p, err := c.NewPublisher(client.PublisherOptions{Window: 2})
	must(t, err)
	var done atomic.Int64
	heard := func(_ semabus.Receipt, err error) {
		if err == nil {
			done.Add(1)
		}
	}
	must(t, p.PublishAsync(t.Context(), to("desk", "0"), heard))
	must(t, p.PublishAsync(t.Context(), to("desk", "1"), heard))
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	is(t, p.PublishAsync(short, to("desk", "none"), heard), semabus.CodeDeadlineExceeded, "DEADLINE_EXCEEDED")
	var g errgroup.Group
	for i := 2; i < 6; i++ {
		g.Go(func() error { return p.PublishAsync(within(t), to("desk", "later"), heard) })
	}
	w.up()
	must(t, g.Wait()) // room came back, and nobody was forgotten
	must(t, p.Close())
	if n := done.Load(); n != 6 {
		t.Errorf("%d messages are acknowledged, want 6", n)
	}
	if texts := fetchAll(t, c, "desk"); len(texts) != 6 {
		t.Errorf("stored: %q", texts)
	}
}

// What nobody waits for any more is not sent again; it may have been stored the first time.
func TestAbandonedMessageIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := serve(t)
	w := &wire{}
	c := s.dial(t, client.Options{Connect: w.connect})
	_, err := c.Publish(t.Context(), to("desk", "0"))
	must(t, err)
	w.deafen()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Publish(short, to("desk", "1"))
	is(t, err, semabus.CodeDeadlineExceeded, "DEADLINE_EXCEEDED")
	w.cut(false)
	_, err = c.Publish(t.Context(), to("desk", "2"))
	must(t, err)
	if n := c.Stats().Resent; n != 0 {
		t.Errorf("%d messages were sent again", n)
	}
	texts := fetchAll(t, c, "desk")
	slices.Sort(texts)
	numbered(t, texts, 3)
}

// 200 connections break in the middle of what they carry; nothing is lost, doubled or out of order.
func TestCutConnectionsLoseNothing(t *testing.T) {
	t.Parallel()
	const seed, cuts = 1, 200
	s := serve(t)
	w := &wire{budget: lottery(seed, 400, 24_000)}
	c := s.dial(t, client.Options{Connect: w.connect, Clock: hasty{}, Drain: 50 * patience})
	p, err := c.NewPublisher(client.PublisherOptions{Window: 64})
	must(t, err)
	ids := map[string]bool{} // by one goroutine
	n := 0
	for ctx := within(t); w.cuts.Load() < cuts; n++ {
		i := n
		must(t, p.PublishAsync(ctx, to("desk", "%d", i), func(r semabus.Receipt, err error) {
			if err != nil || ids[r.ID] || r.DuplicateOf != "" {
				t.Errorf("message %d: %+v, %v", i, r, err)
			}
			ids[r.ID] = true
		}))
	}
	must(t, p.Close())
	if len(ids) != n {
		t.Errorf("%d receipts for %d messages", len(ids), n)
	}
	stats := c.Stats()
	t.Logf("seed %d: %d messages over %d cuts, %d sent again, %d disconnects seen", seed, n, w.cuts.Load(), stats.Resent, stats.Disconnects)
	if stats.Resent == 0 || stats.Disconnects == 0 {
		t.Errorf("the cuts hit nothing: %+v", stats)
	}
	numbered(t, fetchAll(t, s.dial(t, client.Options{}), "desk"), n)
}

func TestRestartedNodeLosesNothing(t *testing.T) {
	t.Parallel()
	s, c := setup(t)
	const publishers, restarts = 8, 3
	var stored atomic.Int64
	ctx, stop := context.WithCancel(within(t))
	defer stop()
	var g errgroup.Group
	for i := range publishers {
		g.Go(func() error {
			for k := 0; ctx.Err() == nil; k++ {
				if _, err := c.Publish(t.Context(), to("desk", "%d/%d", i, k)); err != nil {
					return err
				}
				stored.Add(1)
			}
			return nil
		})
	}
	for range restarts {
		for before := stored.Load(); stored.Load() < before+100; {
			if ctx.Err() != nil {
				t.Fatal("publishing does not go on")
			}
		}
		s.restart(t)
	}
	stop()
	must(t, g.Wait())
	texts := fetchAll(t, c, "desk")
	seen := map[string]bool{}
	for _, text := range texts {
		if seen[text] {
			t.Errorf("%s was stored twice", text)
		}
		seen[text] = true
	}
	if int64(len(seen)) != stored.Load() {
		t.Errorf("%d acknowledged, %d stored", stored.Load(), len(seen))
	}
	if d := c.Stats().Disconnects; d < restarts {
		t.Errorf("%d disconnects seen, want %d or more", d, restarts)
	}
}

func TestPatience(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]client.Options{"none": {Patience: -1}, "a little": {Patience: 50 * time.Millisecond}} {
		c, err := client.Dial(t.Context(), "127.0.0.1:1", o)
		must(t, err)
		t.Cleanup(func() { c.Close() })
		_, err = c.Publish(within(t), to("desk", "x"))
		is(t, err, semabus.CodeUnavailable, semabus.ReasonEngineUnavailable)
		_, err = c.Match(within(t), "x", 0)
		is(t, err, semabus.CodeUnavailable, semabus.ReasonEngineUnavailable)
		err = c.Subscribe(within(t), "desk", nothing, client.SubscribeOptions{})
		if e := is(t, err, semabus.CodeUnavailable, semabus.ReasonEngineUnavailable); e.Op == "" {
			t.Errorf("%s: %v does not say what failed", name, err)
		}
	}
	c, err := client.Dial(t.Context(), "127.0.0.1:1", client.Options{})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = c.Publish(ctx, to("desk", "x"))
	is(t, err, semabus.CodeDeadlineExceeded, "DEADLINE_EXCEEDED")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not wrap the context's error", err)
	}
	must(t, c.Close()) // the message was never sent: there is nothing to wait for
}

func TestCloseDrainsPublishes(t *testing.T) {
	t.Parallel()
	s, c := setup(t)
	const n = 2000
	var acked atomic.Int64
	for i := range n {
		must(t, c.PublishAsync(t.Context(), to("desk", "%d", i), func(_ semabus.Receipt, err error) {
			if err == nil {
				acked.Add(1)
			}
		}))
	}
	must(t, c.Close())
	must(t, c.Close())
	if acked.Load() != n {
		t.Errorf("%d of %d acknowledged when Close returned", acked.Load(), n)
	}
	_, err := c.Publish(t.Context(), to("desk", "late"))
	is(t, err, semabus.CodeUnavailable, semabus.ReasonShuttingDown)
	is(t, c.Subscribe(t.Context(), "desk", nothing, client.SubscribeOptions{}), semabus.CodeUnavailable, semabus.ReasonShuttingDown)
	if texts := fetchAll(t, s.dial(t, client.Options{}), "desk"); len(texts) != n {
		t.Errorf("%d of %d stored", len(texts), n)
	}
}

func TestCloseWithoutNodeAnswersEverybody(t *testing.T) {
	t.Parallel()
	c, err := client.Dial(t.Context(), "127.0.0.1:1", client.Options{Drain: 10 * time.Millisecond})
	must(t, err)
	var unanswered sync.WaitGroup
	for range 10 {
		unanswered.Add(1)
		must(t, c.PublishAsync(t.Context(), to("desk", "x"), func(_ semabus.Receipt, err error) {
			is(t, err, semabus.CodeUnavailable, semabus.ReasonShuttingDown)
			unanswered.Done()
		}))
	}
	if e := is(t, c.Close(), semabus.CodeUnavailable, semabus.ReasonShuttingDown); !strings.HasPrefix(e.Value, "10 messages") {
		t.Errorf("value is %q", e.Value)
	}
	unanswered.Wait()
}

func TestWrongKeyIsNotWaitedOut(t *testing.T) {
	t.Parallel()
	s := serve(t)
	keys, err := node.OpenKeys(s.config.Data, semabus.SystemClock{})
	must(t, err)
	secret, _, err := keys.Create(t.Context(), "t", "pub", "", semabus.RolePublisher)
	must(t, err)
	s.restart(t)
	right := s.dial(t, client.Options{APIKey: secret})
	_, err = right.Publish(within(t), to("desk", "x"))
	must(t, err)
	is(t, right.Subscribe(within(t), "desk", nothing, client.SubscribeOptions{}), semabus.CodePermissionDenied, semabus.ReasonNotPermitted)
	wrong := s.dial(t, client.Options{APIKey: secret + "x"})
	_, err = wrong.Publish(within(t), to("desk", "x"))
	is(t, err, semabus.CodeUnauthenticated, semabus.ReasonWrongKey)
	_, err = s.dial(t, client.Options{}).Publish(within(t), to("desk", "x"))
	is(t, err, semabus.CodeUnauthenticated, semabus.ReasonNoCredential)
}

func TestTraceOfTheContext(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c := s.dial(t, client.Options{Trace: func(context.Context) (string, string) { return parent, "a=b" }})
	_, err := c.Publish(t.Context(), to("desk", "x"))
	must(t, err)
	_, err = c.Publish(t.Context(), to("desk", "x"), client.Async())
	must(t, err)
	for range 2 {
		ds, err := c.Fetch(within(t), "desk", client.FetchOptions{Wait: 30 * time.Second})
		must(t, err)
		if m := ds[0].Message; m.TraceParent != parent || m.TraceState != "a=b" {
			t.Errorf("trace is %q %q", m.TraceParent, m.TraceState)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := client.Dial(t.Context(), "127.0.0.1:1", client.Options{Window: -1})
	is(t, err, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue)
	_, c := setup(t)
	for _, o := range []client.PublisherOptions{{Producer: strings.Repeat("p", 256)}, {Streams: -1}, {Streams: 65}, {Window: 1 << 21}} {
		_, err = c.NewPublisher(o)
		is(t, err, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue)
	}
	for _, o := range []client.SubscribeOptions{{Concurrency: -1}, {Prefetch: 1 << 17}, {Bytes: -1}, {Grace: -1}} {
		is(t, c.Subscribe(t.Context(), "desk", nothing, o), semabus.CodeInvalidArgument, semabus.ReasonInvalidValue)
	}
	is(t, c.Subscribe(t.Context(), "desk", nil, client.SubscribeOptions{}), semabus.CodeInvalidArgument, semabus.ReasonRequired)
	is(t, c.PublishAsync(t.Context(), to("desk", "x"), nil), semabus.CodeInvalidArgument, semabus.ReasonRequired)
}

// nothing is a handler that finishes everything.
func nothing(context.Context, *semabus.Delivery) (semabus.Settlement, error) {
	return semabus.Settlement{}, nil
}
