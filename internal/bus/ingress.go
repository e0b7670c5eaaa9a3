package bus

import (
	"context"
	"sync"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/embed"
	"golang.org/x/sync/errgroup"
)

// ingressLog marks a tenant that has published asynchronously: its only event is written with the tenant's first such
// message, and a restarted node finds by it whose $ingress it has to work on.
const ingressLog = "$registry/ingress"

const (
	ingressBatch = 64
	ingressWait  = 5 * time.Second
	ingressLease = 30 * time.Second
	ingressPause = time.Second // after a failure of the engine
)

// ingress knows the tenants whose $ingress needs a worker.
type ingress struct {
	mu      sync.Mutex
	tenants map[string]bool // true = a worker runs
	added   chan struct{}   // holds a token when a tenant was added
}

func (i *ingress) add(tenant string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, known := i.tenants[tenant]; known {
		return
	}
	i.tenants[tenant] = false
	select {
	case i.added <- struct{}{}:
	default:
	}
}

func (i *ingress) known(tenant string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.tenants[tenant]
	return ok
}

// idle returns the tenants without a worker and marks them as having one.
func (i *ingress) idle() (out []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for t, busy := range i.tenants {
		if !busy {
			i.tenants[t] = true
			out = append(out, t)
		}
	}
	return out
}

// Run decides what was published asynchronously, one worker a tenant, until ctx ends.
func (b *Bus) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for {
			for _, t := range b.ingress.idle() {
				g.Go(func() error { return b.work(ctx, t) })
			}
			select {
			case <-ctx.Done():
				return nil
			case <-b.ingress.added:
			}
		}
	})
	return g.Wait()
}

// accept stores an asynchronous message undecided in $ingress.
func (b *Bus) accept(tenant string, c *broker.Commit) {
	c.Entries[0].Groups = []broker.Target{{Group: semabus.GroupIngress}}
	if !b.ingress.known(tenant) {
		c.Appends = append(c.Appends, driver.Append{Log: ingressLog, Data: []byte("{}")})
	}
}

// work leases a tenant's $ingress, one message of a session at a time, and decides.
func (b *Bus) work(ctx context.Context, tenant string) error {
	var vectors []embed.Vector
	for ctx.Err() == nil {
		ds, err := b.broker.Lease(ctx, broker.LeaseOptions{Tenant: tenant, Group: semabus.GroupIngress, Member: "router",
			Max: ingressBatch, For: ingressLease, Wait: ingressWait, SessionOrder: true})
		if err == nil && len(ds) > 0 {
			err = b.decideIngress(ctx, tenant, ds, &vectors)
		}
		if err != nil && ctx.Err() == nil {
			b.log.Error("asynchronous messages wait", "tenant", tenant, "error", err)
			b.pause(ctx, ingressPause)
		}
	}
	return nil
}

// pause waits for d or the end of ctx.
func (b *Bus) pause(ctx context.Context, d time.Duration) {
	done := make(chan struct{})
	defer b.clock.AfterFunc(d, func() { close(done) })()
	select {
	case <-ctx.Done():
	case <-done:
	}
}

// decideIngress commits {settle ingress, deliveries, decision} for each message. A message that cannot be decided is settled
// as poison, so that it stands in the dead-letter queue with its error instead of blocking the queue.
func (b *Bus) decideIngress(ctx context.Context, tenant string, ds []semabus.Delivery, vectors *[]embed.Vector) error {
	commits := make([]*broker.Commit, len(ds))
	for i := range ds {
		m := ds[i].Message
		c := &broker.Commit{Tenant: tenant, OpID: "ingress/" + m.ID,
			Settles: []broker.Settle{{Token: ds[i].Lease.Token, Outcome: semabus.SettleDone}}}
		d, err := b.decide(ctx, tenant, m, nil, vectors)
		if err != nil {
			c.Settles[0].Outcome, c.Settles[0].Error = semabus.SettlePoison, err.Error()
		} else {
			c.Entries = []broker.Entry{{Message: m, Decision: d, Groups: targets(d), Retained: true}}
		}
		commits[i] = c
	}
	done, err := b.broker.Commit(ctx, commits)
	for i := range done {
		if done[i].Err == nil && len(commits[i].Entries) > 0 {
			b.metrics.Published(commits[i].Entries[0].Decision.Outcome)
		}
	}
	return err
}
