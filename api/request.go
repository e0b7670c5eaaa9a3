package api

import (
	"context"

	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/internal/bus"
)

func (b *busService) Request(ctx context.Context, r *semabusv1.RequestRequest) (*semabusv1.RequestResponse, error) {
	var f fields
	item := bus.PublishItem{Message: f.message("message", r.GetMessage()), OpID: r.GetOpId()}
	timeout := f.duration("timeout", r.GetTimeout())
	if f.err != nil {
		return nil, f.err
	}
	receipt, reply, err := b.s.bus.Request(ctx, principal(ctx), item, timeout)
	if err != nil {
		return nil, err
	}
	return &semabusv1.RequestResponse{Receipt: fromReceipt(receipt), Reply: fromMessage(reply)}, nil
}
