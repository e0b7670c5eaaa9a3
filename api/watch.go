package api

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// The bounds of a watch: counting dead letters reads them, so that looking more often would cost more than it tells.
const (
	minInterval = time.Second
	maxInterval = time.Hour
)

// Watch sends stats at once, and then whenever they are others, until the client or the node goes.
func (g *groupsService) Watch(r *semabusv1.GroupsWatchRequest, stream grpc.ServerStreamingServer[semabusv1.GroupsWatchResponse]) error {
	var f fields
	interval := f.duration("interval", r.GetInterval())
	if f.err != nil {
		return f.err
	}
	if r.GetInterval() == nil {
		interval = minInterval
	}
	if interval < minInterval || interval > maxInterval {
		return invalid(semabus.ReasonInvalidValue, "interval", interval.String(), "1s–1h", "choose another interval")
	}
	ctx := stream.Context()
	life, end := context.WithCancel(ctx)
	defer end()
	defer g.s.onStop(end)()
	var last []semabus.GroupStats
	for first := true; ; first = false {
		stats, err := g.s.bus.GroupStats(ctx, principal(ctx), r.GetNames())
		if err != nil {
			return err
		}
		if first || !slices.Equal(stats, last) {
			if err := stream.Send(&semabusv1.GroupsWatchResponse{Stats: fromAllStats(stats)}); err != nil {
				return err
			}
			last = stats
		}
		if !g.s.sleep(life, interval) {
			return g.s.left(ctx)
		}
	}
}

// sleep waits for d or the end of ctx; it reports whether d passed.
func (s *Server) sleep(ctx context.Context, d time.Duration) bool {
	over := make(chan struct{})
	defer s.clock.AfterFunc(d, func() { close(over) })()
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// left is the error of a stream that ends before it is done: its client has gone, or the node stops.
func (s *Server) left(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonShuttingDown, Fix: "the node stops: ask another one, or this one again"}
}
