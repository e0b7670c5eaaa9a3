package localbroker

import (
	"errors"
	"fmt"
	"syscall"

	semabus "github.com/semabus/semabus"
)

// reasonCounter names a failed Condition on a counter.
const reasonCounter = "COUNTER_EXCEEDED"

func errStale() error {
	return &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonStaleLease, Field: "token",
		Fix: "the lease ended or went to another member: drop the work, it comes again",
	}
}

func errSettled() error {
	return &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonAlreadySettled, Field: "token",
		Fix: "this lease has ended the delivery before: the first settlement counted",
	}
}

func errInvalid(field, value, fix string) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue,
		Field: field, Value: semabus.Shorten(value), Fix: fix,
	}
}

func errNotFound(field, value string) error {
	return &semabus.Error{
		Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Field: field, Value: semabus.Shorten(value),
		Fix: "it was never stored, or its retention is over",
	}
}

func errExists(id string) error {
	return &semabus.Error{
		Code: semabus.CodeAlreadyExists, Reason: semabus.ReasonExists, Field: "message.id", Value: semabus.Shorten(id),
		Fix: "give each message its own id, or repeat the request under its first op id",
	}
}

func errTooLarge(field string, limit, value int) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonTooLarge, Field: field,
		Limit: fmt.Sprintf("%d bytes", limit), Value: fmt.Sprintf("%d bytes", value), Fix: "send less at once",
	}
}

func errPosition(log string) error {
	return &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonPositionMismatch,
		Field: "condition.log", Value: semabus.Shorten(log), Fix: "read the log's newest events and try again",
	}
}

func errCounter(key string, value, limit int64) error {
	return &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: reasonCounter, Field: "condition.counter",
		Value: fmt.Sprintf("%s at %d", semabus.Shorten(key), value), Limit: fmt.Sprintf("%d", limit),
		Fix: "the counter has passed the condition's bound",
	}
}

func errDedupFull(limit int) error {
	return &semabus.Error{
		Code: semabus.CodeResourceExhausted, Reason: semabus.ReasonDedupFull, Field: "dedup.max",
		Limit: fmt.Sprintf("%d keys", limit), Fix: "wait until old keys leave the window, or raise dedup.max",
	}
}

func errLowDisk(free, need uint64) error {
	return &semabus.Error{
		Code: semabus.CodeResourceExhausted, Reason: semabus.ReasonDiskFull, Field: "data folder",
		Value: fmt.Sprintf("%d bytes free", free), Limit: fmt.Sprintf("%d bytes", need),
		Fix: "free disk space; settling goes on meanwhile",
	}
}

func errClosed() error {
	return &semabus.Error{
		Code: semabus.CodeUnavailable, Reason: semabus.ReasonShuttingDown, Fix: "the broker was closed; connect again",
	}
}

// errEngine is the answer of an engine that could not write: DISK_FULL where that was why, else READ_ONLY.
func errEngine(err error) error {
	reason, fix := semabus.ReasonReadOnly, "look at the disk and the node's log, then restart the node"
	if errors.Is(err, syscall.ENOSPC) {
		reason, fix = semabus.ReasonDiskFull, "free disk space, then restart the node if it stays read-only"
	}
	return &semabus.Error{Code: semabus.CodeUnavailable, Reason: reason, Field: "data folder", Fix: fix, Err: err}
}

func errDamaged(file string, offset int64, what string) error {
	return &semabus.Error{
		Code: semabus.CodeDataLoss, Reason: semabus.ReasonDataDamaged, Field: file,
		Value: fmt.Sprintf("offset %d", offset), Fix: "restore the data folder from a backup; nothing was changed",
		Err: errors.New(what),
	}
}

func errForeign(file, value, fix string) error {
	return &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonDataForeign, Field: file,
		Value: semabus.Shorten(value), Fix: fix,
	}
}

func errInUse(dir string, err error) error {
	return &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonDataInUse, Field: "data folder",
		Value: semabus.Shorten(dir), Fix: "stop the other node, or give this one its own folder", Err: err,
	}
}
