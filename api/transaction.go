package api

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/internal/bus"
)

func (f *fields) resolution(field string, r semabusv1.Resolution) semabus.Resolution {
	return semabus.Resolution(f.enum(field, int32(r), int32(semabusv1.Resolution_RESOLUTION_ROLLBACK))) //nolint:gosec // bounded by enum
}

func (b *busService) Prepare(ctx context.Context, r *semabusv1.PrepareRequest) (*semabusv1.PrepareResponse, error) {
	var f fields
	prep := bus.Preparation{Message: f.message("message", r.GetMessage()), Group: r.GetProducerGroup(), OpID: r.GetOpId(),
		CheckAfter: f.duration("check_after", r.GetCheckAfter())}
	if f.err != nil {
		return nil, f.err
	}
	tx, err := b.s.bus.Prepare(context.WithoutCancel(ctx), principal(ctx), prep) // a commit is short and must not be torn
	if err != nil {
		return nil, err
	}
	return &semabusv1.PrepareResponse{TransactionId: tx.ID, MessageId: tx.MessageID}, nil
}

func (b *busService) Resolve(ctx context.Context, r *semabusv1.ResolveRequest) (*semabusv1.ResolveResponse, error) {
	var f fields
	as := f.resolution("resolution", r.GetResolution())
	if f.err != nil {
		return nil, f.err
	}
	receipt, err := b.s.bus.Resolve(ctx, principal(ctx), r.GetOpId(), r.GetTransactionId(), as)
	if err != nil {
		return nil, err
	}
	out := &semabusv1.ResolveResponse{}
	if as == semabus.ResolutionCommit {
		out.Receipt = fromReceipt(receipt)
	}
	return out, nil
}

// CheckTransaction asks a producer how transactions of its group ended, and takes its answers, until either side goes.
func (b *busService) CheckTransaction(stream grpc.BidiStreamingServer[semabusv1.CheckTransactionRequest, semabusv1.CheckTransactionResponse]) error {
	ctx := stream.Context()
	hello, err := stream.Recv()
	if err != nil {
		return err
	}
	producer, err := b.s.bus.JoinProducers(principal(ctx), hello.GetProducerGroup())
	if err != nil {
		return err
	}
	defer producer.Leave()
	if err := stream.SendHeader(metadata.MD{}); err != nil { // the producer knows by it that it is asked from now on
		return err
	}
	life, end := context.WithCancel(ctx)
	defer end()
	defer b.s.onStop(end)()
	var g errgroup.Group
	said := make(chan error, 1)
	g.Go(func() error { // ends with the stream: by its last frame, or when this handler returns
		said <- b.answers(ctx, stream)
		return nil
	})
	for {
		select {
		case err := <-said:
			return err
		case c := <-producer.Checks:
			out := &semabusv1.CheckTransactionResponse{TransactionId: c.ID, Message: fromMessage(c.Message), Check: uint32(max(0, c.Number))} //nolint:gosec // not negative
			if err := stream.Send(out); err != nil {
				return err
			}
		case <-life.Done():
			return b.s.left(ctx)
		}
	}
}

// answers resolves what a producer says, until it says no more.
func (b *busService) answers(ctx context.Context, stream grpc.BidiStreamingServer[semabusv1.CheckTransactionRequest, semabusv1.CheckTransactionResponse]) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var f fields
		as := f.resolution("resolution", in.GetResolution())
		if f.err != nil {
			return f.err
		}
		if as == semabus.ResolutionUnspecified { // it cannot say yet
			continue
		}
		_, err = b.s.bus.Resolve(ctx, principal(ctx), in.GetOpId(), in.GetTransactionId(), as)
		if semabus.ReasonOf(err) == semabus.ReasonTransactionEnded || semabus.CodeOf(err) == semabus.CodeNotFound {
			b.s.log.Warn("a producer says otherwise than a transaction ended", "transaction", in.GetTransactionId(), "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
}
