// Package driver is the seam between the portable blob store and where the bytes lie. Its suite is package blobtest.
package driver

import (
	"context"
	"io"
	"time"
)

// Driver keeps immutable contents by their SHA-256, tenant first. It is safe for concurrent use and never retries. The
// portable type has hashed and bounded the content; hashes are lower-case hex of 64 digits, tenants 1–256 bytes of UTF-8 that
// may look like a path. What a tenant stored exists for that tenant only.
type Driver interface {
	// Put stores size bytes from r under the hash durably before it returns; an existing blob is touched, and mended where
	// it was damaged. It fails with INVALID_ARGUMENT when the content read does not have that hash or size, and then stores
	// nothing. After another error the blob is as it was, or whole.
	Put(ctx context.Context, tenant, hash string, size int64, r io.Reader) error
	// Open reads a blob from an offset; NOT_FOUND where there is none, OUT_OF_RANGE where it ends before the offset,
	// DATA_LOSS where it is damaged. Damage that is found later is the reader's error: a byte that was handed out is right.
	// The context bounds the call, not the reading; a reader stays good when the blob is deleted meanwhile.
	Open(ctx context.Context, tenant, hash string, offset int64) (r io.ReadCloser, size int64, err error)
	// Stat describes blobs, in the order of the hashes; an Info without a hash stands for one that does not exist. It does
	// not look for damage.
	Stat(ctx context.Context, tenant string, hashes []string) ([]Info, error)
	// Touch sets the time of blobs to now, durably, and describes them as Stat does.
	Touch(ctx context.Context, tenant string, hashes []string) ([]Info, error)
	// List returns blobs of a tenant in hash order after a hash, at most limit; "" is before the first.
	List(ctx context.Context, tenant, after string, limit int) ([]Info, error)
	// Delete removes blobs whose last touch was earlier than before; unknown ones are ignored. A touch that comes first keeps
	// the blob, one that comes later does not find it.
	Delete(ctx context.Context, tenant string, before time.Time, hashes []string) (deleted int, err error)
}

// Info describes a blob.
type Info struct {
	Hash    string    // lower-case hex SHA-256
	Size    int64     // bytes
	Touched time.Time // last Put or Touch, by the driver's clock
}
