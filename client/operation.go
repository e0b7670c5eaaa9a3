package client

import (
	"context"
	"iter"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// Reserve notes, before a delivery's worker does something outside the bus, that it is about to: op.ID names the effect, and
// op.Idempotent says that another worker may run it again. Go on only where the state is RESERVED or FAILED; DONE brings the
// result of the first time; IN_DOUBT means that nobody knows, and is for an operator. Errors: STALE_LEASE, OPERATION_HELD.
func (c *Client) Reserve(ctx context.Context, d *semabus.Delivery, op semabus.Operation) (semabus.Operation, error) {
	a, err := call(ctx, c, "client.Reserve", c.bus.Reserve, &semabusv1.ReserveRequest{OpId: op.ID, Token: d.Lease.Token,
		Idempotent: op.Idempotent, Description: op.Description})
	if err != nil {
		return semabus.Operation{}, err
	}
	return fromOperation(a.GetOperation()), nil
}

// ResolveOp says how a reserved operation ended: done with its result (at most 64 KiB), or failed. Its worker may, and operators.
func (c *Client) ResolveOp(ctx context.Context, id string, as semabus.OperationState, result []byte) (semabus.Operation, error) {
	a, err := call(ctx, c, "client.ResolveOp", c.bus.ResolveOp, &semabusv1.ResolveOpRequest{OpId: newID(), OperationId: id,
		State: semabusv1.OperationState(as), Result: result})
	if err != nil {
		return semabus.Operation{}, err
	}
	return fromOperation(a.GetOperation()), nil
}

// InDoubt yields the operations whose workers are gone and that nobody has resolved, oldest first; group "" = of all groups.
func (c *Client) InDoubt(ctx context.Context, group string) iter.Seq2[semabus.Operation, error] {
	return func(yield func(semabus.Operation, error) bool) {
		q := &semabusv1.ListInDoubtRequest{Group: group, PageSize: pageSize}
		for {
			a, err := call(ctx, c, "client.InDoubt", c.bus.ListInDoubt, q)
			if err != nil {
				yield(semabus.Operation{}, err)
				return
			}
			for _, o := range a.GetOperations() {
				if !yield(fromOperation(o), nil) {
					return
				}
			}
			if q.PageToken = a.GetNextPageToken(); q.PageToken == "" {
				return
			}
		}
	}
}

func fromOperation(o *semabusv1.Operation) semabus.Operation {
	return semabus.Operation{ID: o.GetOperationId(), State: semabus.OperationState(o.GetState()), Result: o.GetResult(), Description: o.GetDescription(),
		MessageID: o.GetMessageId(), Group: o.GetGroup(), Reserved: instant(o.GetReserved())}
}
