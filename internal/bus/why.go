package bus

import (
	"context"
	"fmt"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// WhyAnswer says why a message did or did not reach a group.
type WhyAnswer struct {
	Message    *semabus.Message
	Decision   *semabus.Decision
	Group      string // "" = the question was about all groups
	Reason     semabus.MatchReason
	Match      *semabus.Match    // the evidence; nil where none was weighed
	Deliveries []driver.Delivery // of the group with its dead letter, or of all
	Text       string            // why, and what became of it
	Fix        string            // what to change to get another outcome
}

// Why answers from the stored decision, and for a group the decision does not mention from today's registry, saying so. A message
// that is forgotten is answered for by the ledger, which keeps its decision and what became of it. An unknown message is
// NOT_FOUND.
func (b *Bus) Why(ctx context.Context, p semabus.Principal, messageID, group string) (*WhyAnswer, error) {
	if group != "" {
		if err := broker.CheckID("bus.Why", "group", group); err != nil {
			return nil, err
		}
	}
	rec, err := b.broker.Message(ctx, p.Tenant, messageID)
	if err != nil {
		return nil, err
	}
	w := &WhyAnswer{Message: rec.Message, Decision: rec.Decision, Group: group}
	for _, d := range rec.Deliveries {
		if group == "" || concerns(&d, group) {
			w.Deliveries = append(w.Deliveries, d)
		}
	}
	if group == "" {
		if w.Text = summary(rec); rec.Gone {
			w.Text += " (From the ledger: the message itself is forgotten.)"
		}
		return w, nil
	}
	d := rec.Decision
	switch m := find(d, group); {
	case d == nil && len(w.Deliveries) == 0:
		w.Text, w.Fix = "Not decided yet: the message waits for its decision.", "ask again shortly"
	case m != nil:
		w.Match, w.Reason = m, m.Reason
		w.Text, w.Fix = sentence(w)
		w.end(b.fateOf(p.Tenant, group, w.Deliveries))
	case len(w.Deliveries) > 0: // a reserved queue that the bus itself chose
		w.Reason = semabus.MatchAddress
		w.Text = "In " + group + ": " + summary(rec)
		w.end(b.fateOf(p.Tenant, group, w.Deliveries))
	case d.Outcome == semabus.OutcomeLoop:
		w.Reason = semabus.MissLoop
		w.Text, w.Fix = sentence(w)
	case rec.Gone:
		w.Reason = semabus.MissNotRegistered
		w.Text = "Not delivered: its decision has no word on " + group + ", and the message itself is forgotten, so it cannot be weighed again."
	default:
		if err := b.reexamine(ctx, p.Tenant, rec, w); err != nil {
			return nil, err
		}
	}
	if rec.Gone {
		w.Text += " (From the ledger: the message itself is forgotten.)"
	}
	return w, nil
}

// end adds what became of the group's delivery. One that nobody worked on was not delivered, whatever was decided.
func (w *WhyAnswer) end(f *fate) {
	switch {
	case f == nil || !w.Reason.Delivers():
		return
	case f.never:
		w.Text = strings.Replace(w.Text, "Delivered:", "Not delivered:", 1)
	}
	w.Text += " " + f.text
	if f.fix != "" {
		w.Fix = f.fix
	}
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

// reexamine weighs the message against the group's intents of today: the decision kept no word on the group.
func (b *Bus) reexamine(ctx context.Context, tenant string, rec *broker.Record, w *WhyAnswer) error {
	sc := b.scratch()
	defer b.free(sc)
	w.Reason = semabus.MissNotRegistered
	m := *rec.Message // the stored one is part of the answer
	req, err := b.request(ctx, tenant, &m, sc)
	if err != nil {
		return err
	}
	for _, name := range b.router.GroupIntents(tenant, w.Group) {
		m, err := b.router.Explain(ctx, req, name)
		if err != nil {
			return err
		}
		if w.Match == nil || m.Probability > w.Match.Probability {
			w.Match, w.Reason = &m, m.Reason
		}
	}
	later := rec.Decision.RegistryVersion != b.router.Version(tenant)
	would := w.Reason.Delivers()
	switch {
	case would && later:
		w.Reason = semabus.MissNotRegistered
	case would: // the same registry, asked without the loop guard
		w.Reason = semabus.MissLoop
	}
	w.Text, w.Fix = sentence(w)
	switch {
	case would && later:
		w.Text = fmt.Sprintf("Not delivered: when it was decided, intent %s was not what it is now; today it would match.", w.Match.Intent)
		w.Fix = "publish it again"
	case later:
		w.Text += fmt.Sprintf(" (Weighed today, at another registry version than the decision's %d.)", rec.Decision.RegistryVersion)
	}
	return nil
}

// summary is the answer about all groups.
func summary(rec *broker.Record) string {
	d := rec.Decision
	switch {
	case d == nil:
		return "The message is stored and waits for its decision."
	case len(d.Matches) > 0:
		return fmt.Sprintf("Delivered to %s.", strings.Join(d.Groups(), ", "))
	case d.Outcome == semabus.OutcomeLoop:
		return "Parked in the dead letters: its chain of causes is too long or has spent its budget."
	case len(d.Near) > 0:
		n := d.Near[0]
		return fmt.Sprintf("Matched no group (%s). Nearest: %s at probability %.2f, threshold %.2f.", d.Outcome, n.Intent, n.Probability, n.Threshold)
	}
	return fmt.Sprintf("Matched no group (%s): nothing registered resembles it.", d.Outcome)
}

// sentence says a reason in words, and what to change.
func sentence(w *WhyAnswer) (text, fix string) {
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
		fix = "settle it `not_for_me`, or give feedback `not_for_me`: it becomes a counter-example"
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
	return text, fix
}

func nearest(m *semabus.Match) string {
	if m.Example == "" {
		return ""
	}
	return fmt.Sprintf("; nearest example: %q", m.Example)
}
