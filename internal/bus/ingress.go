package bus

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// ingressLog marks a tenant that has published asynchronously: its only event is written with the tenant's first such
// message, and a restarted node finds by it whose $ingress it has to work on.
const ingressLog = "$registry/ingress"

const (
	ingressBatch  = 64
	ingressWait   = 5 * time.Second
	ingressLease  = 30 * time.Second
	ingressPause  = time.Second     // after a failure that is not a message's
	ingressWindow = 2 * time.Minute // how long the op id of a decision is kept: the settlement fences the rest
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

// Run decides what was published asynchronously, one worker a tenant, asks how transactions ended, accounts for what expired and keeps the reserved queues
// within their bounds, until ctx ends.
func (b *Bus) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.expire(ctx) })
	g.Go(func() error { return b.retain(ctx) })
	g.Go(func() error { return b.ingress.workers(ctx, g, b.work) })
	g.Go(func() error { return b.transactions.in.workers(ctx, g, b.checkBack) })
	return g.Wait()
}

// workers starts one worker for each tenant as it is added, until ctx ends.
func (i *ingress) workers(ctx context.Context, g *errgroup.Group, work func(context.Context, string) error) error {
	for {
		for _, t := range i.idle() {
			g.Go(func() error { return work(ctx, t) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-i.added:
		}
	}
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
	sc := &scratch{}
	for ctx.Err() == nil {
		ds, err := b.broker.Lease(ctx, broker.LeaseOptions{Tenant: tenant, Group: semabus.GroupIngress, Member: "router",
			Max: ingressBatch, For: ingressLease, Wait: ingressWait, SessionOrder: true})
		if err == nil && len(ds) > 0 {
			err = b.decideIngress(ctx, tenant, ds, sc)
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

// decideIngress commits {settle ingress, deliveries, decision} for each message, with the message's id as the op id. What
// cannot be decided now (the embedder is away, the node stops, the only group is full) goes back without costing an attempt;
// what never can is settled as poison, so that it stands in the dead-letter queue with its error instead of blocking its
// session. The error is one that is not a message's.
func (b *Bus) decideIngress(ctx context.Context, tenant string, ds []semabus.Delivery, sc *scratch) error {
	commits := make([]*broker.Commit, len(ds))
	var failed error
	for i := range ds {
		c, err := b.ingressCommit(ctx, tenant, &ds[i], sc)
		commits[i] = c
		if err != nil && Transient(err) {
			failed = err
		}
	}
	ctx = context.WithoutCancel(ctx) // a commit is short and must not be torn
	done := b.commitAll(ctx, commits)
	var poison []*broker.Commit
	for i := range done {
		switch err := done[i].Err; {
		case err == nil && len(commits[i].Entries) > 0:
			b.metrics.Published(commits[i].Entries[0].Decision.Outcome)
		case err == nil, gone(err): // another router decides it
		case Transient(err):
			failed = err
		default:
			poison = append(poison, ingressPoison(tenant, ds[i].Lease.Token, err))
		}
	}
	if len(poison) > 0 {
		if _, err := b.broker.Commit(ctx, poison); err != nil {
			return err
		}
	}
	return failed
}

// ingressCommit is the commit for one waiting message; err says why it is not decided by it.
func (b *Bus) ingressCommit(ctx context.Context, tenant string, l *semabus.Delivery, sc *scratch) (*broker.Commit, error) {
	m := l.Message
	d, err := b.decide(ctx, tenant, m, nil, sc)
	var groups []broker.Target
	if err == nil {
		groups, err = b.targets(ctx, tenant, d)
	}
	switch {
	case err == nil:
		return &broker.Commit{Tenant: tenant, OpID: "$ingress/" + derive(m.ID, 0), OpHash: 1, OpWindow: ingressWindow,
			Settles: []broker.Settle{{Token: l.Lease.Token, Outcome: semabus.SettleDone}},
			Entries: []broker.Entry{{Message: m, Decision: d, Groups: groups, Retained: true}}}, nil
	case Transient(err), semabus.CodeOf(err) == semabus.CodeResourceExhausted:
		return &broker.Commit{Tenant: tenant, Settles: []broker.Settle{
			{Token: l.Lease.Token, Outcome: semabus.SettleThrottled, Error: err.Error(), RetryAfter: ingressPause}}}, err
	}
	return ingressPoison(tenant, l.Lease.Token, err), err
}

func ingressPoison(tenant string, token []byte, err error) *broker.Commit {
	return &broker.Commit{Tenant: tenant, Settles: []broker.Settle{{Token: token, Outcome: semabus.SettlePoison, Error: err.Error()}}}
}
