package client

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// FetchOptions shape one Fetch; zero values mean the stated default.
type FetchOptions struct {
	Member   string        // for stats and why; "" = the credential's name
	Max      int           // deliveries, 1–1,000; 0 = 1
	MaxBytes int           // of messages, but the first comes whatever its size; 0 = 1 MiB
	Lease    time.Duration // 0 = the group's, 30 s
	Wait     time.Duration // for the first delivery, at most 60 s; 0 = not at all
}

// Fetch leases deliveries of a group once; none is an empty slice. Nothing renews the leases but [Client.Extend].
func (c *Client) Fetch(ctx context.Context, group string, o FetchOptions) ([]semabus.Delivery, error) {
	a, err := call(ctx, c, "client.Fetch", c.bus.Fetch, &semabusv1.FetchRequest{OpId: newID(), Group: group, Member: o.Member, Max: count(o.Max),
		MaxBytes: uint64(max(0, o.MaxBytes)), Lease: term(o.Lease), Wait: term(o.Wait)})
	if err != nil {
		return nil, err
	}
	out := make([]semabus.Delivery, len(a.GetDeliveries()))
	for i, d := range a.GetDeliveries() {
		fillDelivery(&out[i], d)
	}
	return out, nil
}

// SettleResult is the answer to one settlement; Err is the fault of that one alone, FAILED_PRECONDITION / STALE_LEASE when
// its lease is another's by now.
type SettleResult struct {
	Settled semabus.Settled
	Err     error
}

// Settle ends deliveries, each with its outputs in one commit, and returns one result each, in order. The error is that of
// the call as a whole.
func (c *Client) Settle(ctx context.Context, settlements ...semabus.Settlement) ([]SettleResult, error) {
	q := &semabusv1.SettleRequest{Settlements: make([]*semabusv1.Settlement, len(settlements))}
	for i := range settlements {
		for _, m := range settlements[i].Outputs {
			if m == nil {
				return nil, required("outputs")
			}
			if err := checkText(m); err != nil {
				return nil, err
			}
		}
		q.Settlements[i] = toSettlement(&settlements[i])
	}
	a, err := call(ctx, c, "client.Settle", c.bus.Settle, q)
	if err != nil {
		return nil, err
	}
	out := make([]SettleResult, len(a.GetResults()))
	for i, r := range a.GetResults() {
		out[i] = SettleResult{Settled: fromSettled(r.GetSettled()), Err: fromWire("client.Settle", r.GetError())}
	}
	return out, nil
}

// Extension sets the remaining term of a lease.
type Extension struct {
	Token []byte
	For   time.Duration // from now; 0 gives the delivery back without costing an attempt
}

// Extend changes terms of leases and returns one error each, nil = done. The error is that of the call as a whole.
func (c *Client) Extend(ctx context.Context, extensions ...Extension) ([]error, error) {
	q := &semabusv1.ExtendRequest{OpId: newID(), Extensions: make([]*semabusv1.Extension, len(extensions))}
	for i, e := range extensions {
		q.Extensions[i] = &semabusv1.Extension{Token: e.Token, Term: durationpb.New(e.For)}
	}
	a, err := call(ctx, c, "client.Extend", c.bus.Extend, q)
	if err != nil {
		return nil, err
	}
	out := make([]error, len(a.GetResults()))
	for i, r := range a.GetResults() {
		out[i] = fromWire("client.Extend", r.GetError())
	}
	return out, nil
}

// Feedback labels messages for intents: useful, or not for them. Labels are examples with provenance.
func (c *Client) Feedback(ctx context.Context, labels ...semabus.Feedback) error {
	q := &semabusv1.FeedbackRequest{OpId: newID(), Labels: make([]*semabusv1.Label, len(labels))}
	for i, l := range labels {
		q.Labels[i] = &semabusv1.Label{MessageId: l.MessageID, Intent: l.Intent, Group: l.Group, Useful: l.Useful, Note: l.Note}
	}
	_, err := call(ctx, c, "client.Feedback", c.bus.Feedback, q)
	return err
}

// Answer says why a message did or did not reach a group.
type Answer struct {
	Message    *semabus.Message  // nil when only its record is kept
	Decision   *semabus.Decision // as stored; nil while it is pending
	Group      string            // the group asked for; "" = all
	Reason     semabus.MatchReason
	Match      *semabus.Match // that group's match or near miss; nil when there is none
	Deliveries []DeliveryState
	Text       string // one plain sentence
	Fix        string // what to change to make it otherwise
}

// DeliveryState describes a delivery without leasing it.
type DeliveryState struct {
	Group    string
	Key      string // of a reserved group: of $dlq, the group that gave up
	Phase    string // ready, delayed, leased, settled, expired
	Priority int    // 0–9, 9 first
	Session  string
	Attempt  int
	Leases   int64  // sequence of the newest grant: rises with every grant, not a count
	Member   string // who had the newest lease
	Due      time.Time
	Expires  time.Time // of the newest lease
	Enqueued time.Time
	Settled  time.Time
	Errors   []string // of earlier attempts, oldest first
}

var phases = map[semabusv1.DeliveryPhase]string{
	semabusv1.DeliveryPhase_DELIVERY_PHASE_READY: "ready", semabusv1.DeliveryPhase_DELIVERY_PHASE_DELAYED: "delayed",
	semabusv1.DeliveryPhase_DELIVERY_PHASE_LEASED: "leased", semabusv1.DeliveryPhase_DELIVERY_PHASE_SETTLED: "settled",
	semabusv1.DeliveryPhase_DELIVERY_PHASE_EXPIRED: "expired",
}

// Why asks why a message reached a group, or why not; group "" = all groups. Errors: NOT_FOUND when the message is unknown
// or no longer kept.
func (c *Client) Why(ctx context.Context, messageID, group string) (*Answer, error) {
	a, err := call(ctx, c, "client.Why", c.bus.Why, &semabusv1.WhyRequest{MessageId: messageID, Group: group})
	if err != nil {
		return nil, err
	}
	out := &Answer{Message: fromMessage(a.GetMessage()), Decision: fromDecision(a.GetDecision()), Group: a.GetGroup(),
		Reason: semabus.MatchReason(a.GetReason()), Text: a.GetText(), Fix: a.GetFix()}
	if a.GetMatch() != nil {
		m := fromMatch(a.GetMatch())
		out.Match = &m
	}
	for _, d := range a.GetDeliveries() {
		out.Deliveries = append(out.Deliveries, fromState(d))
	}
	return out, nil
}

func fromState(d *semabusv1.DeliveryState) DeliveryState {
	return DeliveryState{Group: d.GetGroup(), Key: d.GetKey(), Phase: phases[d.GetPhase()], Priority: int(d.GetPriority()), Session: d.GetSession(),
		Attempt: int(d.GetAttempt()), Leases: int64(d.GetLeases()), Member: d.GetMember(), Due: instant(d.GetDue()), Expires: instant(d.GetExpires()),
		Enqueued: instant(d.GetEnqueued()), Settled: instant(d.GetSettled()), Errors: d.GetErrors()}
}
