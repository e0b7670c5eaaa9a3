package semabus

import "time"

// Intent is what a subscriber wants to hear. It needs a description, or an example, or a filter, or a topic.
type Intent struct {
	Name            string // unique within the tenant
	Description     string // plain words, English or Chinese
	Examples        []string
	CounterExamples []string
	Filter          string   // CEL over message metadata; may stand alone
	Topics          []string // exact ("orders.refund") or one trailing wildcard ("orders.*")
	Group           string   // who receives; default: Name
	Set             string   // intents that compete; "" = the principal's default set
	Independent     bool     // a set of one
	Budget          *Budget  // nil = threshold maximises F1
	AcceptOwn       bool     // also receive what the group's own deliveries caused
	Attributes      map[string]string

	Version   uint64    // rises with every change of this intent; set by the registry
	UpdatedAt time.Time // set by the registry
	UpdatedBy string    // principal's name; set by the registry
}

// Budget is the two-sided promise a subscriber asks for; a share of 0 means "not stated".
type Budget struct {
	MaxWrong  float64 // share of this intent's deliveries that are not for it, (0,1)
	MaxMissed float64 // share of the messages for it that it does not get, (0,1)
	Prefer    Prefer  // which side wins where both cannot hold
}

// Prefer names the side of a [Budget] that wins.
type Prefer uint8

// The sides.
const (
	PreferPrecision Prefer = iota
	PreferRecall
)

// Dispatch says who of a set receives.
type Dispatch uint8

// The dispatches.
const (
	DispatchEvent Dispatch = iota // every intent over its threshold
	DispatchTask                  // the single best group
)

// AmbiguityPolicy says what a task set does when the best two are too close.
type AmbiguityPolicy uint8

// The policies.
const (
	AmbiguityBest AmbiguityPolicy = iota
	AmbiguityAll
	AmbiguityHold
)

// Set is the configuration of intents that compete for the same messages.
type Set struct {
	Name      string
	Dispatch  Dispatch
	Ambiguity AmbiguityPolicy
	MaxFanout int // 0 = 16
	Version   uint64
}

// Provenance says where a labelled example came from.
type Provenance struct {
	MessageID string
	Group     string
	By        string // principal
	At        time.Time
}

// Feedback labels one message for one intent.
type Feedback struct {
	MessageID string
	Intent    string
	Group     string
	Useful    bool // false = not_for_me
	Note      string
}
