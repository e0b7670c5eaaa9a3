package api

import (
	"context"
	"strconv"
	"sync/atomic"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/internal/bus"
)

// busService is semabus.v1.Bus: translate, call the bus, translate.
type busService struct {
	semabusv1.UnimplementedBusServer
	s       *Server
	members atomic.Uint64 // numbers members without a name
}

func (b *busService) Publish(ctx context.Context, r *semabusv1.PublishRequest) (*semabusv1.PublishResponse, error) {
	var f fields
	item := bus.PublishItem{Message: f.message("message", r.GetMessage()), OpID: r.GetOpId(),
		Expect: f.expect("expect", r.GetExpect()), Async: f.async("mode", r.GetMode()), MinRegistryVersion: r.GetMinRegistryVersion()}
	if f.err != nil {
		return nil, f.err
	}
	// A commit is short and must not be torn by a client that goes away.
	res := b.s.bus.Publish(context.WithoutCancel(ctx), principal(ctx), []bus.PublishItem{item})
	if res[0].Err != nil {
		return nil, res[0].Err
	}
	return &semabusv1.PublishResponse{Receipt: fromReceipt(res[0].Receipt)}, nil
}

func (b *busService) Fetch(ctx context.Context, r *semabusv1.FetchRequest) (*semabusv1.FetchResponse, error) {
	var f fields
	p := principal(ctx)
	req := bus.FetchRequest{Group: r.GetGroup(), Member: r.GetMember(), Max: count(r.GetMax()),
		MaxBytes: int(min(r.GetMaxBytes(), 1<<40)), Lease: f.duration("lease", r.GetLease()), Wait: f.duration("wait", r.GetWait())}
	if f.err != nil {
		return nil, f.err
	}
	if req.Member == "" {
		req.Member = p.Name
	}
	if req.MaxBytes == 0 {
		req.MaxBytes = semabus.MaxFrameBytes
	}
	ds, err := b.s.bus.Fetch(ctx, p, req)
	if err != nil {
		return nil, err
	}
	return &semabusv1.FetchResponse{Deliveries: fromDeliveries(ds)}, nil
}

func (b *busService) Settle(ctx context.Context, r *semabusv1.SettleRequest) (*semabusv1.SettleResponse, error) {
	if n := len(r.GetSettlements()); n > maxItems {
		return nil, tooMany("settlements", n)
	}
	p := principal(ctx)
	results := b.s.settle(context.WithoutCancel(ctx), semabusv1.Bus_Settle_FullMethodName, r.GetOpId(), r.GetSettlements(),
		func(ctx context.Context, ss []semabus.Settlement) []bus.SettleResult {
			return b.s.bus.Settle(ctx, p, ss)
		})
	return &semabusv1.SettleResponse{Results: results}, nil
}

// settle translates settlements, carries out those that are well-formed and pairs tokens with results: one that is not
// disturbs none of its neighbours.
func (s *Server) settle(ctx context.Context, method, opID string, in []*semabusv1.Settlement,
	do func(context.Context, []semabus.Settlement) []bus.SettleResult) []*semabusv1.SettleResult {
	block := make([]struct {
		result  semabusv1.SettleResult
		settled semabusv1.Settled
	}, len(in))
	out := make([]*semabusv1.SettleResult, len(in))
	ss := make([]semabus.Settlement, 0, len(in))
	index := make([]int, 0, len(in))
	for i, one := range in {
		var f fields
		t := f.settlement(one, i, opID)
		out[i] = &block[i].result
		out[i].Token = t.Token
		if f.err != nil {
			out[i].Error = s.toError(ctx, method, f.err)
			continue
		}
		ss, index = append(ss, t), append(index, i)
	}
	for k, r := range do(ctx, ss) {
		i := index[k]
		if r.Err != nil {
			out[i].Error = s.toError(ctx, method, r.Err)
			continue
		}
		out[i].Settled = &block[i].settled
		out[i].Settled.Duplicate = r.Settled.Duplicate
		for _, receipt := range r.Settled.Outputs {
			out[i].Settled.Outputs = append(out[i].Settled.Outputs, fromReceipt(receipt))
		}
	}
	return out
}

func (b *busService) Extend(ctx context.Context, r *semabusv1.ExtendRequest) (*semabusv1.ExtendResponse, error) {
	if n := len(r.GetExtensions()); n > maxItems {
		return nil, tooMany("extensions", n)
	}
	p := principal(ctx)
	results := b.s.extend(ctx, semabusv1.Bus_Extend_FullMethodName, r.GetExtensions(),
		func(ctx context.Context, es []bus.Extension) []error { return b.s.bus.Extend(ctx, p, es) })
	return &semabusv1.ExtendResponse{Results: results}, nil
}

// extend is settle for extensions.
func (s *Server) extend(ctx context.Context, method string, in []*semabusv1.Extension,
	do func(context.Context, []bus.Extension) []error) []*semabusv1.ExtendResult {
	out := make([]*semabusv1.ExtendResult, len(in))
	es := make([]bus.Extension, 0, len(in))
	index := make([]int, 0, len(in))
	for i, one := range in {
		out[i] = &semabusv1.ExtendResult{Token: one.GetToken()}
		var f fields
		e := bus.Extension{Token: one.GetToken(), For: semabus.DefaultLease}
		if one.GetTerm() != nil {
			e.For = f.duration("extensions["+strconv.Itoa(i)+"].term", one.GetTerm())
		}
		if f.err != nil {
			out[i].Error = s.toError(ctx, method, f.err)
			continue
		}
		es, index = append(es, e), append(index, i)
	}
	for k, err := range do(ctx, es) {
		if err != nil {
			out[index[k]].Error = s.toError(ctx, method, err)
		}
	}
	return out
}

func (b *busService) Feedback(ctx context.Context, r *semabusv1.FeedbackRequest) (*semabusv1.FeedbackResponse, error) {
	if n := len(r.GetLabels()); n == 0 || n > maxLabels {
		return nil, invalid(semabus.ReasonTooMany, "labels", strconv.Itoa(n), "1–"+strconv.Itoa(maxLabels), "send several requests")
	}
	labels := make([]semabus.Feedback, len(r.GetLabels()))
	for i, l := range r.GetLabels() {
		labels[i] = semabus.Feedback{MessageID: l.GetMessageId(), Intent: l.GetIntent(), Group: l.GetGroup(), Useful: l.GetUseful(), Note: l.GetNote()}
	}
	return &semabusv1.FeedbackResponse{}, b.s.bus.Feedback(ctx, principal(ctx), r.GetOpId(), labels)
}

// maxLabels bounds the labels of one Feedback.
const maxLabels = 1000

func (b *busService) Why(ctx context.Context, r *semabusv1.WhyRequest) (*semabusv1.WhyResponse, error) {
	if r.GetMessageId() == "" {
		return nil, invalid(semabus.ReasonRequired, "message_id", "", "1–256 bytes", "name the message")
	}
	w, err := b.s.bus.Why(ctx, principal(ctx), r.GetMessageId(), r.GetGroup())
	if err != nil {
		return nil, err
	}
	out := &semabusv1.WhyResponse{Message: fromMessage(w.Message), Decision: fromDecision(w.Decision), Group: w.Group,
		Reason: fromReason(w.Reason), Text: w.Text, Fix: w.Fix}
	if w.Decision != nil {
		out.Match = fromMatch(w.Match, w.Decision.Space, w.Decision.Tier)
	} else {
		out.Match = fromMatch(w.Match, "", "")
	}
	for i := range w.Deliveries {
		out.Deliveries = append(out.Deliveries, fromState(&w.Deliveries[i]))
	}
	return out, nil
}
