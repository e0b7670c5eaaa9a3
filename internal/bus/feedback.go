package bus

import (
	"context"
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/router"
)

const maxFeedback = 1000

// Feedback labels messages for intents: each becomes an example or a counter-example with its provenance, all of them or
// none. A message that is no longer retained, or has no text, and an intent that does not exist are errors.
func (b *Bus) Feedback(ctx context.Context, p semabus.Principal, opID string, fs []semabus.Feedback) error {
	const op = "bus.Feedback"
	if len(fs) == 0 || len(fs) > maxFeedback {
		return invalid(op, semabus.ReasonTooMany, "labels", strconv.Itoa(len(fs)), "1–1000 labels", "split the call")
	}
	changes := make([]router.Change, len(fs))
	for i := range fs {
		f, text, err := b.labelled(ctx, p, fs[i], "labels["+strconv.Itoa(i)+"]")
		if err != nil {
			return err
		}
		changes[i] = router.Change{Feedback: &f, FeedbackText: text, By: p.Name}
	}
	_, err := b.change(ctx, p, intentLog, &change{verb: "feedback", opID: opID, hash: jsonHash(fs), build: func(version uint64, now time.Time) ([][]byte, error) {
		events := make([][]byte, len(changes))
		for i := range changes {
			changes[i].Version, changes[i].At = version+uint64(i), now
			events[i] = router.EncodeChange(&changes[i])
		}
		return events, nil
	}})
	return err
}

// labelled completes a label: the message's text, and the intent where only the group was named.
func (b *Bus) labelled(ctx context.Context, p semabus.Principal, f semabus.Feedback, field string) (semabus.Feedback, string, error) {
	const op = "bus.Feedback"
	if len(f.Note) > semabus.MaxDescriptionBytes {
		return f, "", invalid(op, semabus.ReasonTooLarge, field+".note", strconv.Itoa(len(f.Note))+" bytes",
			strconv.Itoa(semabus.MaxDescriptionBytes)+" bytes", "shorten it")
	}
	if err := broker.CheckID(op, field+".message_id", f.MessageID); err != nil {
		return f, "", err
	}
	rec, err := b.broker.Message(ctx, p.Tenant, f.MessageID)
	if err != nil {
		return f, "", err
	}
	if f.Intent == "" {
		f.Intent = intentOf(rec.Decision, f.Group)
	}
	if _, ok := b.router.Intent(p.Tenant, f.Intent); !ok {
		return f, "", notFound(op, field+".intent", f.Intent, "name the intent, or a group that received the message by meaning")
	}
	if rec.Message.Text == "" {
		return f, "", invalid(op, semabus.ReasonInvalidValue, field+".message_id", f.MessageID, "a message with text", "only texts can teach")
	}
	return f, rec.Message.Text, nil
}

// settleNotForMe finishes the delivery and teaches the router in one commit.
func (b *Bus) settleNotForMe(ctx context.Context, p semabus.Principal, w *settling) (broker.Committed, error) {
	f := &semabus.Feedback{MessageID: w.held.Message.ID, Group: w.held.Delivery.Group}
	if rec, err := b.broker.Message(ctx, p.Tenant, f.MessageID); err == nil {
		f.Intent = intentOf(rec.Decision, f.Group)
	}
	text := w.held.Message.Text
	for {
		var done broker.Committed
		var err error
		if f.Intent == "" || text == "" {
			done, err = b.commit(ctx, &w.commit) // it came by topic or address: there is nothing to learn
		} else {
			c := &change{verb: "not_for_me", with: &w.commit, build: func(version uint64, now time.Time) ([][]byte, error) {
				return [][]byte{router.EncodeChange(&router.Change{Version: version, Feedback: f, FeedbackText: text, At: now, By: p.Name})}, nil
			}}
			_, err = b.change(ctx, p, intentLog, c)
			done = c.committed
		}
		if !overBudget(&w.commit, err) {
			return done, err
		}
		park(w)
	}
}

// intentOf is the intent by which a message reached a group, or "" when meaning had no part in it.
func intentOf(d *semabus.Decision, group string) string {
	if d == nil {
		return ""
	}
	for _, m := range d.Matches {
		if m.Group == group && m.Reason == semabus.MatchMeaning {
			return m.Intent
		}
	}
	return ""
}
