package view

import (
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

// Match is a semabus.Match.
type Match struct {
	Intent      string  `json:"intent"`
	Group       string  `json:"group"`
	Set         string  `json:"set"`
	Reason      string  `json:"reason"`
	Delivers    bool    `json:"delivers"`
	Probability float64 `json:"probability"`
	Threshold   float64 `json:"threshold"`
	Score       float64 `json:"score"`
	Vector      float64 `json:"vector"`
	Lexical     float64 `json:"lexical"`
	Example     string  `json:"example,omitempty"`
	Version     uint64  `json:"version,omitempty"`
}

// NewMatch shows m.
func NewMatch(m semabus.Match) Match {
	return Match{Intent: m.Intent, Group: m.Group, Set: m.Set, Reason: m.Reason.String(), Delivers: m.Reason.Delivers(),
		Probability: m.Probability, Threshold: m.Threshold, Score: m.Score, Vector: m.Vector, Lexical: m.Lexical,
		Example: m.Example, Version: m.Version}
}

// NewMatches shows all; never null in JSON.
func NewMatches(all []semabus.Match) []Match {
	out := make([]Match, len(all))
	for i, m := range all {
		out[i] = NewMatch(m)
	}
	return out
}

// Decision is a semabus.Decision.
type Decision struct {
	MessageID       string     `json:"message_id,omitempty"`
	Outcome         string     `json:"outcome"`
	Matches         []Match    `json:"matches"`
	Near            []Match    `json:"near"`
	Margin          float64    `json:"margin"`
	RegistryVersion uint64     `json:"registry_version"`
	Space           string     `json:"space,omitempty"`
	Tier            string     `json:"tier,omitempty"`
	Degraded        bool       `json:"degraded"`
	Doubtful        bool       `json:"doubtful"`
	Time            *time.Time `json:"time,omitempty"`
}

// NewDecision shows d; nil gives nil.
func NewDecision(d *semabus.Decision) *Decision {
	if d == nil {
		return nil
	}
	return &Decision{MessageID: d.MessageID, Outcome: d.Outcome.String(), Matches: NewMatches(d.Matches), Near: NewMatches(d.Near),
		Margin: d.Margin, RegistryVersion: d.RegistryVersion, Space: d.Space, Tier: d.Tier, Degraded: d.Degraded,
		Doubtful: d.Doubtful, Time: instant(d.At)}
}

// Explanation is a client.Explanation.
type Explanation struct {
	Decision *Decision `json:"decision"`
	Match    *Match    `json:"match,omitempty"`
}

// NewExplanation shows e.
func NewExplanation(e *client.Explanation) Explanation {
	return Explanation{Decision: NewDecision(e.Decision), Match: one(e.Match)}
}

// Answer is a client.Answer.
type Answer struct {
	Text       string          `json:"text"`
	Fix        string          `json:"fix,omitempty"`
	Group      string          `json:"group,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Match      *Match          `json:"match,omitempty"`
	Deliveries []DeliveryState `json:"deliveries"`
	Decision   *Decision       `json:"decision,omitempty"`
	Message    *Message        `json:"message,omitempty"`
}

// DeliveryState is a client.DeliveryState.
type DeliveryState struct {
	Group    string     `json:"group"`
	Key      string     `json:"key,omitempty"` // of $dlq, the group that gave up
	Phase    string     `json:"phase"`
	Priority int        `json:"priority"`
	Session  string     `json:"session,omitempty"`
	Attempt  int        `json:"attempt"`
	Leases   int64      `json:"leases"`
	Member   string     `json:"member,omitempty"`
	Due      *time.Time `json:"due,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
	Enqueued *time.Time `json:"enqueued,omitempty"`
	Settled  *time.Time `json:"settled,omitempty"`
	Errors   []string   `json:"errors,omitempty"`
}

// NewAnswer shows a.
func NewAnswer(a *client.Answer) Answer {
	out := Answer{Text: a.Text, Fix: a.Fix, Group: a.Group, Match: one(a.Match), Decision: NewDecision(a.Decision),
		Message: NewMessage(a.Message), Deliveries: make([]DeliveryState, len(a.Deliveries))}
	if a.Reason != semabus.ReasonUnspecified {
		out.Reason = a.Reason.String()
	}
	for i := range a.Deliveries {
		out.Deliveries[i] = NewDeliveryState(&a.Deliveries[i])
	}
	return out
}

// NewDeliveryState shows d.
func NewDeliveryState(d *client.DeliveryState) DeliveryState {
	return DeliveryState{Group: d.Group, Key: d.Key, Phase: d.Phase, Priority: d.Priority, Session: d.Session, Attempt: d.Attempt,
		Leases: d.Leases, Member: d.Member, Due: instant(d.Due), Expires: instant(d.Expires), Enqueued: instant(d.Enqueued),
		Settled: instant(d.Settled), Errors: d.Errors}
}

// Browsed is a client.Browsed.
type Browsed struct {
	State   DeliveryState `json:"state"`
	Message *Message      `json:"message"`
}

// NewBrowsed shows d.
func NewBrowsed(d *client.Browsed) Browsed {
	return Browsed{State: NewDeliveryState(&d.State), Message: NewMessage(d.Message)}
}

// DeadLetter is a client.DeadLetter.
type DeadLetter struct {
	Group    string     `json:"group"`
	Reason   string     `json:"reason"`
	Attempts int        `json:"attempts"`
	Errors   []string   `json:"errors"`
	Time     *time.Time `json:"time,omitempty"`
	Match    Match      `json:"match"`
	Message  *Message   `json:"message"`
	Decision *Decision  `json:"decision,omitempty"`
}

// NewDeadLetter shows l.
func NewDeadLetter(l *client.DeadLetter) DeadLetter {
	return DeadLetter{Group: l.Group, Reason: l.Reason, Attempts: l.Attempts, Errors: list(l.Errors), Time: instant(l.Time), Match: NewMatch(l.Match),
		Message: NewMessage(l.Message), Decision: NewDecision(l.Decision)}
}

func one(m *semabus.Match) *Match {
	if m == nil {
		return nil
	}
	v := NewMatch(*m)
	return &v
}
