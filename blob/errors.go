package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"syscall"

	semabus "github.com/semabus/semabus"
)

// hashDigits is the length of a hash: a SHA-256 in hex.
const hashDigits = 64

// faults collects every fault of one request.
type faults struct{ list []*semabus.Error }

func (f *faults) add(reason, field, limit, value, fix string) {
	f.list = append(f.list, &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: reason, Field: field, Limit: limit, Value: semabus.Shorten(value), Fix: fix,
	})
}

// tenant checks a tenant, see [semabus.CheckID]; backends never make a path of it all the same.
func (f *faults) tenant(s string) {
	if e := semabus.CheckID(s); e != nil {
		f.add(e.Reason, "tenant", e.Limit, e.Value, e.Fix)
	}
}

func (f *faults) hash(field, s string) {
	ok := len(s) == hashDigits
	for i := 0; ok && i < len(s); i++ {
		ok = '0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'f'
	}
	if !ok {
		f.add(semabus.ReasonInvalidValue, field, "64 lower-case hex digits", strconv.QuoteToASCII(semabus.Shorten(s)),
			"send the hash that the upload answered")
	}
}

// err is the first fault with the others as its cause, or nil.
func (f *faults) err(op string) error {
	if len(f.list) == 0 {
		return nil
	}
	e := f.list[0]
	e.Op = op
	rest := make([]error, 0, len(f.list)-1)
	for _, o := range f.list[1:] {
		rest = append(rest, o)
	}
	e.Err = errors.Join(rest...)
	return e
}

func errTooLarge(op string, limit int64) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonTooLarge, Op: op, Field: "data",
		Limit: fmt.Sprintf("%d bytes", limit), Fix: "split the content into several blobs",
	}
}

func errNotFound(op, field, hash string) error {
	return &semabus.Error{
		Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Op: op, Field: field, Value: hash,
		Fix: "upload it; unreferenced blobs are kept for an hour by default",
	}
}

// errRead is the fault of the reader that a caller handed in; a typed one is passed on.
func errRead(op string, err error) error {
	if _, ok := semabus.AsError(err); ok {
		return err
	}
	if e := errContext(op, err); e != nil {
		return e
	}
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: op, Field: "data",
		Fix: "the content could not be read to its end; send it again", Err: err,
	}
}

// errSpool is the fault of the folder for contents on their way in.
func errSpool(op string, err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return &semabus.Error{
			Code: semabus.CodeResourceExhausted, Reason: semabus.ReasonDiskFull, Op: op, Field: "spoolDir",
			Fix: "free disk space, or name another folder", Err: err,
		}
	}
	return &semabus.Error{
		Code: semabus.CodeUnavailable, Reason: semabus.ReasonReadOnly, Op: op, Field: "spoolDir",
		Fix: "name an existing folder that the node may write to", Err: err,
	}
}

// errDriver classifies what a driver said: the context's end, a typed error as it is, the rest as a backend that does not
// answer.
func errDriver(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := semabus.AsError(err); ok {
		if e.Op == "" {
			e.Op = op
		}
		return err
	}
	if e := errContext(op, err); e != nil {
		return e
	}
	return &semabus.Error{
		Code: semabus.CodeUnavailable, Reason: semabus.ReasonEngineUnavailable, Op: op, Field: "blobs",
		Fix: "repeat; if it stays, look at the blob backend", Err: err,
	}
}

// errContext is the typed form of a context's end, nil for another error.
func errContext(op string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return &semabus.Error{Code: semabus.CodeCanceled, Reason: "CANCELLED", Op: op, Fix: "the caller went away; repeat the call", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &semabus.Error{Code: semabus.CodeDeadlineExceeded, Reason: "DEADLINE_EXCEEDED", Op: op, Fix: "repeat with a longer deadline", Err: err}
	}
	return nil
}

func hexOf(sum []byte) string { return hex.EncodeToString(sum) }
