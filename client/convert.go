package client

import (
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// The wire's enums begin with UNSPECIFIED where the vocabulary's do not: those shift by one. Reasons and settle outcomes are
// numbered alike.

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

func instant(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// fillMessage writes m to the wire's form; slices and maps are shared. What the bus sets by itself is left out. Priority 0
// is sent as absent: the bus then takes the default, as a zero Message means; [LowestPriority] is sent as 0.
func fillMessage(out *semabusv1.Message, m *semabus.Message) {
	out.Id, out.Type, out.Subject, out.Time = m.ID, m.Type, m.Subject, stamp(m.Time)
	out.Topic, out.To, out.Payload, out.ContentType, out.Text = m.Topic, m.To, m.Payload, m.ContentType, m.Text
	out.Headers, out.Audience, out.Session, out.InReplyTo = m.Headers, m.Audience, m.Session, m.InReplyTo
	out.Cost, out.DedupKey, out.DeliverAt, out.Deadline = m.Cost, m.DedupKey, stamp(m.DeliverAt), stamp(m.Deadline)
	out.Ttl, out.ReplyTo, out.TraceParent, out.TraceState = term(m.TTL), m.ReplyTo, m.TraceParent, m.TraceState
	if m.Priority != 0 {
		p := count(m.Priority)
		if m.Priority == LowestPriority {
			p = 0
		}
		out.Priority = &p
	}
	for _, p := range m.Parts {
		out.Parts = append(out.Parts, &semabusv1.Part{MediaType: p.MediaType, Text: p.Text, Blob: p.Blob, Size: p.Size})
	}
	for _, e := range m.Embeddings {
		out.Embeddings = append(out.Embeddings, &semabusv1.Embedding{Space: e.Space, Values: e.Values})
	}
}

func toMessage(m *semabus.Message) *semabusv1.Message {
	if m == nil {
		return nil
	}
	out := &semabusv1.Message{}
	fillMessage(out, m)
	return out
}

// checkText finds the first string that is not UTF-8: the wire's encoder would refuse the frame with all its neighbours.
func checkText(m *semabus.Message) error {
	bad := func(field string) error {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidUTF8, Field: "message." + field, Limit: "UTF-8",
			Op: "client", Fix: "send text as UTF-8; bytes belong in payload"}
	}
	for _, f := range [...]struct{ name, value string }{
		{"id", m.ID}, {"type", m.Type}, {"subject", m.Subject}, {"topic", m.Topic}, {"to", m.To}, {"content_type", m.ContentType},
		{"text", m.Text}, {"session", m.Session}, {"in_reply_to", m.InReplyTo}, {"dedup_key", m.DedupKey}, {"reply_to", m.ReplyTo},
		{"trace_parent", m.TraceParent}, {"trace_state", m.TraceState},
	} {
		if !utf8.ValidString(f.value) {
			return bad(f.name)
		}
	}
	for k, v := range m.Headers {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return bad("headers")
		}
	}
	for _, a := range m.Audience {
		if !utf8.ValidString(a) {
			return bad("audience")
		}
	}
	for i := range m.Parts {
		if p := &m.Parts[i]; !utf8.ValidString(p.MediaType) || !utf8.ValidString(p.Text) || !utf8.ValidString(p.Blob) {
			return bad("parts")
		}
	}
	for i := range m.Embeddings {
		if !utf8.ValidString(m.Embeddings[i].Space) {
			return bad("embeddings")
		}
	}
	return nil
}

// checkSettlement finds what would make the node refuse a whole frame of settlements.
func checkSettlement(s *semabus.Settlement) error {
	switch {
	case s.Outcome > semabus.SettleNotForMe:
		return invalid("outcome", s.Outcome.String(), "done, retry, poison, throttled, not_for_me", "choose one of the outcomes")
	case s.RetryAfter < 0:
		return invalid("retry_after", s.RetryAfter.String(), "0 or more", "leave it 0 for the group's policy")
	case !utf8.ValidString(s.OpID) || !utf8.ValidString(s.Error):
		return invalid("op_id, error", "", "UTF-8", "send text as UTF-8")
	}
	size := 0
	for _, m := range s.Outputs {
		if m == nil {
			return required("outputs")
		}
		if err := checkText(m); err != nil {
			return err
		}
		switch {
		case m.TTL < 0:
			return invalid("outputs.ttl", m.TTL.String(), "0 or more", "leave it 0 for no bound")
		case !writable(m.Time) || !writable(m.DeliverAt) || !writable(m.Deadline):
			return invalid("outputs.time, deliver_at, deadline", "", "years 1–9999", "choose another time")
		}
		size += len(m.Payload) + len(m.Text)
	}
	for _, a := range s.Appends {
		if !utf8.ValidString(a.Session) || !utf8.ValidString(a.Type) || !utf8.ValidString(a.ContentType) {
			return invalid("appends", "", "UTF-8", "send text as UTF-8; bytes belong in data")
		}
		size += len(a.Data)
	}
	if size > maxSettlement {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonTooLarge, Op: "client", Field: "outputs",
			Value: strconv.Itoa(size) + " bytes", Limit: strconv.Itoa(maxSettlement) + " bytes", Fix: "send less with one settlement; publish the rest"}
	}
	return nil
}

