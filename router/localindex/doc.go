// Package localindex is the router's vector index inside the process: an exact scan.
//
// Each vector is kept twice, as float32 and as int8 with a scale of its own. A search scans the int8 rows with integer
// arithmetic, bounds the error of every approximate score, and computes the float32 dot product of the entries that can be
// in the answer, given their bounds. So the answer is the one of a float32 scan, bit for bit, at about a fifth of its cost.
// The last component of a vector, where the router keeps a bias, stays out of the int8 row: its size does not spoil the
// scale of the rest.
//
//	idx := localindex.New()
//	err := idx.Update(ctx, partition, version, entries, deletedIDs)
//	hits, err := idx.Search(ctx, partition, queries, hits)
//
// Guarantees: a search reads one immutable state and never waits for an update; an update copies what it changes, not the
// partition; the AVX2 kernels and the portable ones give the same bits, so every machine gives the same answer.
package localindex
