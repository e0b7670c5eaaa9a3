package meter

import (
	"math/bits"
	"time"
)

// A value in [2^k, 2^(k+1)) falls into one of 128 buckets of equal width, so that a bucket's bounds differ by less than
// 0.8 %; values under 256 ns are exact. The idea is HdrHistogram's (Gil Tene, http://hdrhistogram.org).
const (
	bucketBits = 7
	buckets    = (64-bucketBits-1)<<bucketBits + 2<<bucketBits
)

// Histogram counts durations in buckets of less than 0.8 % width. It is for one goroutine; the zero value is empty.
type Histogram struct {
	counts [buckets]uint32
	n      uint64
}

// bucket is where ns ≥ 0 is counted.
func bucket(ns uint64) int {
	shift := max(0, bits.Len64(ns)-bucketBits-1)
	return shift<<bucketBits + int(ns>>shift)
}

// upper is the largest value of a bucket, in ns.
func upper(bucket int) uint64 {
	if bucket < 2<<bucketBits {
		return uint64(bucket)
	}
	shift := bucket>>bucketBits - 1
	return uint64(bucket-shift<<bucketBits+1)<<shift - 1
}

// Record counts one duration; a negative one counts as 0.
func (h *Histogram) Record(d time.Duration) {
	h.counts[bucket(uint64(max(0, d)))]++
	h.n++
}

// Add counts everything that o has counted.
func (h *Histogram) Add(o *Histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
}

// N is how many durations were counted.
func (h *Histogram) N() uint64 { return h.n }

// Quantile is the nearest-rank q-quantile, at most 0.8 % too high; 0 of nothing.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(q*float64(h.n) + 0.999999)
	rank = min(max(rank, 1), h.n)
	for i, c := range h.counts {
		if uint64(c) >= rank {
			return time.Duration(upper(i))
		}
		rank -= uint64(c)
	}
	return 0 // not reached: the counts add up to n
}
