package api

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// fields collects the faults of one conversion; the first is kept, values that cannot be wrong need no check.
type fields struct{ err error }

func (f *fields) time(field string, t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	if !t.IsValid() && f.err == nil {
		f.err = invalid(semabus.ReasonInvalidValue, field, strconv.FormatInt(t.GetSeconds(), 10)+" s", "years 1–9999", "correct the time")
	}
	return t.AsTime()
}

func (f *fields) duration(field string, d *durationpb.Duration) time.Duration {
	if d == nil {
		return 0
	}
	if (!d.IsValid() || d.GetSeconds() < 0 || d.GetNanos() < 0 || d.GetSeconds() > 1<<32) && f.err == nil {
		f.err = invalid(semabus.ReasonInvalidValue, field, strconv.FormatInt(d.GetSeconds(), 10)+" s", "0–4294967296 s", "correct the duration")
	}
	return d.AsDuration()
}

func (f *fields) enum(field string, value, last int32) int32 {
	if (value < 0 || value > last) && f.err == nil {
		f.err = invalid(semabus.ReasonInvalidValue, field, strconv.Itoa(int(value)), "0–"+strconv.Itoa(int(last)), "use a value of the contract of this version")
	}
	return value
}

// message translates what a publisher says. It takes over the slices and maps of in; nil gives nil. What the bus sets
// (source, cause, root, hops) is not read.
func (f *fields) message(field string, in *semabusv1.Message) *semabus.Message {
	if in == nil {
		if f.err == nil {
			f.err = invalid(semabus.ReasonRequired, field, "", "", "give the message")
		}
		return nil
	}
	m := &semabus.Message{
		ID: in.Id, Type: in.Type, Subject: in.Subject, Topic: in.Topic, To: in.To,
		Payload: in.Payload, ContentType: in.ContentType, Text: in.Text, Headers: in.Headers, Audience: in.Audience,
		Session: in.Session, InReplyTo: in.InReplyTo, Priority: semabus.DefaultPriority, Cost: in.Cost,
		DedupKey: in.DedupKey, ReplyTo: in.ReplyTo, TraceParent: in.TraceParent, TraceState: in.TraceState,
	}
	if in.Time != nil {
		m.Time = f.time(field+".time", in.Time)
	}
	if in.DeliverAt != nil {
		m.DeliverAt = f.time(field+".deliver_at", in.DeliverAt)
	}
	if in.Deadline != nil {
		m.Deadline = f.time(field+".deadline", in.Deadline)
	}
	if in.Ttl != nil {
		m.TTL = f.duration(field+".ttl", in.Ttl)
	}
	if in.Priority != nil {
		m.Priority = int(min(*in.Priority, 1<<30))
	}
	for _, p := range in.Parts {
		m.Parts = append(m.Parts, semabus.Part{MediaType: p.GetMediaType(), Text: p.GetText(), Blob: p.GetBlob(), Size: p.GetSize()})
	}
	for _, e := range in.Embeddings {
		m.Embeddings = append(m.Embeddings, semabus.Embedding{Space: e.GetSpace(), Values: e.GetValues()})
	}
	return m
}

// fillMessage is the way back; out shares slices and maps with m.
func fillMessage(out *semabusv1.Message, m *semabus.Message) {
	out.Id, out.Source, out.Type, out.Subject, out.Time = m.ID, m.Source, m.Type, m.Subject, stamp(m.Time)
	out.Topic, out.To, out.Payload, out.ContentType, out.Text = m.Topic, m.To, m.Payload, m.ContentType, m.Text
	out.Headers, out.Audience, out.Session, out.InReplyTo = m.Headers, m.Audience, m.Session, m.InReplyTo
	out.Cause, out.Root, out.Hops, out.Cost = m.Cause, m.Root, uint32(m.Hops), m.Cost
	priority := uint32(m.Priority)
	out.Priority = &priority
	out.DedupKey, out.DeliverAt, out.Deadline, out.Ttl = m.DedupKey, stamp(m.DeliverAt), stamp(m.Deadline), term(m.TTL)
	out.ReplyTo, out.TraceParent, out.TraceState = m.ReplyTo, m.TraceParent, m.TraceState
	for _, p := range m.Parts {
		out.Parts = append(out.Parts, &semabusv1.Part{MediaType: p.MediaType, Text: p.Text, Blob: p.Blob, Size: p.Size})
	}
	for _, e := range m.Embeddings {
		out.Embeddings = append(out.Embeddings, &semabusv1.Embedding{Space: e.Space, Values: e.Values})
	}
}

