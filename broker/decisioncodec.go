package broker

import (
	"encoding/binary"

	semabus "github.com/semabus/semabus"
)

// Tags of a stored match. Never reused.
const (
	tagIntent = iota + 1
	tagGroup
	tagSet
	tagReason
	tagScore
	tagProbability
	tagThreshold
	tagVector
	tagLexical
	tagExample
	tagVersion
)

// Tags of a stored decision. Never reused.
const (
	tagMessageID = iota + 1
	tagOutcome
	tagMatch
	tagNear
	tagMargin
	tagRegistry
	tagSpace
	tagTier
	tagDegraded
	tagDoubtful
	tagAt
)

// EncodeMatch is the stored form of a match: what a delivery carries as its reason.
func EncodeMatch(m *semabus.Match) []byte {
	return appendMatch(append(make([]byte, 0, 1+matchBytes(m)), wireVersion), m)
}

func appendMatch(b []byte, m *semabus.Match) []byte {
	b = appendString(b, tagIntent, m.Intent)
	b = appendString(b, tagGroup, m.Group)
	b = appendString(b, tagSet, m.Set)
	b = appendUint(b, tagReason, uint64(m.Reason))
	b = appendFloat(b, tagScore, m.Score)
	b = appendFloat(b, tagProbability, m.Probability)
	b = appendFloat(b, tagThreshold, m.Threshold)
	b = appendFloat(b, tagVector, m.Vector)
	b = appendFloat(b, tagLexical, m.Lexical)
	b = appendString(b, tagExample, m.Example)
	return appendUint(b, tagVersion, m.Version)
}

// matchBytes bounds the encoded size of a match from above.
func matchBytes(m *semabus.Match) int {
	return 11*fieldOverhead + 5*8 + 2*binary.MaxVarintLen64 + len(m.Intent) + len(m.Group) + len(m.Set) + len(m.Example)
}

// DecodeMatch reads what [EncodeMatch] wrote; errors as [DecodeMessage].
func DecodeMatch(data []byte) (*semabus.Match, error) {
	r := newReader(data, "match")
	m := readMatch(r)
	if r.fault != nil {
		return nil, r.fault
	}
	return &m, nil
}

func readMatch(r *reader) (m semabus.Match) {
	for {
		tag, ok := r.next()
		if !ok {
			return m
		}
		switch tag {
		case tagIntent:
			m.Intent = string(r.val)
		case tagGroup:
			m.Group = string(r.val)
		case tagSet:
			m.Set = string(r.val)
		case tagReason:
			m.Reason = semabus.MatchReason(small(r))
		case tagScore:
			m.Score = r.float()
		case tagProbability:
			m.Probability = r.float()
		case tagThreshold:
			m.Threshold = r.float()
		case tagVector:
			m.Vector = r.float()
		case tagLexical:
			m.Lexical = r.float()
		case tagExample:
			m.Example = string(r.val)
		case tagVersion:
			m.Version = r.uint()
		}
	}
}

// small reads an enum of one byte; a larger number is damage.
func small(r *reader) uint8 {
	v := r.uint()
	if v > 255 {
		r.fail("enum")
		return 0
	}
	return uint8(v)
}

// EncodeDecision is the stored form of a decision.
func EncodeDecision(d *semabus.Decision) []byte {
	n := 1 + 11*fieldOverhead + 60 + len(d.MessageID) + len(d.Space) + len(d.Tier)
	for i := range d.Matches {
		n += fieldOverhead + matchBytes(&d.Matches[i])
	}
	for i := range d.Near {
		n += fieldOverhead + matchBytes(&d.Near[i])
	}
	b := append(make([]byte, 0, n), wireVersion)
	b = appendString(b, tagMessageID, d.MessageID)
	b = appendUint(b, tagOutcome, uint64(d.Outcome))
	b = appendMatches(b, tagMatch, d.Matches)
	b = appendMatches(b, tagNear, d.Near)
	b = appendFloat(b, tagMargin, d.Margin)
	b = appendUint(b, tagRegistry, d.RegistryVersion)
	b = appendString(b, tagSpace, d.Space)
	b = appendString(b, tagTier, d.Tier)
	b = appendFlag(b, tagDegraded, d.Degraded)
	b = appendFlag(b, tagDoubtful, d.Doubtful)
	return appendTime(b, tagAt, d.At)
}

func appendMatches(b []byte, tag uint64, ms []semabus.Match) []byte {
	var buf [256]byte
	for i := range ms {
		one := appendMatch(buf[:0], &ms[i])
		b = binary.AppendUvarint(b, tag)
		b = binary.AppendUvarint(b, uint64(len(one)))
		b = append(b, one...)
	}
	return b
}

// DecodeDecision reads what [EncodeDecision] wrote; errors as [DecodeMessage].
func DecodeDecision(data []byte) (*semabus.Decision, error) {
	d := &semabus.Decision{}
	r := newReader(data, "decision")
	for {
		tag, ok := r.next()
		if !ok {
			break
		}
		switch tag {
		case tagMessageID:
			d.MessageID = string(r.val)
		case tagOutcome:
			d.Outcome = semabus.Outcome(small(r))
		case tagMatch:
			d.Matches = append(d.Matches, nested(r))
		case tagNear:
			d.Near = append(d.Near, nested(r))
		case tagMargin:
			d.Margin = r.float()
		case tagRegistry:
			d.RegistryVersion = r.uint()
		case tagSpace:
			d.Space = string(r.val)
		case tagTier:
			d.Tier = string(r.val)
		case tagDegraded:
			d.Degraded = r.uint() != 0
		case tagDoubtful:
			d.Doubtful = r.uint() != 0
		case tagAt:
			d.At = r.time()
		}
	}
	if r.fault != nil {
		return nil, r.fault
	}
	return d, nil
}

// nested reads a match inside another value.
func nested(r *reader) semabus.Match {
	in := &reader{in: r.val}
	m := readMatch(in)
	if in.fault != nil {
		r.fail("match")
	}
	return m
}
