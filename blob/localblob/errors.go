package localblob

import (
	"errors"
	"fmt"
	"syscall"

	semabus "github.com/semabus/semabus"
)

func errInvalid(field, value, fix string) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: field, Value: semabus.Shorten(value), Fix: fix,
	}
}

func errNotFound(hash string) error {
	return &semabus.Error{
		Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Field: "sha256", Value: semabus.Shorten(hash),
		Fix: "upload it; unreferenced blobs are kept for an hour by default",
	}
}

func errOffset(offset, size int64) error {
	return &semabus.Error{
		Code: semabus.CodeOutOfRange, Reason: semabus.ReasonInvalidValue, Field: "offset", Value: fmt.Sprintf("%d", offset),
		Limit: fmt.Sprintf("%d bytes", size), Fix: "begin inside the blob",
	}
}

func errDamaged(hash string, offset int64, what string) error {
	return &semabus.Error{
		Code: semabus.CodeDataLoss, Reason: semabus.ReasonDataDamaged, Field: "sha256",
		Value: fmt.Sprintf("%s at offset %d", hash, offset), Fix: "upload the content again, which mends it, or restore a backup",
		Err: errors.New(what),
	}
}

// errDisk is the answer to an operation of the file system that failed.
func errDisk(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &semabus.Error{
			Code: semabus.CodeResourceExhausted, Reason: semabus.ReasonDiskFull, Field: "blob folder", Fix: "free disk space", Err: err,
		}
	}
	return &semabus.Error{
		Code: semabus.CodeUnavailable, Reason: semabus.ReasonReadOnly, Field: "blob folder",
		Fix: "look at the disk and at the rights of the folder", Err: err,
	}
}

func errInUse(dir string, err error) error {
	return &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonDataInUse, Op: "localblob.Open", Field: "blob folder",
		Value: semabus.Shorten(dir), Fix: "stop the other node, or give this one its own folder", Err: err,
	}
}

func errClosed() error {
	return &semabus.Error{
		Code: semabus.CodeUnavailable, Reason: semabus.ReasonShuttingDown, Field: "blobs", Fix: "the store was closed; connect again",
	}
}
