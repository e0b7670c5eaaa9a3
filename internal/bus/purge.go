package bus

import (
	"context"
	"strconv"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// purgeBatch is how many deliveries one commit of a purge ends.
const purgeBatch = 256

// PurgeGroup ends the deliveries that wait in a group when it is called, those that are not due yet too, and returns their
// number; with dryRun it only counts. What is leased stays. The work is many commits: interrupted, what was ended stays
// ended. A repeat under the op id of a purge that was finished gets its number and ends nothing.
func (b *Bus) PurgeGroup(ctx context.Context, p semabus.Principal, opID, name string, dryRun bool) (purged int64, err error) {
	if err := checkPurge(opID, name); err != nil {
		return 0, err
	}
	if dryRun {
		return b.waiting(ctx, p.Tenant, name)
	}
	mark := &broker.Commit{Tenant: p.Tenant}
	if opID != "" {
		mark.OpID, mark.OpHash = within("purge/", opID), fnv64(name)
		if value, known, err := b.recall(ctx, mark); known || err != nil {
			return decodeCount(value, err)
		}
	}
	commit := context.WithoutCancel(ctx) // a commit is short and must not be torn
	var drops []driver.Drop
	flush := func() error {
		if len(drops) == 0 {
			return nil
		}
		done, err := b.commit(commit, &broker.Commit{Tenant: p.Tenant, Drops: drops})
		for _, dropped := range done.Dropped {
			if dropped {
				purged++
			}
		}
		drops = nil
		return err
	}
	err = b.each(ctx, p.Tenant, name, func(some []broker.Record) error {
		for i := range some {
			d := &some[i].Deliveries[0]
			if d.State == driver.StateLeased {
				continue
			}
			drops = append(drops, driver.Drop{MessageID: d.MessageID, Group: name, Key: d.Key, Waiting: true, Optional: true, Error: ended(howPurged, p)})
		}
		if len(drops) < purgeBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil || mark.OpID == "" {
		return purged, err
	}
	mark.Value = strconv.AppendInt(nil, purged, 10)
	_, err = b.commit(commit, mark)
	return purged, err
}

// checkPurge validates what is to be purged.
func checkPurge(opID, name string) error {
	const op = "bus.PurgeGroup"
	if opID != "" {
		if err := checkOp(op, opID); err != nil {
			return err
		}
	}
	if err := broker.CheckID(op, "name", name); err != nil {
		return err
	}
	switch name {
	case semabus.GroupUnmatched, semabus.GroupHeld, semabus.GroupDeadLetter:
		return nil
	}
	if strings.HasPrefix(name, "$") { // an undecided message, a transaction, an operation: each has its own end
		return invalid(op, semabus.ReasonInvalidValue, "name", name, "of the reserved groups $unmatched, $held and $dlq", "name another group")
	}
	return nil
}

func decodeCount(value []byte, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(value), 10, 64)
}

// recall looks up what a commit left under its op id, if it was made before. An op id that is known for something else is
// ALREADY_EXISTS/DUPLICATE_MISMATCH.
func (b *Bus) recall(ctx context.Context, c *broker.Commit) (value []byte, known bool, err error) {
	if c.OpID == "" {
		return nil, false, nil
	}
	done, err := b.commit(ctx, &broker.Commit{Tenant: c.Tenant, OpID: c.OpID, OpHash: c.OpHash, Conditions: never()})
	if semabus.CodeOf(err) == semabus.CodeFailedPrecondition { // it never holds
		return nil, false, nil
	}
	return done.Value, err == nil && done.Duplicate, err
}

// waiting counts the deliveries of a group that nobody works on.
func (b *Bus) waiting(ctx context.Context, tenant, group string) (n int64, err error) {
	st, err := b.broker.Stats(ctx, tenant, []string{group})
	if err != nil {
		return 0, err
	}
	for i := range st.Groups {
		if st.Groups[i].Group == group {
			n += st.Groups[i].Ready + st.Groups[i].Delayed
		}
	}
	return n, nil
}
