package bus

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// CancelScheduled takes back a message whose time to be delivered has not come and returns the groups that will not get it,
// sorted: none where it was not decided yet. All of its deliveries end in one commit. Only its publisher and operators may. Errors:
// NOT_FOUND, FAILED_PRECONDITION/ALREADY_DUE, PERMISSION_DENIED. A repeat of a known op id gets the first answer.
func (b *Bus) CancelScheduled(ctx context.Context, p semabus.Principal, opID, messageID string) (groups []string, err error) {
	const op = "bus.CancelScheduled"
	c := &broker.Commit{Tenant: p.Tenant}
	if opID != "" {
		if err := checkOp(op, opID); err != nil {
			return nil, err
		}
		c.OpID, c.OpHash = within("cancel/", opID), fnv64(messageID)
	}
	for attempt := 1; ; attempt++ {
		if err := b.cancellation(ctx, p, messageID, c); err != nil {
			value, known, rerr := b.recall(ctx, c) // a repeat is answered, whatever has become of the message
			if known || semabus.ReasonOf(rerr) == semabus.ReasonDuplicateMismatch {
				return decodeGroups(value, rerr)
			}
			return nil, err
		}
		done, err := b.commit(context.WithoutCancel(ctx), c)
		switch {
		case err == nil && done.Duplicate:
			return decodeGroups(done.Value, nil)
		case err == nil:
			return groupsOf(c.Drops), nil
		case semabus.CodeOf(err) == semabus.CodeNotFound && attempt < maxConflicts: // a delivery was leased or ended since: look again
		default:
			return nil, err
		}
	}
}

func decodeGroups(value []byte, err error) (groups []string, _ error) {
	if err == nil {
		err = json.Unmarshal(value, &groups)
	}
	return groups, err
}

// cancellation fills the commit that ends everything of a scheduled message.
func (b *Bus) cancellation(ctx context.Context, p semabus.Principal, messageID string, c *broker.Commit) error {
	const op = "bus.CancelScheduled"
	rec, err := b.broker.Message(ctx, p.Tenant, messageID)
	if err != nil {
		return err
	}
	m := rec.Message
	switch {
	case m == nil: // only its record is kept
		return notFound(op, "message_id", messageID, "nothing of it waits any more; ask why")
	case m.Source != p.Name && !operates(p):
		return &semabus.Error{Code: semabus.CodePermissionDenied, Reason: semabus.ReasonNotPermitted, Op: op, Field: "message_id",
			Value: semabus.Shorten(messageID), Limit: "its publisher, or role operator", Fix: "use the key that published it"}
	case !m.DeliverAt.After(b.clock.Now()):
		e := &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonAlreadyDue, Op: op, Field: "message_id",
			Value: semabus.Shorten(messageID), Fix: "it is on its way: only messages with deliver_at can be taken back, and only before it"}
		if !m.DeliverAt.IsZero() {
			e.Limit = "before " + m.DeliverAt.UTC().Format(time.RFC3339)
		}
		return e
	}
	c.Drops = nil
	for i := range rec.Deliveries {
		d := &rec.Deliveries[i]
		if d.State > driver.StateLeased || d.Group == semabus.GroupPrepared || d.Group == semabus.GroupOperations {
			continue
		}
		// What waits for its decision, or for an operator, is taken from under the hands of whoever has it.
		c.Drops = append(c.Drops, driver.Drop{MessageID: m.ID, Group: d.Group, Key: d.Key, Waiting: !strings.HasPrefix(d.Group, "$"),
			Error: ended(howCancelled, p)})
	}
	if len(c.Drops) == 0 {
		return notFound(op, "message_id", messageID, "nothing of it waits any more: it was cancelled or purged; ask why")
	}
	c.Value, err = json.Marshal(groupsOf(c.Drops))
	return err
}

// groupsOf names the groups that lose a delivery: of a dead letter the one that gave up.
func groupsOf(drops []driver.Drop) []string {
	groups := []string{}
	for i := range drops {
		switch d := &drops[i]; d.Group {
		case semabus.GroupIngress:
		case semabus.GroupDeadLetter:
			groups = append(groups, d.Key)
		default:
			groups = append(groups, d.Group)
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}
