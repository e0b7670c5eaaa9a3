package bus

import (
	"context"
	"strings"
	"sync"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/flow"
	"github.com/semabus/semabus/router"
)

// intentLog is the broker log of every tenant that holds its intents, sets and feedback.
const intentLog = "$registry/intents"

const (
	registryPrefix = "$registry/"
	foldBytes      = 32 << 20 // of events, applied together
	firstPage      = 256      // events of the first read; those after it by the size of what came
	maxPageEvents  = 16 << 10
)

// registry keeps, for each (tenant, registry log), how far it was folded. Changes of one log are serialised here and, between
// nodes, by the commit's condition on the log's position.
type registry struct {
	mu   sync.Mutex
	logs map[logKey]*registryLog
}

type logKey struct{ tenant, log string }

// registryLog is one log. Whoever holds turn leads: it carries out the changes of all who wait in one commit.
type registryLog struct {
	turn sync.Mutex
	pos  semabus.Position // of the newest event that was folded; belongs to the holder of turn

	mu      sync.Mutex // inside turn
	waiting []*change
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
		switch n.Log {
		case ingressLog:
			b.ingress.add(n.Tenant)
			continue
		case preparedLog:
			b.transactions.add(n.Tenant)
			continue
		}
		l := b.registry.log(n.Tenant, n.Log)
		if err := b.fold(ctx, n.Tenant, n.Log, l); err != nil {
			return err
		}
		if n.Log == intentLog { // a node that starts again decides as it did before, from the first message on
			if err := b.router.Settled(ctx, n.Tenant); err != nil {
				return err
			}
		}
	}
	return nil
}

// fold reads what is new in a registry log and applies it, many changes together: that is what makes a start with a hundred
// thousand intents short. l.turn is held, or nobody else knows l yet.
func (b *Bus) fold(ctx context.Context, tenant, name string, l *registryLog) error {
	pos, page := l.pos, firstPage
	var data [][]byte
	size := 0
	for {
		events, err := b.broker.Read(ctx, driver.ReadRequest{Tenant: tenant, Log: name, After: pos, Max: page})
		if err != nil {
			return err
		}
		for i := range events {
			data = append(data, events[i].Data)
			size += len(events[i].Data)
			pos = events[i].Position
		}
		if len(data) > 0 && (len(events) == 0 || size >= foldBytes) {
			if err := b.apply(ctx, tenant, name, data); err != nil {
				return err
			}
			l.pos, data, size = pos, nil, 0
		}
		if len(events) == 0 {
			return nil
		}
		if size > 0 {
			page = max(1, min(maxPageEvents, (foldBytes-size)*len(data)/size))
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
				return damagedEvent(name, err)
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

func damagedEvent(name string, err error) error {
	if _, ok := semabus.AsError(err); ok {
		return err
	}
	return &semabus.Error{Code: semabus.CodeDataLoss, Reason: semabus.ReasonDataDamaged, Op: "bus.apply", Field: name,
		Fix: "verify the data folder", Err: err}
}

// version is the newest version that was folded of a log.
func (b *Bus) version(tenant, name string) uint64 {
	if name == flow.Log {
		return b.flow.Version(tenant)
	}
	return b.router.Version(tenant)
}
