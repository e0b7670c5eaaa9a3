package bus

import (
	"context"
	"strings"
	"sync"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/flow"
	"github.com/semabus/semabus/router"
)

// intentLog is the broker log of every tenant that holds its intents, sets and feedback.
const intentLog = "$registry/intents"

const (
	registryPrefix = "$registry/"
	readPage       = 1000
	maxConflicts   = 8 // attempts to append behind another node's change
)

// registry keeps, for each (tenant, registry log), how far it was folded. Changes of one log are serialised here and, between
// nodes, by the commit's condition on the log's position.
type registry struct {
	mu   sync.Mutex
	logs map[logKey]*registryLog
}

type logKey struct{ tenant, log string }

type registryLog struct {
	mu  sync.Mutex
	pos semabus.Position
}

func (r *registry) log(tenant, name string) *registryLog {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := logKey{tenant, name}
	l := r.logs[k]
	if l == nil {
		l = &registryLog{}
		r.logs[k] = l
	}
	return l
}

// load folds every tenant's registry logs from the beginning.
func (b *Bus) load(ctx context.Context) error {
	names, err := b.broker.Logs(ctx, "", registryPrefix)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !strings.HasPrefix(n.Log, registryPrefix) {
			continue
		}
		if n.Log == ingressLog {
			b.ingress.add(n.Tenant)
			continue
		}
		l := b.registry.log(n.Tenant, n.Log)
		if err := b.fold(ctx, n.Tenant, n.Log, l); err != nil {
			return err
		}
	}
	return nil
}

// fold reads what is new in a registry log and applies it. l.mu is held, or nobody else knows l yet.
func (b *Bus) fold(ctx context.Context, tenant, name string, l *registryLog) error {
	for {
		events, err := b.broker.Read(ctx, driver.ReadRequest{Tenant: tenant, Log: name, After: l.pos, Max: readPage})
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return nil
		}
		data := make([][]byte, len(events))
		for i := range events {
			data[i] = events[i].Data
		}
		if err := b.apply(ctx, tenant, name, data); err != nil {
			return err
		}
		l.pos = events[len(events)-1].Position
		if len(events) < readPage {
			return nil
		}
	}
}

// apply hands events of a registry log to the package that folds them.
func (b *Bus) apply(ctx context.Context, tenant, name string, events [][]byte) error {
	switch name {
	case intentLog:
		changes := make([]*router.Change, len(events))
		for i, e := range events {
			c, err := router.DecodeChange(e)
			if err != nil {
				return err
			}
			changes[i] = c
		}
		return b.router.Apply(ctx, tenant, changes)
	case flow.Log:
		changes := make([]*flow.Change, len(events))
		for i, e := range events {
			c, err := flow.DecodeChange(e)
			if err != nil {
				return err
			}
			changes[i] = c
		}
		b.flow.Apply(tenant, changes)
	}
	return nil // a log of a newer edition: nothing here folds it
}

// change appends one event to a registry log in the same commit as whatever build puts into it, then folds it. build is
// called with the log's newest state folded and may be called again after another node's change came between; it returns the
// encoded event. The Committed tells a duplicate operation.
func (b *Bus) change(ctx context.Context, tenant, name string, build func(c *broker.Commit) ([]byte, error)) (broker.Committed, error) {
	l := b.registry.log(tenant, name)
	l.mu.Lock()
	defer l.mu.Unlock()
	for attempt := 0; ; attempt++ {
		c := &broker.Commit{Tenant: tenant}
		event, err := build(c)
		if err != nil {
			return broker.Committed{}, err
		}
		c.Appends = append(c.Appends, driver.Append{Log: name, Data: event})
		c.Conditions = append(c.Conditions, driver.Condition{Log: name, Position: l.pos})
		done, err := b.commit(ctx, c)
		switch {
		case err == nil && done.Duplicate:
			return done, nil
		case err == nil:
			l.pos = done.Appended[len(done.Appended)-1]
			return done, b.apply(ctx, tenant, name, [][]byte{event})
		case semabus.ReasonOf(err) != semabus.ReasonPositionMismatch || attempt >= maxConflicts:
			return done, err
		}
		if err := b.fold(ctx, tenant, name, l); err != nil {
			return done, err
		}
	}
}

// commit is broker.Commit of a single batch.
func (b *Bus) commit(ctx context.Context, c *broker.Commit) (broker.Committed, error) {
	res, err := b.broker.Commit(ctx, []*broker.Commit{c})
	if len(res) == 1 {
		if res[0].Err != nil {
			return res[0], res[0].Err
		}
		return res[0], nil
	}
	if err == nil {
		err = &semabus.Error{Code: semabus.CodeInternal, Reason: semabus.ReasonInternal, Op: "bus.commit"}
	}
	return broker.Committed{}, err
}
