package semabus

import "time"

// MatchReason says why a message was matched (or, in [Explanation], why it was not).
type MatchReason uint8

// The closed list of reasons. The first block delivers, the second does not.
const (
	ReasonUnspecified MatchReason = iota
	MatchAddress                  // message named the group
	MatchTopic                    // message's topic is subscribed
	MatchFilter                   // a filter-only intent held
	MatchMeaning                  // probability over the intent's threshold

	MissNotPermitted   // the audience excludes the group
	MissFiltered       // the filter did not hold
	MissBelowThreshold // probability under the threshold
	MissOutcompeted    // a sibling of a task set won
	MissFanout         // the set's fan-out limit cut it off
	MissLoop           // the group's own delivery caused it, or the chain's budget is spent
	MissAmbiguous      // held: the best two are too close
	MissAddressed      // the message was addressed or topical and this intent is not on that lane
	MissNotRegistered  // the intent did not exist at the decision's registry version
	MissNoEvidence     // nothing to compare: no text and no vector
)

var matchReasonNames = [...]string{
	"unspecified", "address", "topic", "filter", "meaning", "not_permitted", "filtered", "below_threshold",
	"outcompeted", "fanout", "loop", "ambiguous", "addressed", "not_registered", "no_evidence",
}

// String is the snake_case name of the reason.
func (r MatchReason) String() string {
	if int(r) < len(matchReasonNames) {
		return matchReasonNames[r]
	}
	return "unknown"
}

// Delivers reports whether the reason leads to a delivery.
func (r MatchReason) Delivers() bool { return r >= MatchAddress && r <= MatchMeaning }

// Match is one intent's answer for one message. Score, Probability and Threshold are of the named space and tier and
// compare only there.
type Match struct {
	Intent      string
	Group       string
	Set         string
	Reason      MatchReason
	Score       float64 // fused evidence, unbounded (logit)
	Probability float64 // calibrated P(message is for the intent), 0–1; 1 for address, topic and filter
	Threshold   float64 // on Probability
	Vector      float64 // cosine of the vector evidence, −1–1
	Lexical     float64 // lexical evidence before fusion
	Example     string  // the registered example nearest to the message; "" = the description
	Version     uint64  // of the intent
}

// Decision is the router's answer for one message; it is stored beside the message.
type Decision struct {
	MessageID       string
	Outcome         Outcome
	Matches         []Match // delivered, best first; at most one per group
	Near            []Match // the best that were not delivered, with the reason; at most 8
	Margin          float64 // probability of the best minus the second best of its set
	RegistryVersion uint64
	Space           string // embedding space of heads and thresholds; "" on the deterministic lanes, and when degraded
	Tier            string // embedding tier
	Degraded        bool   // a tier was away
	Doubtful        bool   // delivered under prefer: recall
	At              time.Time
}

// Groups lists the matched groups in order of Matches.
func (d *Decision) Groups() []string {
	out := make([]string, len(d.Matches))
	for i := range d.Matches {
		out[i] = d.Matches[i].Group
	}
	return out
}
