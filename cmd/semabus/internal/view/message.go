package view

import (
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
)

// Message is a semabus.Message.
type Message struct {
	ID          string            `json:"id"`
	Source      string            `json:"source,omitempty"`
	Type        string            `json:"type,omitempty"`
	Subject     string            `json:"subject,omitempty"`
	Time        *time.Time        `json:"time,omitempty"`
	Topic       string            `json:"topic,omitempty"`
	To          string            `json:"to,omitempty"`
	Text        string            `json:"text,omitempty"`
	Payload     []byte            `json:"payload,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Parts       []Part            `json:"parts,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Audience    []string          `json:"audience,omitempty"`
	Session     string            `json:"session,omitempty"`
	InReplyTo   string            `json:"in_reply_to,omitempty"`
	ReplyTo     string            `json:"reply_to,omitempty"`
	Cause       string            `json:"cause,omitempty"`
	Root        string            `json:"root,omitempty"`
	Hops        int               `json:"hops,omitempty"`
	Priority    int               `json:"priority"`
	Cost        float64           `json:"cost,omitempty"`
	DedupKey    string            `json:"dedup_key,omitempty"`
	DeliverAt   *time.Time        `json:"deliver_at,omitempty"`
	Deadline    *time.Time        `json:"deadline,omitempty"`
	TTL         string            `json:"ttl,omitempty"`
	TraceParent string            `json:"trace_parent,omitempty"`
	TraceState  string            `json:"trace_state,omitempty"`
}

// Part is a semabus.Part.
type Part struct {
	MediaType string `json:"media_type,omitempty"`
	Text      string `json:"text,omitempty"`
	Blob      string `json:"blob,omitempty"`
	Size      int64  `json:"size,omitempty"`
}

// NewMessage shows m; nil gives nil.
func NewMessage(m *semabus.Message) *Message {
	if m == nil {
		return nil
	}
	out := &Message{
		ID: m.ID, Source: m.Source, Type: m.Type, Subject: m.Subject, Time: instant(m.Time), Topic: m.Topic, To: m.To,
		Text: m.Text, Payload: m.Payload, ContentType: m.ContentType, Headers: m.Headers, Audience: m.Audience,
		Session: m.Session, InReplyTo: m.InReplyTo, ReplyTo: m.ReplyTo, Cause: m.Cause, Root: m.Root, Hops: m.Hops,
		Priority: m.Priority, Cost: m.Cost, DedupKey: m.DedupKey, DeliverAt: instant(m.DeliverAt), Deadline: instant(m.Deadline),
		TTL: seconds(m.TTL), TraceParent: m.TraceParent, TraceState: m.TraceState,
	}
	for _, p := range m.Parts {
		out.Parts = append(out.Parts, Part(p))
	}
	return out
}

// Receipt is a semabus.Receipt.
type Receipt struct {
	ID          string   `json:"id"`
	Outcome     string   `json:"outcome"`
	Final       bool     `json:"final"`
	Groups      []string `json:"groups"`
	DuplicateOf string   `json:"duplicate_of,omitempty"`
	Position    []byte   `json:"position,omitempty"`
}

// NewReceipt shows r.
func NewReceipt(r semabus.Receipt) Receipt {
	return Receipt{ID: r.ID, Outcome: r.Outcome.String(), Final: r.Final, Groups: list(r.Groups), DuplicateOf: r.DuplicateOf, Position: r.Position}
}

// Delivery is a semabus.Delivery.
type Delivery struct {
	Group    string     `json:"group"`
	Attempt  int        `json:"attempt"`
	Enqueued *time.Time `json:"enqueued,omitempty"`
	Lease    Lease      `json:"lease"`
	Match    Match      `json:"match"`
	Message  *Message   `json:"message"`
}

// Lease is a semabus.Lease; its token is what settles the delivery.
type Lease struct {
	Token   []byte     `json:"token"`
	Expires *time.Time `json:"expires,omitempty"`
}

// NewDelivery shows d.
func NewDelivery(d *semabus.Delivery) Delivery {
	out := Delivery{Group: d.Group, Attempt: d.Attempt, Enqueued: instant(d.Enqueued),
		Lease: Lease{Token: d.Lease.Token, Expires: instant(d.Lease.Expires)}, Match: NewMatch(d.Match), Message: NewMessage(d.Message)}
	out.Match.Reason = Reason(d)
	return out
}

// Reason names why a delivery is in its group. What waits in a reserved group matched nothing: the outcome of its decision is why.
func Reason(d *semabus.Delivery) string {
	if d.Match.Reason == semabus.ReasonUnspecified {
		switch d.Group {
		case semabus.GroupUnmatched:
			return semabus.OutcomeNone.String()
		case semabus.GroupHeld:
			return semabus.OutcomeAmbiguous.String()
		case semabus.GroupIngress:
			return semabus.OutcomePending.String()
		}
	}
	return d.Match.Reason.String()
}

// instant is a time, nil for none.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// seconds is the proto's JSON form of a duration, "" for none.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// list is never null in JSON.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
