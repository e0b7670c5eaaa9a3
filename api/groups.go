package api

import (
	"context"

	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// groupsService is semabus.v1.Groups.
type groupsService struct {
	semabusv1.UnimplementedGroupsServer
	s *Server
}

func (g *groupsService) Configure(ctx context.Context, r *semabusv1.GroupsConfigureRequest) (*semabusv1.GroupsConfigureResponse, error) {
	var f fields
	config := f.group(r.GetGroup())
	if f.err != nil {
		return nil, f.err
	}
	out, err := g.s.bus.ConfigureGroup(context.WithoutCancel(ctx), principal(ctx), r.GetOpId(), config)
	if err != nil {
		return nil, err
	}
	return &semabusv1.GroupsConfigureResponse{Group: fromGroup(&out)}, nil
}

func (g *groupsService) Get(ctx context.Context, r *semabusv1.GroupsGetRequest) (*semabusv1.GroupsGetResponse, error) {
	out, err := g.s.bus.GetGroup(ctx, principal(ctx), r.GetName())
	if err != nil {
		return nil, err
	}
	return &semabusv1.GroupsGetResponse{Group: fromGroup(&out)}, nil
}

func (g *groupsService) List(ctx context.Context, r *semabusv1.GroupsListRequest) (*semabusv1.GroupsListResponse, error) {
	items, next, err := g.s.bus.ListGroups(ctx, principal(ctx), r.GetPageToken(), count(r.GetPageSize()))
	if err != nil {
		return nil, err
	}
	out := &semabusv1.GroupsListResponse{NextPageToken: next}
	for k := range items {
		out.Groups = append(out.Groups, fromGroup(&items[k]))
	}
	return out, nil
}

func (g *groupsService) Stats(ctx context.Context, r *semabusv1.GroupsStatsRequest) (*semabusv1.GroupsStatsResponse, error) {
	stats, err := g.s.bus.GroupStats(ctx, principal(ctx), r.GetNames())
	if err != nil {
		return nil, err
	}
	out := &semabusv1.GroupsStatsResponse{}
	for k := range stats {
		out.Stats = append(out.Stats, fromStats(&stats[k]))
	}
	return out, nil
}
