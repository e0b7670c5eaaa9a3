package api

import (
	"context"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// intentsService is semabus.v1.Intents.
type intentsService struct {
	semabusv1.UnimplementedIntentsServer
	s *Server
}

func (i *intentsService) Register(ctx context.Context, r *semabusv1.IntentsRegisterRequest) (*semabusv1.IntentsRegisterResponse, error) {
	var f fields
	in := f.intent(r.GetIntent())
	if f.err != nil {
		return nil, f.err
	}
	out, version, err := i.s.bus.RegisterIntent(context.WithoutCancel(ctx), principal(ctx), r.GetOpId(), in)
	if err != nil {
		return nil, err
	}
	return &semabusv1.IntentsRegisterResponse{Intent: fromIntent(&out), RegistryVersion: version}, nil
}

func (i *intentsService) Update(ctx context.Context, r *semabusv1.IntentsUpdateRequest) (*semabusv1.IntentsUpdateResponse, error) {
	var f fields
	in := f.intent(r.GetIntent())
	if f.err != nil {
		return nil, f.err
	}
	out, version, err := i.s.bus.UpdateIntent(context.WithoutCancel(ctx), principal(ctx), r.GetOpId(), in, r.GetExpectVersion())
	if err != nil {
		return nil, err
	}
	return &semabusv1.IntentsUpdateResponse{Intent: fromIntent(&out), RegistryVersion: version}, nil
}

func (i *intentsService) Delete(ctx context.Context, r *semabusv1.IntentsDeleteRequest) (*semabusv1.IntentsDeleteResponse, error) {
	version, err := i.s.bus.DeleteIntent(context.WithoutCancel(ctx), principal(ctx), r.GetOpId(), r.GetName())
	if err != nil {
		return nil, err
	}
	return &semabusv1.IntentsDeleteResponse{RegistryVersion: version}, nil
}

func (i *intentsService) Get(ctx context.Context, r *semabusv1.IntentsGetRequest) (*semabusv1.IntentsGetResponse, error) {
	in, err := i.s.bus.GetIntent(ctx, principal(ctx), r.GetName())
	if err != nil {
		return nil, err
	}
	return &semabusv1.IntentsGetResponse{Intent: fromIntent(&in)}, nil
}

func (i *intentsService) List(ctx context.Context, r *semabusv1.IntentsListRequest) (*semabusv1.IntentsListResponse, error) {
	items, next, err := i.s.bus.ListIntents(ctx, principal(ctx), r.GetSet(), r.GetPageToken(), count(r.GetPageSize()))
	if err != nil {
		return nil, err
	}
	out := &semabusv1.IntentsListResponse{NextPageToken: next}
	for k := range items {
		out.Intents = append(out.Intents, fromIntent(&items[k]))
	}
	return out, nil
}

func (i *intentsService) Match(ctx context.Context, r *semabusv1.IntentsMatchRequest) (*semabusv1.IntentsMatchResponse, error) {
	p := principal(ctx)
	ms, err := i.s.bus.Match(ctx, p, r.GetText(), count(r.GetLimit()))
	if err != nil {
		return nil, err
	}
	space, tier := i.s.bus.Space()
	return &semabusv1.IntentsMatchResponse{Matches: fromMatches(ms, space, tier)}, nil
}

func (i *intentsService) Explain(ctx context.Context, r *semabusv1.IntentsExplainRequest) (*semabusv1.IntentsExplainResponse, error) {
	var f fields
	m := f.message("message", r.GetMessage())
	if f.err != nil {
		return nil, f.err
	}
	d, match, err := i.s.bus.Explain(ctx, principal(ctx), m, r.GetIntent())
	if err != nil {
		return nil, err
	}
	if d == nil {
		d = &semabus.Decision{}
	}
	return &semabusv1.IntentsExplainResponse{Decision: fromDecision(d), Match: fromMatch(match, d.Space, d.Tier)}, nil
}

func (i *intentsService) ConfigureSet(ctx context.Context, r *semabusv1.IntentsConfigureSetRequest) (*semabusv1.IntentsConfigureSetResponse, error) {
	var f fields
	set := f.set(r.GetSet())
	if f.err != nil {
		return nil, f.err
	}
	out, version, err := i.s.bus.ConfigureSet(context.WithoutCancel(ctx), principal(ctx), r.GetOpId(), set)
	if err != nil {
		return nil, err
	}
	return &semabusv1.IntentsConfigureSetResponse{Set: fromSet(out), RegistryVersion: version}, nil
}

func (i *intentsService) GetSet(ctx context.Context, r *semabusv1.IntentsGetSetRequest) (*semabusv1.IntentsGetSetResponse, error) {
	set, err := i.s.bus.GetSet(ctx, principal(ctx), r.GetName())
	if err != nil {
		return nil, err
	}
	return &semabusv1.IntentsGetSetResponse{Set: fromSet(set)}, nil
}