func fromMessage(m *semabus.Message) *semabusv1.Message {
	if m == nil {
		return nil
	}
	out := &semabusv1.Message{}
	fillMessage(out, m)
	return out
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func term(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// expect maps EXPECT_UNSPECIFIED and EXPECT_ANY to any.
func (f *fields) expect(field string, e semabusv1.Expect) semabus.Expect {
	return semabus.Expect(max(0, f.enum(field, int32(e), int32(semabusv1.Expect_EXPECT_EXACTLY_ONE))-1))
}

func (f *fields) async(field string, m semabusv1.PublishMode) bool {
	return f.enum(field, int32(m), int32(semabusv1.PublishMode_PUBLISH_MODE_ASYNC)) == int32(semabusv1.PublishMode_PUBLISH_MODE_ASYNC)
}

// fromOutcome shifts by the contract's UNSPECIFIED.
func fromOutcome(o semabus.Outcome) semabusv1.Outcome { return semabusv1.Outcome(o) + 1 }

// fromReason: the contract numbers the reasons as the vocabulary does.
func fromReason(r semabus.MatchReason) semabusv1.MatchReason { return semabusv1.MatchReason(r) }

func fillReceipt(out *semabusv1.Receipt, r *semabus.Receipt) {
	out.Id, out.Position, out.Final, out.Groups = r.ID, r.Position, r.Final, r.Groups
	out.DuplicateOf, out.Outcome = r.DuplicateOf, fromOutcome(r.Outcome)
}

func fromReceipt(r semabus.Receipt) *semabusv1.Receipt {
	out := &semabusv1.Receipt{}
	fillReceipt(out, &r)
	return out
}

func fillMatch(out *semabusv1.Match, m *semabus.Match, space, tier string) {
	out.Intent, out.Group, out.Set, out.Reason = m.Intent, m.Group, m.Set, fromReason(m.Reason)
	out.Score, out.Probability, out.Threshold = m.Score, m.Probability, m.Threshold
	out.Vector, out.Lexical, out.Example, out.Version = m.Vector, m.Lexical, m.Example, m.Version
	out.Space, out.Tier = space, tier
}

func fromMatch(m *semabus.Match, space, tier string) *semabusv1.Match {
	if m == nil {
		return nil
	}
	out := &semabusv1.Match{}
	fillMatch(out, m, space, tier)
	return out
}

func fromMatches(ms []semabus.Match, space, tier string) []*semabusv1.Match {
	block := make([]semabusv1.Match, len(ms))
	out := make([]*semabusv1.Match, len(ms))
	for i := range ms {
		fillMatch(&block[i], &ms[i], space, tier)
		out[i] = &block[i]
	}
	return out
}

func fromDecision(d *semabus.Decision) *semabusv1.Decision {
	if d == nil {
		return nil
	}
	return &semabusv1.Decision{
		MessageId: d.MessageID, Outcome: fromOutcome(d.Outcome),
		Matches: fromMatches(d.Matches, d.Space, d.Tier), Near: fromMatches(d.Near, d.Space, d.Tier),
		Margin: d.Margin, RegistryVersion: d.RegistryVersion, Space: d.Space, Tier: d.Tier,
		Degraded: d.Degraded, Doubtful: d.Doubtful, Time: stamp(d.At),
	}
}
