package embed

import (
	"context"
	"errors"
	"strconv"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed/driver"
)

func errUTF8(op, field, text string) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidUTF8, Op: op, Field: field,
		Value: strconv.QuoteToASCII(semabus.Shorten(text)), Fix: "send valid UTF-8",
	}
}

func errNoModel(op string) error {
	return &semabus.Error{
		Code: semabus.CodeUnimplemented, Reason: semabus.ReasonCapabilityMissing, Op: op, Field: "driver",
		Fix: "choose an embedder with at least one tier",
	}
}

// errDriver classifies what a driver said: the context's end by its cause, a typed error as it is, the rest as an engine
// that does not answer.
func errDriver(op string, err error) error {
	e := &semabus.Error{Op: op, Err: err}
	switch {
	case errors.Is(err, context.Canceled):
		e.Code, e.Reason, e.Fix = semabus.CodeCanceled, "CANCELLED", "the caller went away; repeat the call"
	case errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Reason, e.Fix = semabus.CodeDeadlineExceeded, "DEADLINE_EXCEEDED", "repeat with a longer deadline"
	default:
		if _, ok := semabus.AsError(err); ok {
			return err
		}
		e.Code, e.Reason, e.Field = semabus.CodeUnavailable, semabus.ReasonEngineUnavailable, "driver"
		e.Fix = "repeat; if it stays, look at the embedding server"
	}
	return e
}

// errAnswer says that a driver broke its contract.
func errAnswer(op string, t *driver.Tier, err error) error {
	return &semabus.Error{
		Code: semabus.CodeInternal, Reason: semabus.ReasonInternal, Op: op, Field: "driver", Value: semabus.Shorten(t.Name),
		Fix: "report it", Err: err,
	}
}
