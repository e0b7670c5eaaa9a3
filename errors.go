package semabus

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code classifies an [Error]. The numbers are those of gRPC's status codes, so that the api package translates by
// conversion and not by a table.
type Code uint32

// The codes in use. Their meaning is gRPC's: https://grpc.github.io/grpc/core/md_doc_statuscodes.html.
const (
	CodeOK                 Code = 0
	CodeCanceled           Code = 1
	CodeInvalidArgument    Code = 3
	CodeDeadlineExceeded   Code = 4
	CodeNotFound           Code = 5
	CodeAlreadyExists      Code = 6
	CodePermissionDenied   Code = 7
	CodeResourceExhausted  Code = 8
	CodeFailedPrecondition Code = 9
	CodeAborted            Code = 10
	CodeOutOfRange         Code = 11
	CodeUnimplemented      Code = 12
	CodeInternal           Code = 13
	CodeUnavailable        Code = 14
	CodeDataLoss           Code = 15
	CodeUnauthenticated    Code = 16
)

// String is gRPC's upper-case name of the code.
func (c Code) String() string {
	if n, ok := codeNames[c]; ok {
		return n
	}
	return fmt.Sprintf("CODE_%d", uint32(c))
}

var codeNames = map[Code]string{
	CodeOK: "OK", CodeCanceled: "CANCELLED", CodeInvalidArgument: "INVALID_ARGUMENT",
	CodeDeadlineExceeded: "DEADLINE_EXCEEDED", CodeNotFound: "NOT_FOUND", CodeAlreadyExists: "ALREADY_EXISTS",
	CodePermissionDenied: "PERMISSION_DENIED", CodeResourceExhausted: "RESOURCE_EXHAUSTED",
	CodeFailedPrecondition: "FAILED_PRECONDITION", CodeAborted: "ABORTED", CodeOutOfRange: "OUT_OF_RANGE",
	CodeUnimplemented: "UNIMPLEMENTED", CodeInternal: "INTERNAL", CodeUnavailable: "UNAVAILABLE",
	CodeDataLoss: "DATA_LOSS", CodeUnauthenticated: "UNAUTHENTICATED",
}

// The stable reasons of [Error.Reason]. They are part of the API: a reason is never renamed, only added.
const (
	ReasonTooLarge          = "TOO_LARGE"
	ReasonTooMany           = "TOO_MANY"
	ReasonRequired          = "REQUIRED"
	ReasonInvalidUTF8       = "INVALID_UTF8"
	ReasonInvalidID         = "INVALID_ID"
	ReasonInvalidValue      = "INVALID_VALUE"
	ReasonInvalidFilter     = "INVALID_FILTER"
	ReasonUnknownField      = "UNKNOWN_FIELD"
	ReasonNotFound          = "NOT_FOUND"
	ReasonExists            = "EXISTS"
	ReasonStaleLease        = "STALE_LEASE"
	ReasonAlreadySettled    = "ALREADY_SETTLED"
	ReasonNoReply           = "NO_REPLY"
	ReasonTransactionEnded  = "TRANSACTION_ENDED"
	ReasonOperationHeld     = "OPERATION_HELD"
	ReasonAlreadyDue        = "ALREADY_DUE"
	ReasonStaleEpoch        = "STALE_EPOCH"
	ReasonPositionMismatch  = "POSITION_MISMATCH"
	ReasonDuplicateMismatch = "DUPLICATE_MISMATCH"
	ReasonDedupFull         = "DEDUP_FULL"
	ReasonSequenceGap       = "SEQUENCE_GAP"
	ReasonNoMatch           = "NO_MATCH"
	ReasonTooManyMatches    = "TOO_MANY_MATCHES"
	ReasonLoop              = "LOOP"
	ReasonIntentNoEvidence  = "INTENT_NO_EVIDENCE"
	ReasonRegistryBehind    = "REGISTRY_BEHIND"
	ReasonNotPermitted      = "NOT_PERMITTED"
	ReasonNoCredential      = "NO_CREDENTIAL"
	ReasonWrongKey          = "WRONG_KEY"
	ReasonNotBuilt          = "NOT_BUILT"
	ReasonDiskFull          = "DISK_FULL"
	ReasonDataDamaged       = "DATA_DAMAGED"
	ReasonDataInUse         = "DATA_IN_USE"
	ReasonDataForeign       = "DATA_FOREIGN"
	ReasonReadOnly          = "READ_ONLY"
	ReasonShuttingDown      = "SHUTTING_DOWN"
	ReasonOverloaded        = "OVERLOADED"
	ReasonPortInUse         = "PORT_IN_USE"
	ReasonInsecureBind      = "INSECURE_BIND"
	ReasonSpaceMismatch     = "SPACE_MISMATCH"
	ReasonEngineUnavailable = "ENGINE_UNAVAILABLE"
	ReasonCapabilityMissing = "CAPABILITY_MISSING"
	ReasonInternal          = "INTERNAL"
)

// Error is the one error type that crosses package borders. Every fault of a caller names the field, the limit and the
// offending value, and says what to do. Wrap it once with %w; read it back with errors.As or [AsError].
type Error struct {
	Code       Code          // gRPC's class
	Reason     string        // stable, upper case: one of the Reason constants
	Field      string        // the request field at fault, a proto path such as "messages[3].text"; empty if none
	Limit      string        // the bound that was broken, with its unit ("4194304 bytes"); empty if none
	Value      string        // what was given instead, shortened to 120 bytes
	Fix        string        // one sentence: what the caller can do
	Op         string        // the operation that failed ("bus.Publish")
	RetryAfter time.Duration // for CodeResourceExhausted and CodeUnavailable: when to come back; 0 = unknown
	Err        error         // the cause; never sent to a client
}

// Error joins what is known into one line: op, code, reason, field, value, limit, fix, cause.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(e.Message())
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Message is the part of the error that may be shown to a client: everything but Op and the cause.
func (e *Error) Message() string {
	var b strings.Builder
	b.WriteString(e.Code.String())
	if e.Reason != "" && e.Reason != e.Code.String() {
		b.WriteString(" " + e.Reason)
	}
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	if e.Value != "" {
		b.WriteString(" is " + e.Value)
	}
	if e.Limit != "" {
		b.WriteString(", limit " + e.Limit)
	}
	if e.Fix != "" {
		b.WriteString("; " + e.Fix)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError finds the *Error in err's chain; ok is false for an unclassified error.
func AsError(err error) (e *Error, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}

// CodeOf is the code of the *Error in err's chain: CodeOK for nil, CodeInternal for an unclassified error.
func CodeOf(err error) Code {
	if err == nil {
		return CodeOK
	}
	if e, ok := AsError(err); ok {
		return e.Code
	}
	return CodeInternal
}

// ReasonOf is the reason of the *Error in err's chain, or "".
func ReasonOf(err error) string {
	if e, ok := AsError(err); ok {
		return e.Reason
	}
	return ""
}

// Shorten cuts s to at most 120 bytes on a rune border for use as [Error.Value].
func Shorten(s string) string {
	const limit = 120
	if len(s) <= limit {
		return s
	}
	cut := 0
	for i := range s {
		if i > limit-3 {
			break
		}
		cut = i
	}
	return s[:cut] + "…"
}
