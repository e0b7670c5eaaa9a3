package client

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// fromStatus turns what gRPC returned into a *semabus.Error. A fault the node described keeps its description; what the
// transport says becomes a code with a way out.
func fromStatus(op string, err error) *semabus.Error {
	if e, ok := semabus.AsError(err); ok {
		return e
	}
	st := status.Convert(err)
	e := &semabus.Error{Code: semabus.Code(st.Code()), Op: op}
	if described(e, st) {
		return e
	}
	e.Err = err
	switch st.Code() {
	case codes.Unavailable:
		e.Reason, e.Fix = semabus.ReasonEngineUnavailable, reach(st.Message())
	case codes.DeadlineExceeded:
		e.Reason, e.Fix, e.Err = "DEADLINE_EXCEEDED", "repeat with a longer deadline", errors.Join(context.DeadlineExceeded, err)
	case codes.Canceled:
		e.Reason, e.Fix, e.Err = "CANCELLED", "the caller ended the call, or the node the stream; repeat it", errors.Join(context.Canceled, err)
	case codes.ResourceExhausted:
		e.Reason, e.Fix = semabus.ReasonTooLarge, "send a smaller message; payloads over the node's limit travel as blobs"
	case codes.Unimplemented:
		e.Reason, e.Fix = semabus.ReasonNotBuilt, "the node at this address is no semabus, or an older one"
	default:
		e.Reason, e.Fix = semabus.ReasonInternal, "see the cause, and the node's log"
	}
	return e
}

// faults are what may be wrong with a connection to a node that runs, by what the transport says of it.
var faults = [...]struct{ says, fix string }{
	{"x509: certificate signed by unknown authority", "trust the authority that signed the node's certificate, or connect to another node"},
	{"x509: certificate has expired or is not yet valid", "renew the node's certificate if it has expired, or correct this machine's clock"},
	{"x509: certificate is", "use a name that the node's certificate has, as the address or as the server name"},
	{"x509: cannot validate certificate for", "use a name that the node's certificate has, as the address or as the server name"},
	{"x509:", "the node's certificate cannot be verified: see the cause"},
	{"first record does not look like a TLS handshake", "the node speaks plain text: connect without TLS, or give it a certificate"},
	{"remote error: tls:", "the node does not accept the client certificate: use one of the authority that the node knows"},
	{"tls:", "no TLS connection could be agreed on: see the cause"},
	{"error reading server preface", "something answers there, but not in plain text: connect with TLS if the node speaks TLS, and check the address"},
}

// reach says what to do about a node that cannot be reached; text is what the transport says.
func reach(text string) string {
	for _, f := range faults {
		if strings.Contains(text, f.says) {
			return f.fix
		}
	}
	return "check that the node runs and that the address is right"
}

// described reads the details that a node attaches.
func described(e *semabus.Error, st *status.Status) bool {
	var also []string
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() != "semabus" {
				continue
			}
			m := d.GetMetadata()
			e.Reason, e.Field, e.Limit, e.Value, e.Fix = d.GetReason(), m["field"], m["limit"], m["value"], m["fix"]
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			for i, v := range d.GetFieldViolations() {
				if i > 0 {
					also = append(also, v.GetDescription())
				}
			}
		}
	}
	if len(also) > 0 {
		e.Fix += "; also " + strings.Join(also, "; also ")
	}
	return e.Reason != ""
}

// fromWire is fromStatus for one item of an answer; nil gives nil.
func fromWire(op string, w *semabusv1.Error) error {
	if w == nil {
		return nil
	}
	e := &semabus.Error{Code: semabus.Code(w.GetCode()), Reason: w.GetReason(), Field: w.GetField(), Limit: w.GetLimit(),
		Value: w.GetValue(), Fix: w.GetFix(), Op: op, RetryAfter: w.GetRetryAfter().AsDuration()}
	if _, more, ok := strings.Cut(w.GetMessage(), "; also "); ok {
		e.Fix += "; also " + more
	}
	return e
}

// invalid is the error of a wrong argument that never left the process.
func invalid(field, value, limit, fix string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: field,
		Value: semabus.Shorten(value), Limit: limit, Fix: fix, Op: "client"}
}

// required is the error of an absent argument.
func required(field string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonRequired, Field: field, Fix: "give it", Op: "client"}
}

// errNonsense is an answer that breaks the contract.
func errNonsense(what string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeInternal, Reason: semabus.ReasonInternal, Op: "client", Value: what,
		Fix: "the node at this address speaks another version of the contract"}
}

// errCut is a stream that the node ended without a word.
func errCut(op string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonEngineUnavailable, Op: op, Fix: "the node ended the stream; repeat"}
}

// errClosed is the answer of a closed client.
func errClosed(op string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonShuttingDown, Op: op, Fix: "the client is closed; dial again"}
}

// passing reports whether the same request may succeed later. A full or damaged disk does not heal while one waits, and a
// message does not shrink.
func passing(e *semabus.Error) bool {
	switch e.Reason {
	case semabus.ReasonDiskFull, semabus.ReasonReadOnly, semabus.ReasonDataDamaged, semabus.ReasonTooLarge:
		return false
	}
	switch e.Code {
	case semabus.CodeUnavailable, semabus.CodeAborted, semabus.CodeResourceExhausted:
		return true
	}
	return false
}

// broken is passing for a stream, whose end says less about what was sent on it.
func broken(e *semabus.Error) bool {
	switch e.Code {
	case semabus.CodeCanceled, semabus.CodeDeadlineExceeded, semabus.CodeInternal, 2: // 2 = UNKNOWN
		return true
	}
	return passing(e)
}

// engineDown is passing for one item of an answer: the fault is not the item's.
func engineDown(e *semabus.Error) bool {
	return passing(e) && (e.Code == semabus.CodeUnavailable || e.Code == semabus.CodeAborted)
}

// ended is the error of a call whose context ended; last is what the node or the transport said last.
func ended(op string, ctx context.Context, last error) error { //nolint:revive // the context is what the error is about
	e := fromStatus(op, status.FromContextError(ctx.Err()).Err())
	e.Err = errors.Join(ctx.Err(), last)
	return e
}

// away is the error of a call whose patience ended.
func away(op string, patience time.Duration, last error) error {
	e := &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonEngineUnavailable, Op: op, Err: last, Fix: reach(last.Error())}
	if patience > 0 {
		e.Limit = patience.String() + " of patience"
	}
	return e
}