// maxSettlement is what one settlement may have, bytes: beyond it the node's gRPC ends the stream instead of refusing.
const maxSettlement = 24 << 20

// writable reports whether the wire has a form for a time.
func writable(t time.Time) bool { return t.IsZero() || timestamppb.New(t).IsValid() }

func fromMessage(in *semabusv1.Message) *semabus.Message {
	if in == nil {
		return nil
	}
	m := &semabus.Message{
		ID: in.Id, Source: in.Source, Type: in.Type, Subject: in.Subject, Time: instant(in.Time), Topic: in.Topic, To: in.To,
		Payload: in.Payload, ContentType: in.ContentType, Text: in.Text, Headers: in.Headers, Audience: in.Audience,
		Session: in.Session, InReplyTo: in.InReplyTo, Cause: in.Cause, Root: in.Root, Hops: int(in.Hops),
		Priority: semabus.DefaultPriority, Cost: in.Cost, DedupKey: in.DedupKey, DeliverAt: instant(in.DeliverAt),
		Deadline: instant(in.Deadline), TTL: in.Ttl.AsDuration(), ReplyTo: in.ReplyTo, TraceParent: in.TraceParent, TraceState: in.TraceState,
	}
	if in.Priority != nil {
		m.Priority = int(*in.Priority)
	}
	for _, p := range in.Parts {
		m.Parts = append(m.Parts, semabus.Part{MediaType: p.GetMediaType(), Text: p.GetText(), Blob: p.GetBlob(), Size: p.GetSize()})
	}
	for _, e := range in.Embeddings {
		m.Embeddings = append(m.Embeddings, semabus.Embedding{Space: e.GetSpace(), Values: e.GetValues()})
	}
	return m
}

func fromReceipt(in *semabusv1.Receipt) semabus.Receipt {
	return semabus.Receipt{ID: in.GetId(), Position: in.GetPosition(), Final: in.GetFinal(), Groups: in.GetGroups(),
		DuplicateOf: in.GetDuplicateOf(), Outcome: semabus.Outcome(max(0, int32(in.GetOutcome())-1))}
}

func fromMatch(in *semabusv1.Match) semabus.Match {
	return semabus.Match{Intent: in.GetIntent(), Group: in.GetGroup(), Set: in.GetSet(), Reason: semabus.MatchReason(in.GetReason()),
		Score: in.GetScore(), Probability: in.GetProbability(), Threshold: in.GetThreshold(), Vector: in.GetVector(),
		Lexical: in.GetLexical(), Example: in.GetExample(), Version: in.GetVersion()}
}

func fromMatches(in []*semabusv1.Match) []semabus.Match {
	out := make([]semabus.Match, len(in))
	for i, m := range in {
		out[i] = fromMatch(m)
	}
	return out
}

func fromDecision(in *semabusv1.Decision) *semabus.Decision {
	if in == nil {
		return nil
	}
	return &semabus.Decision{MessageID: in.MessageId, Outcome: semabus.Outcome(max(0, int32(in.Outcome)-1)),
		Matches: fromMatches(in.Matches), Near: fromMatches(in.Near), Margin: in.Margin, RegistryVersion: in.RegistryVersion,
		Space: in.Space, Tier: in.Tier, Degraded: in.Degraded, Doubtful: in.Doubtful, At: instant(in.Time)}
}

func fillDelivery(out *semabus.Delivery, in *semabusv1.Delivery) {
	out.Message, out.Group, out.Match, out.Attempt = fromMessage(in.GetMessage()), in.GetGroup(), fromMatch(in.GetMatch()), int(in.GetAttempt())
	out.Lease = semabus.Lease{Token: in.GetLease().GetToken(), Expires: instant(in.GetLease().GetExpires())}
	out.Enqueued, out.Position = instant(in.GetEnqueued()), in.GetPosition()
}

