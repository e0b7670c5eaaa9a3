package bus

import (
	"context"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/flow"
)

// PauseGroup stops deliveries of a group: when it returns, nothing new is leased, neither by a call that waits nor by an open
// subscription. What is leased may be settled, publishing goes on, and it lasts over restarts. A repeat of a known op id changes
// nothing.
func (b *Bus) PauseGroup(ctx context.Context, p semabus.Principal, opID, name string) error {
	if err := b.setPaused(ctx, p, "pause", opID, name, true); err != nil {
		return err
	}
	return b.flow.Quiet(ctx, p.Tenant, name)
}

// ResumeGroup starts deliveries again and wakes whoever waits for them.
func (b *Bus) ResumeGroup(ctx context.Context, p semabus.Principal, opID, name string) error {
	return b.setPaused(ctx, p, "resume", opID, name, false)
}

// setPaused writes the change. It carries the group's whole configuration, so that a node that does not know of pauses folds it
// as nothing new.
func (b *Bus) setPaused(ctx context.Context, p semabus.Principal, verb, opID, name string, paused bool) error {
	op := "bus." + verb
	if err := broker.CheckID(op, "name", name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "$") {
		return invalid(op, semabus.ReasonInvalidValue, "name", name, "not beginning with $", "reserved groups are never paused")
	}
	_, err := b.change(ctx, p, flow.Log, &change{verb: verb, opID: opID, hash: fnv64(name), subject: name,
		build: func(version uint64, now time.Time) ([][]byte, error) {
			g := b.flow.Config(p.Tenant, name)
			g.Version = version
			event, err := flow.EncodeChange(&flow.Change{Version: version, Group: g, Paused: &paused, At: now, By: p.Name})
			return [][]byte{event}, err
		}})
	return err
}
