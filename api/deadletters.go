package api

import (
	"context"

	"google.golang.org/grpc"

	semabusv1alpha "github.com/semabus/semabus/api/semabus/v1alpha"
	"github.com/semabus/semabus/internal/bus"
)

// deadLettersService is semabus.v1alpha.DeadLetters.
type deadLettersService struct {
	semabusv1alpha.UnimplementedDeadLettersServer
	s *Server
}

func (d *deadLettersService) List(ctx context.Context, r *semabusv1alpha.DeadLettersListRequest) (*semabusv1alpha.DeadLettersListResponse, error) {
	var f fields
	filter := bus.DeadLetterFilter{Group: r.GetGroup(), Reason: r.GetReason(), Filter: r.GetFilter(),
		Since: f.time("since", r.GetSince()), Until: f.time("until", r.GetUntil())}
	if f.err != nil {
		return nil, f.err
	}
	page, next, err := d.s.bus.DeadLetters(ctx, principal(ctx), filter, r.GetPageToken(), count(r.GetPageSize()))
	if err != nil {
		return nil, err
	}
	out := &semabusv1alpha.DeadLettersListResponse{NextPageToken: next}
	for k := range page {
		out.Letters = append(out.Letters, fromLetter(&page[k]))
	}
	return out, nil
}

func (d *deadLettersService) Get(ctx context.Context, r *semabusv1alpha.DeadLettersGetRequest) (*semabusv1alpha.DeadLettersGetResponse, error) {
	l, err := d.s.bus.DeadLetter(ctx, principal(ctx), r.GetMessageId(), r.GetGroup())
	if err != nil {
		return nil, err
	}
	return &semabusv1alpha.DeadLettersGetResponse{Letter: fromLetter(l), Decision: fromDecision(l.Decision)}, nil
}

func (d *deadLettersService) Redrive(r *semabusv1alpha.DeadLettersRedriveRequest, stream grpc.ServerStreamingServer[semabusv1alpha.DeadLettersRedriveResponse]) error {
	var f fields
	ask := bus.Redrive{Rate: r.GetRate(), DryRun: r.GetDryRun(), DeadLetterFilter: bus.DeadLetterFilter{MessageID: r.GetMessageId(),
		Group: r.GetGroup(), Reason: r.GetReason(), Filter: r.GetFilter(),
		Since: f.time("since", r.GetSince()), Until: f.time("until", r.GetUntil())}}
	if f.err != nil {
		return f.err
	}
	ctx := stream.Context()
	life, end := context.WithCancel(ctx)
	defer end()
	defer d.s.onStop(end)()
	tell := func(so bus.Redriven) error {
		return stream.Send(&semabusv1alpha.DeadLettersRedriveResponse{Redriven: uint64(so.Redriven), Skipped: uint64(so.Skipped)})
	}
	so, err := d.s.bus.Redrive(life, principal(ctx), ask, tell)
	if life.Err() != nil && err != nil {
		_ = tell(so) // who is still there knows how far it came
		return d.s.left(ctx)
	}
	if err != nil {
		return err
	}
	return tell(so)
}

func fromLetter(l *bus.DeadLetter) *semabusv1alpha.DeadLetter {
	out := &semabusv1alpha.DeadLetter{Message: fromMessage(l.Message), Group: l.Group, Reason: l.Reason, Attempts: uint32(l.Attempts),
		Errors: l.Errors, Time: stamp(l.Time)}
	if l.Decision != nil {
		out.Match = fromMatch(&l.Match, l.Decision.Space, l.Decision.Tier)
	} else {
		out.Match = fromMatch(&l.Match, "", "")
	}
	return out
}
