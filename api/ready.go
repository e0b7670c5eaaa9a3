package api

import (
	"context"

	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	semabus "github.com/semabus/semabus"
)

// ready says why calls are not taken: the node stops, or its engine takes no commits; nil = they are.
func (s *Server) ready(ctx context.Context) error {
	if s.stopping() {
		return &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonShuttingDown, Fix: "ask another node"}
	}
	return s.bus.Ready(ctx)
}

// healthService is grpc.health.v1.Health: Check asks the engine as /readyz does, Watch tells of the end of the node only.
type healthService struct {
	*health.Server
	s *Server
}

// Check implements healthv1.HealthServer.
func (h *healthService) Check(ctx context.Context, r *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	out, err := h.Server.Check(ctx, r)
	if err == nil && h.s.ready(ctx) != nil {
		out.Status = healthv1.HealthCheckResponse_NOT_SERVING
	}
	return out, err
}
