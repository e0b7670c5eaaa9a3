package claim

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/client"
)

const (
	producersAtOnce = 4
	producerLife    = 60 * time.Millisecond // at most, after its first order
	ordersARun      = 1000                  // numbers kept for one producer
	resolveWithin   = 5 * time.Minute       // after the last producer is dead
)

// transactions lets producers, each a process of its own, pay orders in a SQLite ledger and announce them, and kills each at a
// random moment, with SIGKILL. Whoever lives answers for the dead. In the end every order in the ledger was delivered, and
// every delivered one is in the ledger.
func transactions(ctx context.Context, o Options, e Env) (map[string]float64, error) {
	n, err := node.Start(ctx, node.Options{Binary: e.Binary, Dir: e.Dir})
	if err != nil {
		return nil, err
	}
	defer n.Close()
	all, end, err := n.Dial(ctx, 1, client.Options{})
	if err != nil {
		return nil, err
	}
	defer end()
	t := &shop{o: o, e: e, node: n, client: all[0], file: filepath.Join(e.Dir, "ledger.db")}
	if t.ledger, err = openLedger(ctx, t.file); err != nil {
		return nil, err
	}
	defer t.ledger.db.Close() //nolint:errcheck // it was read
	checking, stop := context.WithCancel(ctx)
	defer stop()
	var checker errgroup.Group
	checker.Go(func() error {
		return t.client.CheckTransactions(checking, producerGroup, func(ctx context.Context, tx client.Transaction, _ *semabus.Message) (semabus.Resolution, error) {
			t.checks.Add(1)
			return t.ledger.ended(ctx, tx.ID)
		})
	})
	if err := t.produce(ctx); err != nil {
		return nil, err
	}
	if err := t.settle(ctx); err != nil {
		return nil, err
	}
	stop()
	if err := checker.Wait(); err != nil {
		return nil, err
	}
	return t.count(ctx)
}

// shop is one run.
type shop struct {
	o      Options
	e      Env
	node   *node.Node
	client *client.Client
	ledger *ledger
	file   string

	orders, checks atomic.Int64
}

// produce starts and kills producers.
func (t *shop) produce(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for w := range producersAtOnce {
		g.Go(func() error {
			r := rand.New(rand.NewPCG(t.o.Seed, uint64(w))) //nolint:gosec // repeatable
			for run := w; run < t.o.Producers; run += producersAtOnce {
				if err := t.oneProducer(ctx, self, run, time.Duration(r.Int64N(int64(producerLife)))); err != nil {
					return err
				}
				if run%100 == 0 {
					t.e.sayf("transactions: producer %d of %d is dead", run, t.o.Producers)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// oneProducer lets one work for a while after it has begun, and kills it.
func (t *shop) oneProducer(ctx context.Context, self string, run int, life time.Duration) error {
	began := make(chan struct{})
	first := true
	p, err := process.Start(ctx, process.Options{
		Path: self, Args: []string{ProducerArg, t.node.GRPC, t.file, strconv.Itoa(run * ordersARun)},
		Line: func(line []byte) {
			if len(bytes.TrimSpace(line)) > 0 {
				t.orders.Add(1)
			}
			if first {
				first = false
				close(began)
			}
		},
	})
	if err != nil {
		return err
	}
	defer p.Kill()
	select {
	case <-began:
	case <-p.Done():
		return fmt.Errorf("a producer ended by itself: %s", p.Said())
	case <-ctx.Done():
		return ctx.Err()
	}
	over := make(chan struct{})
	defer t.e.Clock.AfterFunc(life, func() { close(over) })()
	select {
	case <-over:
	case <-p.Done():
		return fmt.Errorf("a producer ended by itself: %s", p.Said())
	case <-ctx.Done():
	}
	return ctx.Err()
}

// settle waits until no transaction is open.
func (t *shop) settle(ctx context.Context) error {
	for ends := t.e.Clock.Now().Add(resolveWithin); ; {
		st, err := t.client.GroupStats(ctx, semabus.GroupPrepared)
		if err != nil {
			return err
		}
		open := int64(0)
		for _, s := range st {
			open += s.Ready + s.Delayed + s.Leased
		}
		if open == 0 {
			return nil
		}
		if t.e.Clock.Now().After(ends) {
			return fmt.Errorf("%d transactions are still open after %s", open, resolveWithin)
		}
		over := make(chan struct{})
		stop := t.e.Clock.AfterFunc(depthLook, func() { close(over) })
		select {
		case <-over:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
	}
}

// count compares what was delivered with the ledger.
func (t *shop) count(ctx context.Context) (map[string]float64, error) {
	paid, err := t.ledger.paid(ctx)
	if err != nil {
		return nil, err
	}
	delivered := map[string]int{}
	for {
		ds, err := t.client.Fetch(ctx, orderGroup, client.FetchOptions{Max: 500})
		if err != nil {
			return nil, err
		}
		if len(ds) == 0 {
			break
		}
		settlements := make([]semabus.Settlement, len(ds))
		for i := range ds {
			delivered[ds[i].Message.Text]++
			settlements[i] = semabus.Settlement{Token: ds[i].Lease.Token, Outcome: semabus.SettleDone}
		}
		if _, err := t.client.Settle(ctx, settlements...); err != nil {
			return nil, err
		}
	}
	var unpaid, missing, twice float64
	for number, n := range delivered {
		if !paid[number] {
			unpaid++
		}
		if n > 1 {
			twice++
		}
	}
	for number := range paid {
		if delivered[number] == 0 {
			missing++
		}
	}
	return map[string]float64{
		"delivered_unpaid": unpaid, "paid_missing": missing, "delivered_twice": twice, "producers_killed": float64(t.o.Producers),
		"orders_begun": float64(t.orders.Load()), "orders_paid": float64(len(paid)), "orders_delivered": float64(len(delivered)), "checks": float64(t.checks.Load()),
	}, nil
}
