package semabus

import "time"

// Message is what a publisher says. It maps 1:1 to a CloudEvents 1.0 event: ID, Source, Type, Subject, Time and
// ContentType are its attributes, Payload its data, Headers its extensions.
type Message struct {
	ID      string    // set by the bus when empty; 1–256 bytes of UTF-8
	Source  string    // set by the bus from the principal; a client's value is overwritten
	Type    string    // CloudEvents type, e.g. "com.example.refund"
	Subject string    // CloudEvents subject
	Time    time.Time // when it happened; set by the bus when zero

	Topic string // deterministic lane: exact dotted name, e.g. "orders.refund"
	To    string // exact group or reply address; wins over everything

	Payload     []byte
	ContentType string
	Text        string // what is embedded; extracted from Payload when empty and the content type is textual
	Parts       []Part
	Embeddings  []Embedding
	Headers     map[string]string
	Audience    []string // groups that may receive it; empty = every group of the tenant

	Session   string // conversation id
	InReplyTo string // message id
	Cause     string // message whose delivery produced this one; set by the bus from the lease
	Root      string // first message of the causal chain; set by the bus
	Hops      int    // links from Root; set by the bus

	Priority  int           // 0–9, 9 most urgent; the API turns an absent one into DefaultPriority
	Cost      float64       // in the group's cost unit; 0 = 1
	DedupKey  string        // explicit deduplication key, kept for the dedup window
	DeliverAt time.Time     // not before; zero = now
	Deadline  time.Time     // of the work; handed to the consumer
	TTL       time.Duration // from accept to first lease; 0 = none
	ReplyTo   string        // address for replies and late errors

	TraceParent string // W3C trace context
	TraceState  string
}

// Part is one typed piece of a message: text, or a reference to a blob.
type Part struct {
	MediaType string
	Text      string
	Blob      string // hex SHA-256 of the content
	Size      int64  // bytes, for a blob
}

// Embedding is a vector supplied by the publisher, in the named space.
type Embedding struct {
	Space  string
	Values []float32 // length = the space's dimension; unit length not required
}

// Expect is the publisher's condition on the final decision.
type Expect uint8

// The conditions of DESIGN §2.
const (
	ExpectAny Expect = iota
	ExpectAtLeastOne
	ExpectExactlyOne
)

// Receipt is the bus's answer to one published message.
type Receipt struct {
	ID          string
	Position    Position
	Final       bool     // the decision was made before the acknowledgement
	Groups      []string // matched groups in the order of the decision, best first; empty = unmatched
	DuplicateOf string   // id of the first message with this dedup key or producer sequence
	Outcome     Outcome  // how the decision came out
}

// Outcome says how a decision came out.
type Outcome uint8

// The outcomes.
const (
	OutcomePending   Outcome = iota // not decided yet
	OutcomeMatched                  // at least one group
	OutcomeNone                     // no group: the message waits in $unmatched
	OutcomeAmbiguous                // the set's policy holds it: the message waits in $held
	OutcomeLoop                     // parked: the causal chain used up its budget
)

var outcomeNames = [...]string{"pending", "matched", "none", "ambiguous", "loop"}

// String is the lower-case name of the outcome.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}
