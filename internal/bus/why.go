package bus

import (
	"context"
	"fmt"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/router"
)

// WhyAnswer says why a message did or did not reach a group.
type WhyAnswer struct {
	Message    *semabus.Message
	Decision   *semabus.Decision
	Group      string // "" = the question was about all groups
	Reason     semabus.MatchReason
	Match      *semabus.Match    // the evidence; nil where none was weighed
	Deliveries []driver.Delivery // of the group, or of all
	Text       string            // one sentence
	Fix        string            // what to change to get another outcome
}

// Why answers from the stored decision, and for a group the decision does not mention from today's registry, saying so. An
// unknown message is NOT_FOUND.
func (b *Bus) Why(ctx context.Context, p semabus.Principal, messageID, group string) (*WhyAnswer, error) {
	rec, err := b.broker.Message(ctx, p.Tenant, messageID)
	if err != nil {
		return nil, err
	}
	w := &WhyAnswer{Message: rec.Message, Decision: rec.Decision, Group: group}
	for _, d := range rec.Deliveries {
		if group == "" || d.Group == group {
			w.Deliveries = append(w.Deliveries, d)
		}
	}
	if group == "" {
		w.Text = summary(rec)
		return w, nil
	}
	later := false
	if m := find(rec.Decision, group); m != nil {
		w.Match, w.Reason = m, m.Reason
	} else if len(w.Deliveries) > 0 {
		w.Reason = semabus.MatchAddress // a reserved queue the bus itself chose
	} else if later, err = b.reexamine(ctx, p.Tenant, rec, w); err != nil {
		return nil, err
	}
	w.Text, w.Fix = sentence(w, later)
	return w, nil
}

// find is the decision's word on a group.
func find(d *semabus.Decision, group string) *semabus.Match {
	if d == nil {
		return nil
	}
	for _, list := range [][]semabus.Match{d.Matches, d.Near} {
		for i := range list {
			if list[i].Group == group {
				return &list[i]
			}
		}
	}
	return nil
}

// reexamine weighs the message against the group's intents of today. later reports that the registry has changed since.
func (b *Bus) reexamine(ctx context.Context, tenant string, rec *broker.Record, w *WhyAnswer) (later bool, err error) {
	w.Reason = semabus.MissNotRegistered
	if rec.Decision != nil {
		later = rec.Decision.RegistryVersion != b.router.Version(tenant)
	}
	var vs []embed.Vector
	if rec.Message.Text != "" {
		if vs, err = b.embed.EmbedOne(ctx, rec.Message.Text, embeddriver.Query, nil); err != nil {
			return later, err
		}
	}
	for _, name := range b.router.GroupIntents(tenant, w.Group) {
		m, err := b.router.Explain(ctx, &router.Request{Tenant: tenant, Message: rec.Message, Vectors: vs,
			GroupTopics: func(t string) []string { return b.flow.TopicGroups(tenant, t) }}, name)
		if err != nil {
			return later, err
		}
		if w.Match == nil || m.Probability > w.Match.Probability {
			w.Match, w.Reason = &m, m.Reason
		}
	}
	return later, nil
}

// summary is the answer about all groups.
func summary(rec *broker.Record) string {
	d := rec.Decision
	switch {
	case d == nil:
		return "The message is stored and waits for its decision."
	case len(d.Matches) > 0:
		return fmt.Sprintf("Delivered to %s.", strings.Join(d.Groups(), ", "))
	case len(d.Near) > 0:
		n := d.Near[0]
		return fmt.Sprintf("Matched no group (%s). Nearest: %s at probability %.2f, threshold %.2f.", d.Outcome, n.Intent, n.Probability, n.Threshold)
	}
	return fmt.Sprintf("Matched no group (%s): nothing registered resembles it.", d.Outcome)
}

// sentence says a reason in words, and what to change.
func sentence(w *WhyAnswer, later bool) (text, fix string) {
	m := w.Match
	if m == nil {
		m = &semabus.Match{}
	}
	switch w.Reason {
	case semabus.MatchAddress:
		text = fmt.Sprintf("Delivered: the message was sent to %s by name.", w.Group)
	case semabus.MatchTopic:
		text = fmt.Sprintf("Delivered: %s subscribes the topic %s.", w.Group, w.Message.Topic)
	case semabus.MatchFilter:
		text = fmt.Sprintf("Delivered: the filter of intent %s holds.", m.Intent)
	case semabus.MatchMeaning:
		text = fmt.Sprintf("Delivered: intent %s at probability %.2f, over its threshold %.2f%s.", m.Intent, m.Probability, m.Threshold, nearest(m))
		fix = "settle it not_for_me, or /reject it, and it becomes a counter-example"
	case semabus.MissBelowThreshold:
		text = fmt.Sprintf("Not delivered: intent %s at probability %.2f, under its threshold %.2f%s.", m.Intent, m.Probability, m.Threshold, nearest(m))
		fix = "add this message's text as an example of the intent, or give feedback `useful`"
	case semabus.MissNotPermitted:
		text, fix = fmt.Sprintf("Not delivered: %s is not in the message's audience.", w.Group), "publish with the group in audience"
	case semabus.MissFiltered:
		text, fix = fmt.Sprintf("Not delivered: the filter of intent %s does not hold.", m.Intent), "change the filter, or the headers it reads"
	case semabus.MissOutcompeted:
		text = fmt.Sprintf("Not delivered: a sibling of set %s fits better; intent %s had probability %.2f.", m.Set, m.Intent, m.Probability)
		fix = "make the set dispatch `event`, or move the intent to another set"
	case semabus.MissFanout:
		text, fix = fmt.Sprintf("Not delivered: set %s had reached its fan-out limit.", m.Set), "raise max_fanout of the set"
	case semabus.MissLoop:
		text, fix = fmt.Sprintf("Not delivered: %s caused the message itself, or its chain is over budget.", w.Group), "set accept_own on the intent if this is wanted"
	case semabus.MissAmbiguous:
		text, fix = "Held: the best two intents are too close.", "sharpen their examples, or set the ambiguity policy of the set"
	case semabus.MissAddressed:
		text, fix = fmt.Sprintf("Not delivered: the message was addressed elsewhere (to %q, topic %q).", w.Message.To, w.Message.Topic), "publish without an address"
	case semabus.MissNoEvidence:
		text, fix = fmt.Sprintf("Not delivered: nothing of the message resembles intent %s.", m.Intent), "give the message a text, or the intent an example like it"
	default:
		text, fix = fmt.Sprintf("Not delivered: nothing was registered for group %s.", w.Group), "register an intent for the group"
	}
	if later {
		text += fmt.Sprintf(" (Weighed today, at another registry version than the decision's %d.)", w.Decision.RegistryVersion)
	}
	return text, fix
}

func nearest(m *semabus.Match) string {
	if m.Example == "" {
		return ""
	}
	return fmt.Sprintf("; nearest example: %q", m.Example)
}
