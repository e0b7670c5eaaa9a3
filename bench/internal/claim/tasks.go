package claim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/client"
)

const (
	taskGroup    = "tasks"
	effectGroup  = "effects"
	taskSenders  = 4
	taskWorkers  = 2    // subscribers, each behind a relay of its own
	taskHandlers = 64   // of one worker at once
	taskWindow   = 1024 // of one sender
	taskAhead    = 512  // tasks sent beyond those that the next mishap waits for
	taskLease    = 2 * time.Second
	failsEvery   = 50 // one task in so many fails at its first attempt
	taskLook     = 5 * time.Millisecond
	depthLook    = 50 * time.Millisecond
	progressFor  = 2 * time.Minute // without any, the trial ends
)

// work is one run: numbered tasks, each with one effect.
type work struct {
	o      Options
	e      Env
	node   *node.Node
	direct *client.Client // past every relay

	executed []atomic.Uint32 // by task: how often a handler ran
	started  atomic.Int64    // tasks that a handler ran for
	acked    atomic.Int64    // tasks acknowledged to their sender
	late     atomic.Int64    // settlements that were refused: the delivery was another's by then
	resent   atomic.Int64    // messages sent again after a lost connection
	failed   chan error      // the first refusal

	effects []int // by task, in the end
}

// tasks publishes tasks, works on them and has each leave one effect, an output in the commit that settles it, while
// everything goes wrong. Then it counts effects.
func tasks(ctx context.Context, o Options, e Env) (map[string]float64, error) {
	n, err := node.Start(ctx, node.Options{Binary: e.Binary, Dir: e.Dir})
	if err != nil {
		return nil, err
	}
	defer n.Close()
	direct, end, err := n.Dial(ctx, 1, client.Options{})
	if err != nil {
		return nil, err
	}
	defer end()
	w := &work{o: o, e: e, node: n, direct: direct[0], executed: make([]atomic.Uint32, o.Tasks), effects: make([]int, o.Tasks),
		failed: make(chan error, 1)}
	for _, g := range []string{taskGroup, effectGroup} {
		if _, err := w.direct.ConfigureGroup(ctx, semabus.GroupConfig{
			Name: g, Lease: taskLease, Grace: 500 * time.Millisecond, MaxAttempts: 1000, RetryBase: 20 * time.Millisecond, RetryCap: time.Second,
		}); err != nil {
			return nil, err
		}
	}
	m, err := newMishaps(o, e, n, &w.started)
	if err != nil {
		return nil, err
	}
	defer m.close()
	if err := w.run(ctx, m); err != nil {
		return nil, err
	}
	if err := w.collect(ctx); err != nil {
		return nil, err
	}
	return w.count(ctx, m)
}

// run works until every task is acknowledged and settled.
func (w *work) run(ctx context.Context, m *mishaps) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	for i := range taskWorkers {
		g.Go(func() error { return w.worker(ctx, m.relays[1+i].Addr(), i) })
	}
	for i := range taskSenders {
		g.Go(func() error { return w.sender(ctx, m, i) })
	}
	g.Go(func() error { return m.run(ctx) })
	g.Go(func() error {
		defer stop()
		return w.finished(ctx, m)
	})
	return g.Wait()
}

// finished waits until every task is acknowledged and nothing waits any more, or for progress to end. What a worker hears of
// its settlements is no measure: answers get lost.
func (w *work) finished(ctx context.Context, m *mishaps) error {
	for idle, before := time.Duration(0), int64(-1); ; {
		left, err := w.waiting(ctx, taskGroup)
		if err != nil {
			return err
		}
		acked := w.acked.Load()
		if left == 0 && acked >= int64(w.o.Tasks) && m.over() {
			return nil
		}
		if idle += depthLook; acked+w.started.Load()-left != before {
			idle, before = 0, acked+w.started.Load()-left
		}
		if idle >= progressFor {
			return process.Failed("finish the tasks", fmt.Errorf("%d acknowledged, %d started, %d wait", acked, w.started.Load(), left))
		}
		select {
		case err := <-w.failed:
			return err
		default:
		}
		if !meter.Wait(ctx, w.e.Clock, depthLook) {
			return ctx.Err()
		}
	}
}

// waiting is how many deliveries of a group are not settled.
func (w *work) waiting(ctx context.Context, group string) (int64, error) {
	stats, err := w.direct.GroupStats(ctx, group)
	n := int64(0)
	for _, s := range stats {
		n += s.Ready + s.Delayed + s.Leased
	}
	return n, err
}

