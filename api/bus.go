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
	var f fields
	ss := f.settlements(r.GetOpId(), r.GetSettlements())
	if f.err != nil {
		return nil, f.err
	}
	results := b.s.bus.Settle(context.WithoutCancel(ctx), principal(ctx), ss)
	return &semabusv1.SettleResponse{Results: b.s.fromSettled(ctx, semabusv1.Bus_Settle_FullMethodName, ss, results)}, nil
}

// fromSettled pairs tokens with results.
func (s *Server) fromSettled(ctx context.Context, method string, ss []semabus.Settlement, results []bus.SettleResult) []*semabusv1.SettleResult {
	out := make([]*semabusv1.SettleResult, len(results))
	for i := range results {
		r := &semabusv1.SettleResult{Token: ss[i].Token}
		if err := results[i].Err; err != nil {
			r.Error = s.toError(ctx, method, err)
		} else {
			r.Settled = &semabusv1.Settled{Duplicate: results[i].Settled.Duplicate}
			for _, receipt := range results[i].Settled.Outputs {
				r.Settled.Outputs = append(r.Settled.Outputs, fromReceipt(receipt))
			}
		}
		out[i] = r
	}
	return out
}

func (b *busService) Extend(ctx context.Context, r *semabusv1.ExtendRequest) (*semabusv1.ExtendResponse, error) {
	var f fields
	es := f.extensions(r.GetExtensions())
	if f.err != nil {
		return nil, f.err
	}
	return &semabusv1.ExtendResponse{Results: b.s.extend(ctx, semabusv1.Bus_Extend_FullMethodName, es)}, nil
}

func (s *Server) extend(ctx context.Context, method string, es []bus.Extension) []*semabusv1.ExtendResult {
	errs := s.bus.Extend(ctx, principal(ctx), es)
	out := make([]*semabusv1.ExtendResult, len(es))
	for i := range es {
		out[i] = &semabusv1.ExtendResult{Token: es[i].Token}
		if errs[i] != nil {
			out[i].Error = s.toError(ctx, method, errs[i])
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
