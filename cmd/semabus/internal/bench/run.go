package bench

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/child"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/wait"
)

const (
	parallel    = 16               // registrations under way at once
	refitWithin = 10 * time.Minute // for the router to settle after the last registration
	metricsWait = 5 * time.Second
	tidyWithin  = time.Minute // for the intents to be deleted
)

// runner measures one node.
type runner struct {
	own      bool // a node of its own
	node     connect.Flags
	http     string // HOST:PORT of the node's HTTP side
	o        Options
	progress io.Writer
	clock    semabus.Clock
}

func (r *runner) sayf(format string, args ...any) {
	fmt.Fprintf(r.progress, "bench: "+format+"\n", args...)
}

// run prepares the node, drives the load and tidies up. It collects garbage seldom meanwhile: what publishers and consumers
// use is taken from the node where both share a machine.
func (r *runner) run(ctx context.Context) (_ *Result, err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	dial := r.node.Dial
	if r.own {
		node, err := child.StartNode(ctx, child.NodeOptions{})
		if err != nil {
			return nil, err
		}
		defer node.Close()
		r.http = node.HTTP
		dial = func(ctx context.Context) (*client.Client, error) {
			return client.Dial(ctx, node.GRPC, client.Options{})
		}
	}
	c, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, c.Close()) }()
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails
	n := names{hex.EncodeToString(id[:])}
	if !r.own {
		if err := r.vacant(ctx, c); err != nil {
			return nil, err
		}
		defer func() { err = cmp.Or(err, r.tidy(ctx, c, n)) }()
	}
	if err := r.register(ctx, c, n); err != nil {
		return nil, err
	}
	return r.drive(ctx, c, newLoad(r.o, n, r.clock))
}

// vacant refuses a tenant that has intents: messages of the run would reach their groups.
func (r *runner) vacant(ctx context.Context, c *client.Client) error {
	info, err := c.Info(ctx)
	if err != nil || info.Intents == 0 {
		return err
	}
	return &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonExists, Op: "bench", Field: "--addr",
		Value: fmt.Sprintf("%d intents", info.Intents), Limit: "a tenant without intents",
		Fix: "use a key of another tenant, or leave --addr out to measure a node of its own",
	}
}

// register makes the intents and waits until the router has settled on them. The set is a task set: a message is for the one
// best group, so that a publish means one delivery.
func (r *runner) register(ctx context.Context, c *client.Client, n names) error {
	r.sayf("registering %d intents for %d groups", r.o.Intents, r.o.Groups)
	if _, err := c.ConfigureSet(ctx, semabus.Set{Name: n.set(), Dispatch: semabus.DispatchTask}); err != nil {
		return err
	}
	g, registering := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	intents := n.intents(r.o.Intents, r.o.Groups)
	for i := range intents {
		g.Go(func() error {
			_, err := c.RegisterIntent(registering, intents[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, refitWithin)
	defer cancel()
	return wait.Refits(ctx, r.clock, c)
}

// drive runs consumers and publishers, measures in the middle, and drains.
func (r *runner) drive(ctx context.Context, c *client.Client, l *load) (*Result, error) {
	r.sayf("%d publishers with a window of %d, warming up", r.o.Publishers, r.o.Window)
	consuming, stopConsuming := context.WithCancel(ctx)
	defer stopConsuming()
	var before, after *Usage
	consumers, consuming := errgroup.WithContext(consuming)
	consumers.Go(func() error { return l.consume(consuming, c) })
	g, running := errgroup.WithContext(consuming) // publishers have no use for a node that consumers lost
	g.Go(func() error { return l.publish(running, c) })
	g.Go(func() error {
		defer l.stop()
		measured := time.Duration(r.o.Seconds * float64(time.Second))
		wait.For(running, r.clock, min(max(measured/4, 500*time.Millisecond), 3*time.Second))
		before = r.usage(running)
		l.stretch.open()
		r.sayf("measuring for %g s", r.o.Seconds)
		wait.For(running, r.clock, measured)
		l.stretch.close()
		after = r.usage(running)
		return running.Err()
	})
	err := g.Wait()
	if err == nil {
		err = l.drain(consuming)
	}
	stopConsuming()
	if e := consumers.Wait(); e != nil { // the cause, where the publishers only saw the end of their context
		err = e
	}
	if err != nil {
		return nil, err
	}
	if n := l.unmatched.Load(); n > 0 {
		r.sayf("%d of %d messages matched no intent: they have no delivery", n, l.sent.Load())
	}
	return r.result(l, before, after), nil
}

// usage asks the node what it has used; nil when it cannot be known.
func (r *runner) usage(ctx context.Context) *Usage {
	ctx, cancel := context.WithTimeout(ctx, metricsWait)
	defer cancel()
	u, err := usage(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, r.http)
	if err != nil {
		r.sayf("CPU and memory stay unknown: %v", err)
		return nil
	}
	return &u
}

func (r *runner) result(l *load, before, after *Usage) *Result {
	acks, published := sum(l.acks)
	arrivals, delivered := sum(l.arrivals)
	seconds := l.stretch.seconds()
	out := &Result{
		Options: r.o, PublishedPerS: rounded(float64(published)/seconds, 1), DeliveredPerS: rounded(float64(delivered)/seconds, 1),
		AckP50: milliseconds(acks.Quantile(.50)), AckP99: milliseconds(acks.Quantile(.99)),
		E2EP50: milliseconds(arrivals.Quantile(.50)), E2EP99: milliseconds(arrivals.Quantile(.99)), Errors: l.errors.Load(),
	}
	if after != nil {
		rss := rounded(after.RSS/(1<<20), 1)
		out.RSS = &rss
		if before != nil && published > 0 {
			cpu := rounded((after.CPU-before.CPU)*1e6/float64(published), 2)
			out.CPU = &cpu
		}
	}
	return out
}

// tidy deletes the run's intents, also after an interrupt.
func (r *runner) tidy(ctx context.Context, c *client.Client, n names) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyWithin)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(parallel)
	for i := range r.o.Intents {
		g.Go(func() error {
			_, err := c.DeleteIntent(ctx, n.intent(i))
			if semabus.CodeOf(err) == semabus.CodeNotFound {
				return nil // the registration did not get this far
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return errors.Join(errors.New("the run's intents could not be deleted"), err)
	}
	return nil
}
