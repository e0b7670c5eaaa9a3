package bus

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

const (
	maxConflicts = 8       // attempts to append behind another node's change
	maxTogether  = 128     // changes in one commit
	maxGathered  = 1 << 20 // bytes of events in one commit; a larger change travels alone
	maxEvent     = 4 << 20 // bytes of one change
)

// change is one caller's wish to append to a registry log.
type change struct {
	verb, opID string // name the operation; opID "" = no idempotence
	hash       uint64 // of what it says
	subject    string // what it is about: two changes of one subject never share a commit; "" = it does not matter
	// build returns the events, the first of which has the version. It is called with the newest state folded, and again
	// when another node's change came between.
	build func(version uint64, now time.Time) ([][]byte, error)
	with  *broker.Commit // what else becomes true in the same commit, which is then of this change alone

	done      bool
	made      made
	committed broker.Committed // of a change with a commit of its own
	err       error

	events [][]byte // of the last build
}

// made is what an operation leaves under its op id: enough to give a repeat the first answer, for the rest is in the
// repeated request.
type made struct {
	Op      string    `json:"op,omitempty"`
	Version uint64    `json:"version"` // of its last event
	At      time.Time `json:"at"`
	By      string    `json:"by"`
}

// mark is the idempotence key of the operation, apart from those of other verbs.
func (c *change) mark() string {
	if c.opID == "" {
		return ""
	}
	return within(c.verb+"/", c.opID)
}

// finish ends a change.
func (c *change) finish(m made, err error) { c.done, c.made, c.err = true, m, err }

// change carries a change out: its events are durable and folded when it returns. Callers of one log that come together
// share a commit. A repeat of a known op id changes nothing and gets what the first left.
func (b *Bus) change(ctx context.Context, p semabus.Principal, name string, c *change) (made, error) {
	if c.opID != "" {
		if err := checkOp("bus."+c.verb, c.opID); err != nil {
			return made{}, err
		}
	}
	c.made.By = p.Name
	l := b.registry.log(p.Tenant, name)
	l.mu.Lock()
	l.waiting = append(l.waiting, c)
	l.mu.Unlock()
	l.turn.Lock()
	defer l.turn.Unlock()
	ctx = context.WithoutCancel(ctx) // the commit is of others too
	for !c.done {
		b.lead(ctx, p.Tenant, name, l)
	}
	return c.made, c.err
}

// lead carries out as many waiting changes as fit in one commit.
func (b *Bus) lead(ctx context.Context, tenant, name string, l *registryLog) {
	b.carryOut(ctx, tenant, name, l, l.gather())
}

// carryOut commits and folds a group of changes.
func (b *Bus) carryOut(ctx context.Context, tenant, name string, l *registryLog, ready []*change) {
	for attempt := 0; ; attempt++ {
		var commit *broker.Commit
		if commit, ready = b.assemble(ctx, tenant, name, l, ready); len(ready) == 0 {
			return
		}
		done, err := b.commit(ctx, commit)
		known := done.Duplicate || semabus.ReasonOf(err) == semabus.ReasonDuplicateMismatch
		switch {
		case known && len(ready) > 1: // one of them is a repeat: find out which
			for i := range ready {
				b.carryOut(ctx, tenant, name, l, ready[i:i+1])
			}
			return
		case semabus.ReasonOf(err) == semabus.ReasonPositionMismatch && attempt < maxConflicts:
			if err = b.fold(ctx, tenant, name, l); err == nil {
				continue
			}
		case err == nil && !done.Duplicate:
			err = b.follow(ctx, tenant, name, l, ready, &done)
		case done.Duplicate: // the first time may have been on another node: what the answer says must be visible here
			err = b.fold(ctx, tenant, name, l)
		}
		conclude(ready, &done, err)
		return
	}
}

// conclude tells each change how it ended.
func conclude(ready []*change, done *broker.Committed, err error) {
	for _, c := range ready {
		c.committed = *done
		if err == nil && done.Duplicate && c.with == nil {
			c.finish(first(done.Value, c.mark()))
			continue
		}
		c.finish(c.made, err)
	}
}

// first reads what the first operation under a mark left.
func first(value []byte, mark string) (made, error) {
	var all []made
	if err := json.Unmarshal(value, &all); err != nil {
		return made{}, &semabus.Error{Code: semabus.CodeDataLoss, Reason: semabus.ReasonDataDamaged, Op: "bus.change",
			Fix: "verify the data folder", Err: err}
	}
	for _, m := range all {
		if m.Op == mark {
			return m, nil
		}
	}
	return made{}, &semabus.Error{Code: semabus.CodeAlreadyExists, Reason: semabus.ReasonDuplicateMismatch, Op: "bus.change",
		Field: "op_id", Fix: "use a new op id for another request"}
}

