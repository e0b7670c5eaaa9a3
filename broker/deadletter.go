package broker

import (
	"encoding/binary"

	semabus "github.com/semabus/semabus"
)

// Why a delivery ended in the dead-letter queue. A chain parked by the loop guard has semabus.ReasonLoop.
const (
	DeadPoison    = "POISON"             // its consumer said that it will never work
	DeadExhausted = "ATTEMPTS_EXHAUSTED" // it failed [RetryPolicy.MaxAttempts] times
	DeadOverflow  = "OVERFLOW"           // its group's queue was full when it was published
	DeadExpired   = "EXPIRED"            // nobody leased it before its TTL ran out
)

// DeadLetter is what a delivery in $dlq carries beside the message: whose it was and what went wrong.
type DeadLetter struct {
	Group    string // that gave up; with the message's id it names the dead letter
	Reason   string // DeadPoison, DeadExhausted, DeadOverflow or LOOP
	Attempts int
	Errors   []string // of the attempts, oldest first
	Match    semabus.Match
}

// Tags of a stored dead letter. Never reused.
const (
	tagDeadGroup = iota + 1
	tagDeadReason
	tagDeadAttempts
	tagDeadError
	tagDeadMatch
)

// EncodeDeadLetter is the stored form of a dead letter.
func EncodeDeadLetter(d *DeadLetter) []byte {
	b := append(make([]byte, 0, 256), wireVersion)
	b = appendString(b, tagDeadGroup, d.Group)
	b = appendString(b, tagDeadReason, d.Reason)
	b = appendInt(b, tagDeadAttempts, int64(d.Attempts))
	for _, e := range d.Errors {
		b = binary.AppendUvarint(b, tagDeadError)
		b = binary.AppendUvarint(b, uint64(len(e)))
		b = append(b, e...)
	}
	return appendMatches(b, tagDeadMatch, []semabus.Match{d.Match})
}

// DecodeDeadLetter reads what [EncodeDeadLetter] wrote; errors as [DecodeMessage].
func DecodeDeadLetter(data []byte) (*DeadLetter, error) {
	d := &DeadLetter{}
	r := newReader(data, "dead letter")
	for {
		tag, ok := r.next()
		if !ok {
			break
		}
		switch tag {
		case tagDeadGroup:
			d.Group = string(r.val)
		case tagDeadReason:
			d.Reason = string(r.val)
		case tagDeadAttempts:
			d.Attempts = int(r.int())
		case tagDeadError:
			d.Errors = append(d.Errors, string(r.val))
		case tagDeadMatch:
			d.Match = nested(r)
		}
	}
	if r.fault != nil {
		return nil, r.fault
	}
	return d, nil
}