// sender publishes every fourth task in order, over a numbered stream: what is sent again after a lost answer is stored once.
func (w *work) sender(ctx context.Context, m *mishaps, i int) error {
	c, err := client.Dial(ctx, m.relays[0].Addr(), client.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := c.NewPublisher(client.PublisherOptions{Window: taskWindow})
	if err != nil {
		return err
	}
	for n := i; n < w.o.Tasks; n += taskSenders {
		for int64(n) >= m.sent.Load()+taskAhead {
			if !meter.Wait(ctx, w.e.Clock, taskLook) {
				return ctx.Err()
			}
		}
		task := &semabus.Message{To: taskGroup, Payload: binary.BigEndian.AppendUint64(nil, uint64(n))}
		err := p.PublishAsync(ctx, task, func(_ semabus.Receipt, err error) {
			if err != nil {
				select {
				case w.failed <- fmt.Errorf("task %d: %w", n, err):
				default:
				}
				return
			}
			w.acked.Add(1)
		})
		if err != nil {
			return errors.Join(err, p.Close())
		}
	}
	err = errors.Join(p.Flush(ctx), p.Close())
	w.resent.Add(c.Stats().Resent)
	return err
}

// worker does tasks. Nothing keeps a task from having two effects but the broker's fence: the op id is the lease's.
func (w *work) worker(ctx context.Context, addr string, i int) error {
	c, err := client.Dial(ctx, addr, client.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	defer func() { w.late.Add(c.Stats().Redelivered) }()
	return c.Subscribe(ctx, taskGroup, func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		n := binary.BigEndian.Uint64(d.Message.Payload)
		if w.executed[n].Add(1) == 1 {
			w.started.Add(1)
			if n%failsEvery == 0 {
				return semabus.Settlement{}, errors.New("the first attempt of this task fails")
			}
		}
		return semabus.Settlement{Outputs: []*semabus.Message{{To: effectGroup, Payload: d.Message.Payload}}}, nil
	}, client.SubscribeOptions{
		Concurrency: taskHandlers, Prefetch: taskHandlers, Member: fmt.Sprintf("worker-%d", i), Grace: time.Second,
	})
}

// collect reads every effect once nothing goes wrong any more. An effect that is delivered twice is one effect: it has one id.
func (w *work) collect(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	seen, effects := map[string]bool{}, make(chan semabus.Message, taskHandlers)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(effects)
		return w.direct.Subscribe(ctx, effectGroup, func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
			effects <- *d.Message
			return semabus.Settlement{}, nil
		}, client.SubscribeOptions{Concurrency: taskHandlers, Prefetch: 1024})
	})
	g.Go(func() error {
		for m := range effects {
			if !seen[m.ID] {
				seen[m.ID] = true
				w.effects[binary.BigEndian.Uint64(m.Payload)]++
			}
		}
		return nil
	})
	g.Go(func() error {
		defer stop()
		for {
			left, err := w.waiting(ctx, effectGroup)
			if err != nil || left == 0 {
				return err
			}
			if !meter.Wait(ctx, w.e.Clock, depthLook) {
				return ctx.Err()
			}
		}
	})
	return g.Wait()
}

// count is the verdict's material.
func (w *work) count(ctx context.Context, m *mishaps) (map[string]float64, error) {
	var missing, twice, executions, again int
	for i, n := range w.effects {
		if n == 0 {
			missing++
		}
		twice += max(0, n-1)
		runs := int(w.executed[i].Load())
		executions += runs
		again += max(0, runs-1)
		if i%failsEvery == 0 && runs > 0 {
			again-- // it was told to fail
		}
	}
	stats, err := w.direct.GroupStats(ctx, taskGroup, effectGroup)
	if err != nil {
		return nil, err
	}
	dead := int64(0)
	for _, s := range stats {
		dead += s.DeadLetters
	}
	values := map[string]float64{
		"tasks": float64(w.o.Tasks), "missing": float64(missing), "duplicate_effects": float64(twice), "dead_letters": float64(dead),
		"executions": float64(executions), "duplicate_executions": float64(again), "late_settlements": float64(w.late.Load()),
		"resent_messages": float64(w.resent.Load()), "seed": float64(w.o.Seed),
	}
	for kind, n := range m.done {
		values[kind] = float64(n)
	}
	return values, nil
}
