package api

import (
	"google.golang.org/grpc"

	semabusv1alpha "github.com/semabus/semabus/api/semabus/v1alpha"
)

// registerAlpha registers what may still change, and what is agreed but not built, so that reflection shows it and each call is
// answered by name.
func (s *Server) registerAlpha(g *grpc.Server) {
	semabusv1alpha.RegisterDeadLettersServer(g, &deadLettersService{s: s})
	semabusv1alpha.RegisterSessionsServer(g, semabusv1alpha.UnimplementedSessionsServer{})
	semabusv1alpha.RegisterBlobsServer(g, semabusv1alpha.UnimplementedBlobsServer{})
	semabusv1alpha.RegisterRunsServer(g, semabusv1alpha.UnimplementedRunsServer{})
	semabusv1alpha.RegisterContextServer(g, semabusv1alpha.UnimplementedContextServer{})
	semabusv1alpha.RegisterGraphServer(g, semabusv1alpha.UnimplementedGraphServer{})
	semabusv1alpha.RegisterUnmatchedServer(g, semabusv1alpha.UnimplementedUnmatchedServer{})
	semabusv1alpha.RegisterFlowServer(g, semabusv1alpha.UnimplementedFlowServer{})
	semabusv1alpha.RegisterAgentsServer(g, semabusv1alpha.UnimplementedAgentsServer{})
	semabusv1alpha.RegisterEmbedServer(g, semabusv1alpha.UnimplementedEmbedServer{})
}
