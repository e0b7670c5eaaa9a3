package semabus

import "time"

// Delivery is one message for one group, leased to one member.
type Delivery struct {
	Message  *Message
	Group    string
	Match    Match // why this group got it
	Attempt  int   // 1 for the first; counted by the retry policy, not by leases
	Lease    Lease
	Enqueued time.Time
	Position Position
}

// Lease is a fenced right to work on a delivery until it expires; extend keeps the token.
type Lease struct {
	Token   []byte // opaque, at most 128 bytes
	Expires time.Time
}

// SettleOutcome is how a member ends a delivery.
type SettleOutcome uint8

// The outcomes of Settle.
const (
	SettleUnspecified SettleOutcome = iota
	SettleDone                      // finished: it never comes back
	SettleRetry                     // failed, try again after a delay; costs an attempt
	SettlePoison                    // will never work: straight to the dead-letter queue
	SettleThrottled                 // not now: comes back after RetryAfter, costs no attempt
	SettleNotForMe                  // misrouted: done for this group, and a counter-example for the router
)

var settleNames = [...]string{"unspecified", "done", "retry", "poison", "throttled", "not_for_me"}

// String is the snake_case name of the outcome.
func (o SettleOutcome) String() string {
	if int(o) < len(settleNames) {
		return settleNames[o]
	}
	return "unknown"
}

// Settlement ends one delivery, with everything that must become true together with it.
type Settlement struct {
	Token      []byte
	Outcome    SettleOutcome
	Outputs    []*Message // published in the same commit; ids derive from (OpID, index)
	Appends    []Append   // events appended in the same commit
	OpID       string     // repeating it returns the first result
	Error      string     // what went wrong, for the history and the dead letter
	RetryAfter time.Duration
}

// Append is an event for a session's log.
type Append struct {
	Session     string
	Type        string
	Data        []byte
	ContentType string
}

// Settled is the answer to one Settlement.
type Settled struct {
	Outputs   []Receipt // one for each output
	Duplicate bool      // the op id was known: this is the first result again
}
