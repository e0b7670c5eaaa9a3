// Package driver is the seam between the portable blob store and where the bytes lie. Its suite is package blobtest.
package driver

import (
	"context"
	"io"
	"time"
)

// Driver keeps immutable contents by their SHA-256, tenant first. It is safe for concurrent use and never retries. The
// portable type has hashed and bounded the content.
type Driver interface {
	// Put stores size bytes from r under the hash durably before it returns; an existing blob is kept and touched. It
	// fails with INVALID_ARGUMENT when the content read does not have that hash or size, and then stores nothing.
	Put(ctx context.Context, tenant, hash string, size int64, r io.Reader) error
	// Open reads a blob from an offset; NOT_FOUND where there is none, DATA_LOSS where it is damaged.
	Open(ctx context.Context, tenant, hash string, offset int64) (r io.ReadCloser, size int64, err error)
	// List returns blobs of a tenant in hash order after a hash, at most max.
	List(ctx context.Context, tenant, after string, max int) ([]Info, error)
	// Delete removes blobs that were not touched since before; unknown ones are ignored.
	Delete(ctx context.Context, tenant string, before time.Time, hashes []string) (deleted int, err error)
}

// Info describes a blob.
type Info struct {
	Hash    string // lower-case hex SHA-256
	Size    int64
	Touched time.Time
}
