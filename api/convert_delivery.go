package api

import (
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/broker/driver"
)

// maxItems bounds the items of one request or frame.
const maxItems = 4096

func tooMany(field string, n int) error {
	return invalid(semabus.ReasonTooMany, field, strconv.Itoa(n), strconv.Itoa(maxItems), "send several frames")
}

// delivered holds everything of one delivery in one piece, so that a frame costs one allocation and not eight a delivery.
type delivered struct {
	delivery semabusv1.Delivery
	message  semabusv1.Message
	match    semabusv1.Match
	lease    semabusv1.Lease
	expires  timestamppb.Timestamp
	enqueued timestamppb.Timestamp
}

func fromDeliveries(ds []semabus.Delivery) []*semabusv1.Delivery {
	block := make([]delivered, len(ds))
	out := make([]*semabusv1.Delivery, len(ds))
	for i := range ds {
		d, b := &ds[i], &block[i]
		fillMessage(&b.message, d.Message)
		fillMatch(&b.match, &d.Match, "", "")
		b.expires.Seconds, b.expires.Nanos = d.Lease.Expires.Unix(), int32(d.Lease.Expires.Nanosecond())
		b.enqueued.Seconds, b.enqueued.Nanos = d.Enqueued.Unix(), int32(d.Enqueued.Nanosecond())
		b.lease.Token, b.lease.Expires = d.Lease.Token, &b.expires
		o := &b.delivery
		o.Message, o.Group, o.Match, o.Attempt = &b.message, d.Group, &b.match, uint32(d.Attempt)
		o.Lease, o.Enqueued, o.Position = &b.lease, &b.enqueued, d.Position
		out[i] = o
	}
	return out
}

// settlement translates one of a batch; opID names those without an op id of their own.
func (f *fields) settlement(s *semabusv1.Settlement, i int, opID string) semabus.Settlement {
	field := "settlements"
	if s.GetOutputs() != nil || s.GetRetryAfter() != nil {
		field += "[" + strconv.Itoa(i) + "]"
	}
	out := semabus.Settlement{Token: s.GetToken(), OpID: s.GetOpId(), Error: s.GetError(),
		Outcome:    semabus.SettleOutcome(f.enum(field+".outcome", int32(s.GetOutcome()), int32(semabusv1.SettleOutcome_SETTLE_OUTCOME_NOT_FOR_ME))),
		RetryAfter: f.duration(field+".retry_after", s.GetRetryAfter())}
	for k, m := range s.GetOutputs() {
		out.Outputs = append(out.Outputs, f.message(field+".outputs["+strconv.Itoa(k)+"]", m))
	}
	for _, a := range s.GetAppends() {
		out.Appends = append(out.Appends, semabus.Append{Session: a.GetSession(), Type: a.GetType(), Data: a.GetData(), ContentType: a.GetContentType()})
	}
	if out.OpID == "" && opID != "" {
		out.OpID = opID + "/" + strconv.Itoa(i)
	}
	return out
}

// fromState describes a delivery without its message.
func fromState(d *driver.Delivery) *semabusv1.DeliveryState {
	return &semabusv1.DeliveryState{
		MessageId: d.MessageID, Group: d.Group, Phase: semabusv1.DeliveryPhase(d.State) + 1, Attempt: uint32(d.Attempt),
		Leases: d.Leases, Member: d.Member, Priority: uint32(d.Priority), Session: d.Session,
		Due: stamp(d.Due), Expires: stamp(d.Expires), Enqueued: stamp(d.Enqueued), Settled: stamp(d.Settled), Errors: d.Errors,
		Key: d.Key,
	}
}
