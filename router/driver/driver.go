// Package driver is the seam between the router and its vector index. Its suite is package indextest.
//
// An index holds, for each (tenant, space), one vector an entry. The score of an entry is the dot product of its vector
// with the query. Scale, bias and threshold are folded in by the router (a query carries a trailing 1), so the index knows
// nothing of them.
package driver

import "context"

// Driver is one index. It is safe for concurrent use; a Search never waits for an Update and sees each Update wholly or
// not at all. It never retries.
type Driver interface {
	// Update puts and deletes entries of one partition atomically; an id both deleted and put is put, an unknown one to delete
	// is no error. Version is the registry version this makes true; an Update at or below the partition's version is ignored.
	// Slices belong to the caller again when it returns. After an error nothing has changed.
	Update(ctx context.Context, p Partition, version uint64, puts []Entry, deletes []uint64) error
	// Search returns, for each query, every entry with score ≥ MinScore, best first, cut at Max (ties by id, smaller
	// first). Scores are exact float32 dot products, up to the order of additions (rescored where the scan was approximate).
	// hits has one list a query, empty ones for an unknown partition, and reuses dst's capacity.
	Search(ctx context.Context, p Partition, queries []Query, dst [][]Hit) (hits [][]Hit, err error)
	// Drop forgets a partition. Unknown = nil.
	Drop(ctx context.Context, p Partition) error
	// Version is the newest version applied to the partition, 0 for an unknown one, and its number of entries.
	Version(ctx context.Context, p Partition) (version uint64, entries int, err error)
}

// Partition names what is searched together.
type Partition struct{ Tenant, Space string }

// Entry is one indexed vector. All vectors of a partition have one length, queries too, until it is dropped; another length
// is INVALID_ARGUMENT, and so is a component that is not a finite number.
type Entry struct {
	ID     uint64
	Vector []float32
}

// Query is one search.
type Query struct {
	Vector   []float32
	MinScore float32 // -Inf = every entry; NaN is INVALID_ARGUMENT
	Max      int     // ≥ 1, otherwise INVALID_ARGUMENT
}

// Hit is one found entry.
type Hit struct {
	ID    uint64
	Score float32
}
