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
	return &semabusv1.GroupsStatsResponse{Stats: fromAllStats(stats)}, nil
}

func (g *groupsService) Pause(ctx context.Context, r *semabusv1.GroupsPauseRequest) (*semabusv1.GroupsPauseResponse, error) {
	return &semabusv1.GroupsPauseResponse{}, g.s.bus.PauseGroup(ctx, principal(ctx), r.GetOpId(), r.GetName())
}

func (g *groupsService) Resume(ctx context.Context, r *semabusv1.GroupsResumeRequest) (*semabusv1.GroupsResumeResponse, error) {
	return &semabusv1.GroupsResumeResponse{}, g.s.bus.ResumeGroup(ctx, principal(ctx), r.GetOpId(), r.GetName())
}

func (g *groupsService) Browse(ctx context.Context, r *semabusv1.GroupsBrowseRequest) (*semabusv1.GroupsBrowseResponse, error) {
	page, next, err := g.s.bus.Browse(ctx, principal(ctx), r.GetName(), r.GetPageToken(), count(r.GetPageSize()))
	if err != nil {
		return nil, err
	}
	out := &semabusv1.GroupsBrowseResponse{NextPageToken: next}
	for k := range page {
		out.Deliveries = append(out.Deliveries,
			&semabusv1.BrowsedDelivery{State: fromState(&page[k].Deliveries[0]), Message: fromMessage(page[k].Message)})
	}
	return out, nil
}

func (g *groupsService) Purge(ctx context.Context, r *semabusv1.GroupsPurgeRequest) (*semabusv1.GroupsPurgeResponse, error) {
	n, err := g.s.bus.PurgeGroup(ctx, principal(ctx), r.GetOpId(), r.GetName(), r.GetDryRun())
	if err != nil {
		return nil, err
	}
	return &semabusv1.GroupsPurgeResponse{Purged: uint64(n)}, nil
}
