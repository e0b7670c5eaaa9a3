package aged_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

func hashes(rnd *rand.Rand, n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = rnd.Uint64()
	}
	slices.Sort(out)
	return out
}

// The index finds every entry at its rank and takes few others for its own, also when fewer entries came than expected.
func TestIndex(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	others := hashes(rnd, 200_000)
	for _, n := range []int{1, 2, 15, 16, 17, 1000, 1024, 50_000} {
		for _, expected := range []int{n, n + n/3, 2 * n, 5 * n, 100 * n} {
			own := hashes(rnd, n)
			found, taken, data, buckets, blocks := aged.BuildIndex(expected, own, others)
			if found != n {
				t.Fatalf("of %d entries, %d expected, the index finds %d", n, expected, found)
			}
			// 16 in 2^16, and as much again for chance.
			if limit := len(others) * 16 / 65536; taken > 2*limit {
				t.Errorf("with %d entries, %d expected, it takes %d of %d others for its own", n, expected, taken, len(others))
			}
			if perKey := float64(len(data)) / float64(n); n >= 1000 && perKey > 4.5 { // 12 bytes a block of 10 are 1.2 of them
				t.Errorf("with %d entries, %d expected, it has %.1f bytes a key", n, expected, perKey)
			}
			if ok, sound := aged.DecodeIndex(data, uint32(n), blocks, buckets, uint64(100*blocks), own...); !ok || !sound {
				t.Errorf("with %d entries, %d expected, the index is decoded: %v, with true places: %v", n, expected, ok, sound)
			}
		}
	}
}

// Hashes at both limits, and many equal ones.
func TestIndexOfEqualHashes(t *testing.T) {
	t.Parallel()
	own := []uint64{0, 0, 0}
	for range 100 {
		own = append(own, 1<<63)
	}
	own = append(own, math.MaxUint64, math.MaxUint64)
	if found, taken, _, _, _ := aged.BuildIndex(len(own), own, []uint64{1 << 62, 3 << 62}); found != len(own) || taken != 0 {
		t.Errorf("found %d of %d, and %d others", found, len(own), taken)
	}
}

// SipHash-1-3 as CPython 3.11 computes it with PYTHONHASHSEED=0, of the bytes 0, 1, 2 …
func TestHash(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]uint64{
		1: 0x68a914128e01e473, 7: 0x2f098ab0c751325a, 8: 0xead411e67ebe2eea, 9: 0x75927f9d95124362,
		15: 0xf30eb725bb91c9ea, 16: 0x8972188433a5c5b7, 40: 0x95bc321ab41d8206,
	} {
		key := make([]byte, n)
		for i := range key {
			key[i] = byte(i)
		}
		if got := aged.Sum([16]byte{}, key); got != want {
			t.Errorf("the hash of %d bytes is %#x, want %#x", n, got, want)
		}
		if aged.Sum([16]byte{1}, key) == want || aged.Sum([16]byte{15: 1}, key) == want {
			t.Errorf("the hash of %d bytes does not depend on the id", n)
		}
	}
}

// The estimate of what has ended is exact at both limits and near between, whatever the distribution.
func TestEnds(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	for name, draw := range map[string]func() int64{
		"even":   func() int64 { return rnd.Int64N(1000) },
		"few":    func() int64 { return 100 * rnd.Int64N(3) },
		"skewed": func() int64 { return int64(math.Exp(7 * rnd.Float64())) },
		"limits": func() int64 { return []int64{math.MinInt64, 0, math.MaxInt64 - 1}[rnd.IntN(3)] },
	} {
		for _, n := range []int{1, 2, 3, 10, 100, 5000, 100_000} {
			ends := make([]int64, n)
			for i := range ends {
				ends[i] = draw()
			}
			smallest, largest := slices.Min(ends), slices.Max(ends)
			for _, now := range []int64{smallest, 1, 100, 150, 500, largest} {
				dead := 0
				for _, e := range ends {
					if e <= now {
						dead++
					}
				}
				got, want := aged.Ended(ends, now), float64(dead)/float64(n)
				if math.Abs(got-want) > 0.05+1.5/float64(n) || (got == 1) != (want == 1) || (got == 0) != (want == 0) {
					t.Errorf("%s, %d ends: at %d it estimates %.3f, %.3f have ended", name, n, now, got, want)
				}
			}
		}
	}
}
