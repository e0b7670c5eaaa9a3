package api

import (
	"context"

	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

func (b *busService) CancelScheduled(ctx context.Context, r *semabusv1.CancelScheduledRequest) (*semabusv1.CancelScheduledResponse, error) {
	groups, err := b.s.bus.CancelScheduled(ctx, principal(ctx), r.GetOpId(), r.GetMessageId())
	if err != nil {
		return nil, err
	}
	return &semabusv1.CancelScheduledResponse{Groups: groups}, nil
}
