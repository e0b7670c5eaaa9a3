package api

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// unary wraps every unary call: decode check, credential, permission, panics, error translation, metrics.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	start := s.clock.Now()
	defer func() {
		if r := recover(); r != nil {
			answer, err = nil, s.panicked(ctx, info.FullMethod, r)
		}
		s.metrics.Called(info.FullMethod, semabus.Code(status.Code(err)), s.clock.Now().Sub(start))
	}()
	ctx, err = s.admit(ctx, info.FullMethod)
	if err == nil {
		err = decoded(req)
	}
	if err == nil {
		answer, err = next(ctx, req)
	}
	if err != nil {
		return nil, s.toStatus(ctx, info.FullMethod, err)
	}
	return answer, nil
}

// stream is unary for streams.
func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	start := s.clock.Now()
	ctx := ss.Context()
	defer func() {
		if r := recover(); r != nil {
			err = s.panicked(ctx, info.FullMethod, r)
		}
		if !isPublic(info.FullMethod) {
			s.metrics.Called(info.FullMethod, semabus.Code(status.Code(err)), s.clock.Now().Sub(start))
		}
	}()
	ctx, err = s.admit(ss.Context(), info.FullMethod)
	if err != nil {
		return s.toStatus(ss.Context(), info.FullMethod, err)
	}
	err = next(srv, &admitted{ServerStream: ss, p: principal(ctx)})
	return s.toStatus(ctx, info.FullMethod, err)
}

// panicked is a bug: the node lives on, the client gets the fixed text, the log gets the stack.
func (s *Server) panicked(ctx context.Context, method string, r any) error {
	s.log.ErrorContext(ctx, "panic in a handler", slog.String("method", method), slog.String("panic", fmt.Sprint(r)),
		slog.String("stack", string(debug.Stack())))
	return status.Error(codes.Internal, internalText)
}

// guard is the interceptors' recover for what a handler runs beside itself.
func (s *Server) guard(ctx context.Context, method string, f func() error) func() error {
	return func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = s.panicked(ctx, method, r)
			}
		}()
		return f()
	}
}

// goAway tells a client that the node stops.
func goAway() *semabusv1.GoAway {
	return &semabusv1.GoAway{Reason: "the node is shutting down: finish what is under way, close the stream, reconnect"}
}

// admitted is a stream whose context knows the principal and whose frames were decoded.
type admitted struct {
	grpc.ServerStream
	p semabus.Principal
}

func (a *admitted) Context() context.Context {
	return context.WithValue(a.ServerStream.Context(), principalKey{}, a.p)
}

func (a *admitted) RecvMsg(m any) error {
	if err := a.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return decoded(m)
}
