package bus

import (
	"context"
	"strconv"
	"sync"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// TransactionOptions say when producers are asked how their transactions ended.
type TransactionOptions struct {
	CheckAfter time.Duration // until the first question; 0 = 30 s
	Base, Cap  time.Duration // between two: Base, doubled each time up to Cap; 0 = 10 s and 5 min
	Checks     int           // questions put to a live producer before the transaction is rolled back; 0 = 15
	MaxAge     time.Duration // after which it is rolled back though no producer was there to be asked; 0 = 24 h
}

func (o TransactionOptions) withDefaults() TransactionOptions {
	o.CheckAfter = orDuration(o.CheckAfter, 30*time.Second)
	o.Base = orDuration(o.Base, 10*time.Second)
	o.Cap = orDuration(o.Cap, 5*time.Minute)
	o.MaxAge = orDuration(o.MaxAge, 24*time.Hour)
	if o.Checks == 0 {
		o.Checks = 15
	}
	return o
}

func orDuration(v, d time.Duration) time.Duration {
	if v == 0 {
		return d
	}
	return v
}

const (
	checkBatch = 64
	checkLease = 30 * time.Second
	// checkRoom is how many questions wait for one producer; one that reads too slowly is asked later.
	checkRoom = 64
)

// Check is the question what became of a transaction.
type Check struct {
	Transaction
	Message *semabus.Message
	Number  int // how often it was asked, from 1
}

// Producer is a live member of a producer group.
type Producer struct {
	Checks <-chan Check
	checks chan Check
	hub    *transactions
	key    groupKey
}

type groupKey struct{ tenant, group string }

// transactions knows the tenants that have prepared messages, and who can be asked about them.
type transactions struct {
	o  TransactionOptions
	in ingress // the same bookkeeping: which tenants need a worker

	mu        sync.Mutex
	producers map[groupKey][]*Producer
	turn      uint64 // who is asked next
}

func newTransactions(o TransactionOptions) *transactions {
	return &transactions{o: o.withDefaults(), producers: map[groupKey][]*Producer{}, in: ingress{tenants: map[string]bool{}, added: make(chan struct{}, 1)}}
}

func (t *transactions) known(tenant string) bool { return t.in.known(tenant) }
func (t *transactions) add(tenant string)        { t.in.add(tenant) }

// JoinProducers makes the caller one of those who are asked how transactions of a producer group ended, until it leaves. It
// answers by Resolve; one that cannot say does nothing and is, or another is, asked again later.
func (b *Bus) JoinProducers(p semabus.Principal, group string) (*Producer, error) {
	if err := broker.CheckID("bus.CheckTransaction", "producer_group", group); err != nil {
		return nil, err
	}
	t := b.transactions
	pr := &Producer{checks: make(chan Check, checkRoom), hub: t, key: groupKey{p.Tenant, group}}
	pr.Checks = pr.checks
	t.mu.Lock()
	defer t.mu.Unlock()
	t.producers[pr.key] = append(t.producers[pr.key], pr)
	return pr, nil
}

// Leave ends the membership. What was asked and not answered is asked again.
func (p *Producer) Leave() {
	t := p.hub
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.producers[p.key]
	for i := range list {
		if list[i] == p {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if t.producers[p.key] = list; len(list) == 0 {
		delete(t.producers, p.key)
	}
}

// ask puts a question to one live producer of the group, each in turn; false when none can be asked now.
func (t *transactions) ask(k groupKey, c Check) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.producers[k]
	for range list {
		t.turn++
		select {
		case list[t.turn%uint64(len(list))].checks <- c:
			return true
		default:
		}
	}
	return false
}

// checkBack asks about the prepared messages of a tenant that are due for it, until ctx ends.
func (b *Bus) checkBack(ctx context.Context, tenant string) error {
	for ctx.Err() == nil {
		ds, err := b.broker.Lease(ctx, broker.LeaseOptions{Tenant: tenant, Group: semabus.GroupPrepared, Member: "check", Max: checkBatch,
			For: checkLease, Wait: ingressWait})
		if err == nil && len(ds) > 0 {
			err = b.checkAll(context.WithoutCancel(ctx), tenant, ds)
		}
		if err != nil && ctx.Err() == nil {
			b.log.Error("transactions wait to be checked", "tenant", tenant, "error", err)
			b.pause(ctx, ingressPause)
		}
	}
	return nil
}

// checkAll asks about each, and puts it off until the next question; what was asked about often enough, or is too old, is rolled
// back and listed in the dead letters.
func (b *Bus) checkAll(ctx context.Context, tenant string, ds []semabus.Delivery) error {
	o := &b.transactions.o
	commits := make([]*broker.Commit, len(ds))
	for i := range ds {
		d := &ds[i]
		group := d.Match.Group
		tx := Transaction{ID: transactionID(group, d.Message.ID), MessageID: d.Message.ID}
		age := b.clock.Now().Sub(d.Enqueued)
		s := broker.Settle{Token: d.Lease.Token, Outcome: semabus.SettleThrottled, RetryAfter: o.Base}
		switch {
		case d.Attempt > o.Checks || age > o.MaxAge:
			commits[i] = unresolved(tenant, group, d)
			continue
		case b.transactions.ask(groupKey{tenant, group}, Check{tx, d.Message, d.Attempt}):
			s.Outcome, s.Error = semabus.SettleRetry, "check "+strconv.Itoa(d.Attempt)
			s.Policy = broker.RetryPolicy{MaxAttempts: o.Checks + 1}
			s.RetryAfter = min(o.Cap, o.Base<<min(d.Attempt-1, 20))
		}
		commits[i] = &broker.Commit{Tenant: tenant, Settles: []broker.Settle{s}}
	}
	done, err := b.broker.Commit(ctx, commits)
	if err != nil {
		return err
	}
	for i := range done {
		if e := done[i].Err; e != nil && !gone(e) && semabus.CodeOf(e) != semabus.CodeNotFound { // resolved since
			return e
		}
	}
	return nil
}

// unresolved rolls a transaction back that nobody could speak for, and lists it.
func unresolved(tenant, group string, d *semabus.Delivery) *broker.Commit {
	return &broker.Commit{
		Tenant: tenant,
		Drops:  []driver.Drop{{MessageID: d.Message.ID, Group: semabus.GroupPrepared, Key: group, Error: endedUnresolved}},
		Entries: []broker.Entry{{Message: d.Message, Retained: true, Groups: []broker.Target{
			{Group: semabus.GroupDeadLetter, Match: semabus.Match{Group: group}, Dead: deadUnresolved},
		}}},
	}
}
