package soak

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/wait"
)

const (
	publishers  = 4
	window      = 256                   // messages of a publisher that wait for their ack
	handlers    = 64                    // of each lane at once
	maxMessages = 100_000_000           // of one run
	stateEvery  = time.Second           // how often the state file is written
	drainLook   = 50 * time.Millisecond // between two looks whether the lanes are empty
	limitLook   = 5 * time.Millisecond  // between two looks whether more may be sent
	drainFor    = 30 * time.Second      // without any progress, until what waits is left to verify as missing
	goodbye     = 30 * time.Second      // for the last record, also after an interrupt
	retryAfter  = 20 * time.Millisecond // of the jobs whose first attempt fails
)

// Options are the arguments of the traffic.
type Options struct {
	Messages int
	Rate     float64 // messages a second; 0 = as fast as the node takes them
}

// traffic is one run of jobs against a node.
type traffic struct {
	o        Options
	state    string // path; "" = no state file
	progress io.Writer
	clock    semabus.Clock
	client   *client.Client
	run      string

	acks      []acks // one a publisher
	acked     atomic.Int64
	delivered atomic.Int64
	settled   atomic.Int64
	faults    faults
	limit     atomic.Int64  // messages that may be sent so far
	milestone atomic.Int64  // acks at which passed is told; 0 = none
	passed    chan struct{} // has room for one
}

// acks is what one publisher knows of its messages.
type acks struct {
	mu   sync.Mutex
	done []bool // by place
}

// faults keeps the first error and counts the others.
type faults struct {
	mu    sync.Mutex
	n     int
	first error
}

func (f *faults) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.first == nil {
		f.first = err
	}
}

func (f *faults) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == 0 {
		return nil
	}
	return fmt.Errorf("%d messages went wrong, the first: %w", f.n, f.first)
}

func newTraffic(o Options, c *client.Client, state string, progress io.Writer, clock semabus.Clock) *traffic {
	var id [6]byte
	_, _ = rand.Read(id[:]) // never fails
	t := &traffic{o: o, state: state, progress: progress, clock: clock, client: c, run: hex.EncodeToString(id[:]),
		acks: make([]acks, publishers), passed: make(chan struct{}, 1)}
	t.limit.Store(math.MaxInt64)
	for p := range t.acks {
		t.acks[p].done = make([]bool, (o.Messages+publishers-1-p)/publishers)
	}
	return t
}

func (t *traffic) sayf(format string, args ...any) {
	fmt.Fprintf(t.progress, "soak: "+format+"\n", args...)
}

// play prepares the groups, publishes and consumes everything, and writes the last record, whatever happened.
func (t *traffic) play(ctx context.Context) (Record, error) {
	if err := t.save(); err != nil {
		return Record{}, err
	}
	if err := t.prepare(ctx); err != nil {
		return Record{}, err
	}
	t.sayf("run %s: %d messages", t.run, t.o.Messages)
	err := t.flow(ctx)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	r := t.record()
	return r, errors.Join(err, t.faults.err(), t.save(), t.tell(last, "end", r))
}

// prepare makes the groups and the intent, and tells the ledger that the run begins.
func (t *traffic) prepare(ctx context.Context) error {
	for _, g := range append([]string{sink, ledger}, lanes...) {
		cfg := semabus.GroupConfig{
			Name: g, Lease: 5 * time.Second, Grace: time.Second, MaxAttempts: 1000, RetryBase: retryAfter, RetryCap: time.Second,
		}
		switch g {
		case byTopic:
			cfg.Topics, cfg.SessionOrder = []string{topic}, true
		case byAddress, byWords:
			cfg.SessionOrder = true
		}
		if _, err := t.client.ConfigureGroup(ctx, cfg); err != nil {
			return err
		}
	}
	if _, err := t.client.RegisterIntent(ctx, intent()); err != nil && semabus.CodeOf(err) != semabus.CodeAlreadyExists {
		return err
	}
	if err := wait.Refits(ctx, t.clock, t.client); err != nil {
		return err
	}
	return t.tell(ctx, "begin", Record{Run: t.run, Acked: [][]Span{}})
}

// tell writes a record into the ledger on the bus.
func (t *traffic) tell(ctx context.Context, when string, r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = t.client.Publish(ctx, &semabus.Message{
		ID: "soak-" + t.run + "-" + when, To: ledger, Type: "soak.record", Payload: data, ContentType: "application/json",
	})
	return err
}

// record is what the run knows now.
func (t *traffic) record() Record {
	r := Record{Run: t.run, Delivered: t.delivered.Load(), Disconnects: t.client.Stats().Disconnects}
	for p := range t.acks {
		a := &t.acks[p]
		a.mu.Lock()
		r.Acked = append(r.Acked, spans(a.done))
		a.mu.Unlock()
	}
	return r
}

