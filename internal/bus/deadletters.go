package bus

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/router"
)

// DeadLetter is a delivery that failed for good, named by the message and the group that gave up.
type DeadLetter struct {
	broker.DeadLetter
	Message  *semabus.Message
	Decision *semabus.Decision // nil = it failed before it was decided
	Time     time.Time         // when it was given up

	key    string
	leased bool // somebody has fetched it
}

// DeadLetterFilter selects dead letters: every condition that is not zero must hold.
type DeadLetterFilter struct {
	MessageID string
	Group     string
	Reason    string // one of broker's Dead* constants, or LOOP
	Filter    string // CEL over the message, with the variables of an intent's filter
	Since     time.Time
	Until     time.Time // exclusive
}

// selection is a filter that was checked.
type selection struct {
	DeadLetterFilter
	condition router.Condition
}

func (f DeadLetterFilter) compile(op string) (s selection, err error) {
	for _, x := range [...]struct{ field, id string }{{"message_id", f.MessageID}, {"group", f.Group}, {"reason", f.Reason}} {
		if x.id == "" {
			continue
		}
		if err := broker.CheckID(op, x.field, x.id); err != nil {
			return s, err
		}
	}
	if !f.Until.IsZero() && !f.Until.After(f.Since) {
		return s, invalid(op, semabus.ReasonInvalidValue, "since", f.Since.UTC().Format(time.RFC3339), "before until", "give the earlier time as since")
	}
	s.DeadLetterFilter = f
	s.condition, err = router.NewCondition(f.Filter)
	return s, err
}

// takes reports whether a letter is selected.
func (s *selection) takes(l *DeadLetter) bool {
	return (s.MessageID == "" || l.Message.ID == s.MessageID) && (s.Group == "" || l.Group == s.Group) &&
		(s.Reason == "" || l.Reason == s.Reason) && (s.Since.IsZero() || !l.Time.Before(s.Since)) &&
		(s.Until.IsZero() || l.Time.Before(s.Until)) && s.condition.Holds(l.Message)
}

// letter reads a record whose delivery at i lies in the dead-letter queue. A record of an unknown kind has its group and no reason.
func letter(rec *broker.Record, i int) DeadLetter {
	d := &rec.Deliveries[i]
	l := DeadLetter{Message: rec.Message, Decision: rec.Decision, Time: d.Enqueued, key: d.Key, leased: d.State == driver.StateLeased}
	if dl, err := broker.DecodeDeadLetter(d.Info); err == nil {
		l.DeadLetter = *dl
	}
	if l.Group == "" {
		l.Group = d.Key
	}
	return l
}

// DeadLetters returns a page of the tenant's dead letters that the filter selects, oldest first, and the token of the following
// page, "" after the last. limit 0 = 100; a page ends early, and may be empty, where its messages have 1 MiB or 10,000 letters
// were looked at.
func (b *Bus) DeadLetters(ctx context.Context, p semabus.Principal, f DeadLetterFilter, token string, limit int) (page []DeadLetter, next string, err error) {
	const op = "bus.DeadLetters"
	s, err := f.compile(op)
	if err != nil {
		return nil, "", err
	}
	found, next, err := b.page(ctx, op, p.Tenant, semabus.GroupDeadLetter, token, limit, func(r *broker.Record) bool {
		l := letter(r, 0)
		return s.takes(&l)
	})
	for i := range found {
		page = append(page, letter(&found[i], 0))
	}
	return page, next, err
}

// DeadLetter returns the letter of a message that a group gave up; group "" = the only one that did. Errors: NOT_FOUND,
// INVALID_ARGUMENT/REQUIRED where several groups did.
func (b *Bus) DeadLetter(ctx context.Context, p semabus.Principal, messageID, group string) (*DeadLetter, error) {
	const op = "bus.DeadLetter"
	letters, err := b.lettersOf(ctx, p.Tenant, messageID)
	if err != nil {
		return nil, err
	}
	var out *DeadLetter
	for i := range letters {
		switch {
		case group != "" && letters[i].Group != group:
		case out != nil:
			return nil, invalid(op, semabus.ReasonRequired, "group", "", "one of "+out.Group+", "+letters[i].Group, "name the group: several gave the message up")
		default:
			out = &letters[i]
		}
	}
	if out == nil {
		return nil, notFound(op, "message_id", messageID, "it is not in the dead letters, or no longer; ask why")
	}
	return out, nil
}

// lettersOf are the dead letters of one message.
func (b *Bus) lettersOf(ctx context.Context, tenant, messageID string) (letters []DeadLetter, err error) {
	rec, err := b.broker.Message(ctx, tenant, messageID)
	if err != nil {
		return nil, err
	}
	for i := range rec.Deliveries {
		if d := &rec.Deliveries[i]; d.Group == semabus.GroupDeadLetter && d.State <= driver.StateLeased {
			letters = append(letters, letter(rec, i))
		}
	}
	return letters, nil
}