// follow folds what was just committed. Where that fails the position stays behind, so that the next change reads it again.
func (b *Bus) follow(ctx context.Context, tenant, name string, l *registryLog, ready []*change, done *broker.Committed) error {
	var events [][]byte
	for _, c := range ready {
		events = append(events, c.events...)
	}
	if err := b.apply(ctx, tenant, name, events); err != nil {
		return err
	}
	l.pos = done.Appended[len(done.Appended)-1]
	return nil
}

// gather takes the changes that may share a commit off the queue: in order, one a subject, and one with a commit of its own
// alone.
func (l *registryLog) gather() (group []*change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var rest []*change
	for i, c := range l.waiting {
		if len(group) == maxTogether || len(group) > 0 && (c.with != nil || group[0].with != nil) {
			rest = append(rest, l.waiting[i:]...)
			break
		}
		same := func(o *change) bool { return c.subject != "" && c.subject == o.subject }
		if slices.ContainsFunc(group, same) {
			rest = append(rest, c)
			continue
		}
		group = append(group, c)
	}
	l.waiting = rest
	return group
}

// put brings changes back to the head of the queue.
func (l *registryLog) put(cs []*change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(slices.Clone(cs), l.waiting...)
}

// assemble builds the commit of a group. Changes that cannot be built are finished with their error; those beyond the
// commit's size go back to the queue.
func (b *Bus) assemble(ctx context.Context, tenant, name string, l *registryLog, group []*change) (*broker.Commit, []*change) {
	commit := &broker.Commit{Tenant: tenant}
	if len(group) > 0 && group[0].with != nil {
		*commit = *group[0].with
		commit.Conditions = slices.Clone(commit.Conditions)
	}
	commit.Conditions = append(commit.Conditions, driver.Condition{Log: name, Position: l.pos})
	version, now, size := b.version(tenant, name), b.clock.Now(), 0
	var ready []*change
	var left []made
	for i, c := range group {
		n, err := c.prepare(version+1, now)
		if err != nil {
			b.fail(ctx, tenant, c, err)
			continue
		}
		if len(ready) > 0 && size+n > maxGathered {
			l.put(group[i:])
			break
		}
		size += n
		version += uint64(len(c.events))
		c.made = made{Op: c.mark(), Version: version, At: now, By: c.made.By}
		ready = append(ready, c)
		for _, e := range c.events {
			commit.Appends = append(commit.Appends, driver.Append{Log: name, Data: e})
		}
		if c.made.Op != "" {
			commit.Ops = append(commit.Ops, broker.Op{ID: c.made.Op, Hash: c.hash})
			left = append(left, c.made)
		}
	}
	if len(left) > 0 {
		commit.Value, _ = json.Marshal(left) //nolint:errchkjson // numbers, strings and a time
	}
	return commit, ready
}

// prepare builds the events and returns their size in bytes.
func (c *change) prepare(version uint64, now time.Time) (n int, err error) {
	if c.events, err = c.build(version, now); err != nil {
		return 0, err
	}
	for _, e := range c.events {
		if len(e) > maxEvent {
			return 0, invalid("bus."+c.verb, semabus.ReasonTooLarge, c.verb, strconv.Itoa(len(e))+" bytes", strconv.Itoa(maxEvent)+" bytes",
				"shorten it: keep the most different examples")
		}
		n += len(e)
	}
	return n, nil
}

// fail ends a change that could not be built. A repeated operation finds its own effect ("exists"): where its mark is known
// it gets the first answer instead.
func (b *Bus) fail(ctx context.Context, tenant string, c *change, err error) {
	if mark := c.mark(); mark != "" {
		done, perr := b.commit(ctx, &broker.Commit{Tenant: tenant, OpID: mark, OpHash: c.hash, Conditions: never()})
		switch {
		case perr == nil && done.Duplicate:
			c.finish(first(done.Value, mark))
			return
		case semabus.ReasonOf(perr) == semabus.ReasonDuplicateMismatch:
			err = perr
		}
	}
	c.finish(made{}, err)
}

// commit is broker.Commit of a single batch.
func (b *Bus) commit(ctx context.Context, c *broker.Commit) (broker.Committed, error) {
	res, err := b.broker.Commit(ctx, []*broker.Commit{c})
	if len(res) != 1 {
		return broker.Committed{}, errors.Join(err, &semabus.Error{Code: semabus.CodeInternal, Reason: semabus.ReasonInternal, Op: "bus.commit"})
	}
	return res[0], res[0].Err
}