func toSettlement(s *semabus.Settlement) *semabusv1.Settlement {
	out := &semabusv1.Settlement{Token: s.Token, Outcome: semabusv1.SettleOutcome(s.Outcome), OpId: s.OpID, Error: s.Error,
		RetryAfter: term(s.RetryAfter)}
	for _, m := range s.Outputs {
		out.Outputs = append(out.Outputs, toMessage(m))
	}
	for _, a := range s.Appends {
		out.Appends = append(out.Appends, &semabusv1.SessionAppend{Session: a.Session, Type: a.Type, Data: a.Data, ContentType: a.ContentType})
	}
	return out
}

func fromSettled(in *semabusv1.Settled) semabus.Settled {
	out := semabus.Settled{Duplicate: in.GetDuplicate()}
	for _, r := range in.GetOutputs() {
		out.Outputs = append(out.Outputs, fromReceipt(r))
	}
	return out
}

func toIntent(in *semabus.Intent) *semabusv1.Intent {
	out := &semabusv1.Intent{
		Name: in.Name, Description: in.Description, Examples: in.Examples, CounterExamples: in.CounterExamples, Filter: in.Filter,
		Topics: in.Topics, Group: in.Group, Set: in.Set, Independent: in.Independent, AcceptOwn: in.AcceptOwn, Attributes: in.Attributes,
	}
	if b := in.Budget; b != nil {
		out.Budget = &semabusv1.Budget{MaxWrong: b.MaxWrong, MaxMissed: b.MaxMissed, Prefer: semabusv1.Prefer(b.Prefer) + 1}
	}
	return out
}

func fromIntent(in *semabusv1.Intent) semabus.Intent {
	out := semabus.Intent{
		Name: in.GetName(), Description: in.GetDescription(), Examples: in.GetExamples(), CounterExamples: in.GetCounterExamples(),
		Filter: in.GetFilter(), Topics: in.GetTopics(), Group: in.GetGroup(), Set: in.GetSet(), Independent: in.GetIndependent(),
		AcceptOwn: in.GetAcceptOwn(), Attributes: in.GetAttributes(), Version: in.GetVersion(), UpdatedAt: instant(in.GetUpdateTime()),
		UpdatedBy: in.GetUpdatedBy(),
	}
	if b := in.GetBudget(); b != nil {
		out.Budget = &semabus.Budget{MaxWrong: b.GetMaxWrong(), MaxMissed: b.GetMaxMissed(), Prefer: semabus.Prefer(max(0, int32(b.GetPrefer())-1))}
	}
	return out
}

func toGroup(g *semabus.GroupConfig) *semabusv1.Group {
	return &semabusv1.Group{
		Name: g.Name, MaxConcurrency: count(g.MaxConcurrency), Lease: term(g.Lease), Grace: term(g.Grace), MaxAttempts: count(g.MaxAttempts),
		RetryBase: term(g.RetryBase), RetryCap: term(g.RetryCap), SessionOrder: g.SessionOrder, MaxDepth: g.MaxDepth, Topics: g.Topics,
		Ageing: term(g.Ageing), OnExpiry: semabusv1.OnExpiry(g.OnExpiry) + 1,
	}
}

func fromGroup(g *semabusv1.Group) semabus.GroupConfig {
	return semabus.GroupConfig{
		Name: g.GetName(), MaxConcurrency: int(g.GetMaxConcurrency()), Lease: g.GetLease().AsDuration(), Grace: g.GetGrace().AsDuration(),
		MaxAttempts: int(g.GetMaxAttempts()), RetryBase: g.GetRetryBase().AsDuration(), RetryCap: g.GetRetryCap().AsDuration(),
		SessionOrder: g.GetSessionOrder(), MaxDepth: g.GetMaxDepth(), Topics: g.GetTopics(), Version: g.GetVersion(),
		Ageing: g.GetAgeing().AsDuration(), OnExpiry: semabus.ExpiryPolicy(max(0, int32(g.GetOnExpiry())-1)),
	}
}

func fromStats(s *semabusv1.GroupStats) semabus.GroupStats {
	return semabus.GroupStats{Group: s.GetGroup(), Ready: s.GetReady(), Delayed: s.GetDelayed(), Leased: s.GetLeased(), Settled: s.GetSettled(),
		DeadLetters: s.GetDeadLetters(), Members: int(s.GetMembers()), OldestReady: s.GetOldestReady().AsDuration(), Paused: s.GetPaused()}
}

// count makes a negative number absurd, for the bus to refuse.
func count(n int) uint32 {
	if n < 0 {
		return 1 << 31
	}
	return uint32(min(n, 1<<31))
}
