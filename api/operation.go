package api

import (
	"context"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

func (b *busService) Reserve(ctx context.Context, r *semabusv1.ReserveRequest) (*semabusv1.ReserveResponse, error) {
	op := semabus.Operation{ID: r.GetOpId(), Idempotent: r.GetIdempotent(), Description: r.GetDescription()}
	out, err := b.s.bus.Reserve(ctx, principal(ctx), op, r.GetToken())
	if err != nil {
		return nil, err
	}
	return &semabusv1.ReserveResponse{Operation: fromOperation(&out)}, nil
}

func (b *busService) ResolveOp(ctx context.Context, r *semabusv1.ResolveOpRequest) (*semabusv1.ResolveOpResponse, error) {
	var f fields
	as := semabus.OperationState(f.enum("state", int32(r.GetState()), int32(semabusv1.OperationState_OPERATION_STATE_IN_DOUBT))) //nolint:gosec // bounded by enum
	if f.err != nil {
		return nil, f.err
	}
	out, err := b.s.bus.ResolveOp(ctx, principal(ctx), r.GetOperationId(), as, r.GetResult())
	if err != nil {
		return nil, err
	}
	return &semabusv1.ResolveOpResponse{Operation: fromOperation(&out)}, nil
}

func (b *busService) ListInDoubt(ctx context.Context, r *semabusv1.ListInDoubtRequest) (*semabusv1.ListInDoubtResponse, error) {
	ops, next, err := b.s.bus.ListInDoubt(ctx, principal(ctx), r.GetGroup(), r.GetPageToken(), count(r.GetPageSize()))
	if err != nil {
		return nil, err
	}
	out := &semabusv1.ListInDoubtResponse{NextPageToken: next}
	for i := range ops {
		out.Operations = append(out.Operations, fromOperation(&ops[i]))
	}
	return out, nil
}

// fromOperation: the contract numbers the states as the vocabulary does.
func fromOperation(o *semabus.Operation) *semabusv1.Operation {
	return &semabusv1.Operation{OperationId: o.ID, State: semabusv1.OperationState(o.State), Result: o.Result, Description: o.Description,
		MessageId: o.MessageID, Group: o.Group, Reserved: stamp(o.Reserved)}
}