// save writes the state file.
func (t *traffic) save() error {
	if t.state == "" {
		return nil
	}
	r := t.record()
	return writeState(t.state, &r)
}

// flow publishes and consumes until every lane is empty.
func (t *traffic) flow(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	for _, lane := range lanes {
		g.Go(func() error {
			return t.client.Subscribe(consuming, lane, t.work, client.SubscribeOptions{
				Concurrency: handlers, Member: "soak", OnSettled: func(_ *semabus.Delivery, _ semabus.Settled, err error) {
					if err == nil { // else another attempt follows
						t.settled.Add(1)
					}
				},
			})
		})
	}
	g.Go(func() error { // what is known outlives this process
		for wait.For(consuming, t.clock, stateEvery) {
			if err := t.save(); err != nil {
				return err
			}
			t.sayf("%d acknowledged, %d settled, %d disconnects", t.acked.Load(), t.settled.Load(), t.client.Stats().Disconnects)
		}
		return nil
	})
	g.Go(func() error {
		defer stop()
		sending, sctx := errgroup.WithContext(ctx)
		for p := range t.acks {
			sending.Go(func() error { return t.publish(sctx, p) })
		}
		if err := sending.Wait(); err != nil {
			return err
		}
		return t.drain(ctx)
	})
	return g.Wait()
}

// publish sends the jobs of one publisher in order and waits for their answers.
func (t *traffic) publish(ctx context.Context, p int) error {
	out, err := t.client.NewPublisher(client.PublisherOptions{Window: window})
	if err != nil {
		return err
	}
	every := time.Duration(0)
	if t.o.Rate > 0 {
		every = time.Duration(float64(time.Second) * publishers / t.o.Rate)
	}
	began := t.clock.Now().Add(every * time.Duration(p) / publishers)
	for place := range t.acks[p].done {
		if early := began.Add(every * time.Duration(place)).Sub(t.clock.Now()); every > 0 && early > 0 {
			wait.For(ctx, t.clock, early)
		}
		for int64(place*publishers+p) >= t.limit.Load() && wait.For(ctx, t.clock, limitLook) {
		}
		j := job{t.run, p, place}
		if err := out.PublishAsync(ctx, j.message(), func(r semabus.Receipt, err error) { t.answered(j, &r, err) }); err != nil {
			return errors.Join(err, out.Close())
		}
	}
	return errors.Join(out.Flush(ctx), out.Close())
}

// answered takes in the answer to one job.
func (t *traffic) answered(j job, r *semabus.Receipt, err error) {
	switch {
	case err != nil:
		t.faults.add(err)
		return
	case r.Final && r.DuplicateOf == "" && (len(r.Groups) != 1 || r.Groups[0] != j.lane()):
		t.faults.add(fmt.Errorf("job %s is for %s and went to %v", r.ID, j.lane(), r.Groups))
	}
	a := &t.acks[j.Publisher]
	a.mu.Lock()
	a.done[j.Place] = true
	a.mu.Unlock()
	n := t.acked.Add(1)
	if m := t.milestone.Load(); m > 0 && n >= m {
		select {
		case t.passed <- struct{}{}:
		default:
		}
	}
}

// work does a job: its effect is the output in the sink.
func (t *traffic) work(ctx context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
	t.delivered.Add(1)
	j, err := decodeJob(d.Message.Payload)
	if err != nil {
		return semabus.Settlement{Outcome: semabus.SettlePoison}, err
	}
	if j.fails() && d.Attempt == 1 {
		return semabus.Settlement{Outcome: semabus.SettleRetry, RetryAfter: retryAfter}, errors.New("the first attempt of this job fails")
	}
	if d := j.takes(); d > 0 && !wait.For(ctx, t.clock, d) {
		return semabus.Settlement{}, ctx.Err()
	}
	return semabus.Settlement{
		Outcome: semabus.SettleDone,
		Outputs: []*semabus.Message{{To: sink, Type: "soak.effect", Payload: j.encode(), ContentType: "application/json"}},
	}, nil
}

// drain waits until the lanes are empty, or get no emptier any more.
func (t *traffic) drain(ctx context.Context) error {
	for idle, least := time.Duration(0), int64(math.MaxInt64); ; {
		waiting, err := depth(ctx, t.client, lanes...)
		if err != nil || waiting == 0 {
			return err
		}
		if idle += drainLook; waiting < least {
			idle, least = 0, waiting
		}
		if idle >= drainFor {
			t.sayf("%d deliveries were not finished", waiting)
			return nil
		}
		if !wait.For(ctx, t.clock, drainLook) {
			return ctx.Err()
		}
	}
}
