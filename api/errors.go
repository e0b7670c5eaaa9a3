package api

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// errorDomain is google.rpc.ErrorInfo.domain of everything the bus says.
const errorDomain = "semabus"

// internalText is all that a client learns of a fault that nobody classified.
const internalText = "INTERNAL: the node failed on this request; its log has the cause"

// toStatus is the one translation of errors to gRPC: typed errors keep code, reason, field, limit, value and fix as
// google.rpc details; gRPC's own statuses pass; anything else is logged and becomes Internal with a fixed text.
func (s *Server) toStatus(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	if all := typed(err, nil); len(all) > 0 {
		if all[0].Code == semabus.CodeInternal || all[0].Code == semabus.CodeDataLoss {
			s.log.ErrorContext(ctx, "request failed", slog.String("method", method), slog.Any("error", err))
		}
		return typedStatus(all).Err()
	}
	if st, ok := status.FromError(err); ok {
		if st.Code() == codes.Unimplemented {
			return typedStatus([]*semabus.Error{notBuilt(method)}).Err()
		}
		return err
	}
	if e := contextError(err); e != nil {
		return typedStatus([]*semabus.Error{e}).Err()
	}
	s.log.ErrorContext(ctx, "request failed", slog.String("method", method), slog.Any("error", err))
	return status.Error(codes.Internal, internalText)
}

// notBuilt is the answer of a method of the contract whose turn has not come.
func notBuilt(method string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeUnimplemented, Reason: semabus.ReasonNotBuilt, Field: method,
		Fix: "this method is part of the contract but not built yet; docs/roadmap.md says when it comes"}
}

func contextError(err error) *semabus.Error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &semabus.Error{Code: semabus.CodeDeadlineExceeded, Reason: "DEADLINE_EXCEEDED", Fix: "repeat with the same op id and a longer deadline"}
	case errors.Is(err, context.Canceled):
		return &semabus.Error{Code: semabus.CodeCanceled, Reason: "CANCELLED", Fix: "the caller went away; repeat with the same op id"}
	}
	return nil
}

// typed collects the *semabus.Error values of an error tree in order: validation joins one for each fault.
func typed(err error, out []*semabus.Error) []*semabus.Error {
	switch e := err.(type) { //nolint:errorlint // walks the tree itself
	case nil:
		return out
	case *semabus.Error:
		return append(out, e)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			out = typed(inner, out)
		}
		return out
	}
	return typed(errors.Unwrap(err), out)
}

// typedStatus builds the status of one or more faults; the first decides code and reason, all of them are field violations.
func typedStatus(all []*semabus.Error) *status.Status {
	e := all[0]
	text := e.Message()
	for _, more := range all[1:] {
		text += "; also " + more.Message()
	}
	st := status.New(codes.Code(e.Code), text)
	info := &errdetails.ErrorInfo{Reason: e.Reason, Domain: errorDomain, Metadata: map[string]string{}}
	for k, v := range map[string]string{"field": e.Field, "limit": e.Limit, "value": e.Value, "fix": e.Fix} {
		if v != "" {
			info.Metadata[k] = v
		}
	}
	details := []protoadapt.MessageV1{info}
	if e.Code == semabus.CodeInvalidArgument {
		bad := &errdetails.BadRequest{}
		for _, v := range all {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: v.Field, Description: v.Message(), Reason: v.Reason})
		}
		details = append(details, bad)
	}
	if e.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	if with, err := st.WithDetails(details...); err == nil {
		return with
	}
	return st // details that cannot be encoded are not worth losing the code
}

// toError is toStatus for one item of an answer.
func (s *Server) toError(ctx context.Context, method string, err error) *semabusv1.Error {
	all := typed(err, nil)
	if len(all) == 0 {
		if e := contextError(err); e != nil {
			all = append(all, e)
		} else {
			s.log.ErrorContext(ctx, "item failed", slog.String("method", method), slog.Any("error", err))
			return &semabusv1.Error{Code: uint32(codes.Internal), Reason: semabus.ReasonInternal, Message: internalText}
		}
	}
	e := all[0]
	out := &semabusv1.Error{Code: uint32(e.Code), Reason: e.Reason, Field: e.Field, Limit: e.Limit, Value: e.Value, Fix: e.Fix, Message: e.Message()}
	for _, more := range all[1:] {
		out.Message += "; also " + more.Message()
	}
	if e.RetryAfter > 0 {
		out.RetryAfter = durationpb.New(e.RetryAfter)
	}
	return out
}

// invalid is the typed error for a caller's field.
func invalid(reason, field, value, limit, fix string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: reason, Field: field, Value: semabus.Shorten(value), Limit: limit, Fix: fix}
}
