package bus

import (
	"context"
	"strconv"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router"
)

const maxFeedback = 100

// Feedback labels messages for intents: each becomes an example or a counter-example with its provenance. A message that is
// no longer retained, or has no text, is an error; labels before it in the slice are kept.
func (b *Bus) Feedback(ctx context.Context, p semabus.Principal, opID string, fs []semabus.Feedback) error {
	const op = "bus.Feedback"
	if len(fs) == 0 || len(fs) > maxFeedback {
		return invalid(op, semabus.ReasonTooMany, "feedback", strconv.Itoa(len(fs)), "1–100 labels", "split the call")
	}
	for i := range fs {
		f, text, err := b.labelled(ctx, p, fs[i], "feedback["+strconv.Itoa(i)+"]")
		if err != nil {
			return err
		}
		one := opID
		if one != "" {
			one += "/" + strconv.Itoa(i)
		}
		_, _, err = registryOp(ctx, b, p, intentLog, mark("feedback", one), jsonHash(f), func() (bool, uint64, []byte, error) {
			c := &router.Change{Version: b.router.Version(p.Tenant) + 1, Feedback: &f, FeedbackText: text, At: b.clock.Now(), By: p.Name}
			return true, c.Version, router.EncodeChange(c), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// labelled completes a label: the message's text, and the intent where only the group was named.
func (b *Bus) labelled(ctx context.Context, p semabus.Principal, f semabus.Feedback, field string) (semabus.Feedback, string, error) {
	const op = "bus.Feedback"
	rec, err := b.broker.Message(ctx, p.Tenant, f.MessageID)
	if err != nil {
		return f, "", err
	}
	if f.Intent == "" {
		f.Intent = b.intentOf(ctx, p.Tenant, f.MessageID, f.Group)
	}
	if _, ok := b.router.Intent(p.Tenant, f.Intent); !ok {
		return f, "", notFound(op, field+".intent", f.Intent, "name the intent, or a group that received the message by meaning")
	}
	if rec.Message.Text == "" {
		return f, "", invalid(op, semabus.ReasonInvalidValue, field+".message_id", f.MessageID, "a message with text", "only texts can teach")
	}
	return f, rec.Message.Text, nil
}
