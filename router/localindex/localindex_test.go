package localindex_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/semabus/semabus/router/driver"
	"github.com/semabus/semabus/router/indextest"
	"github.com/semabus/semabus/router/localindex"
)

var home = driver.Partition{Tenant: "t", Space: "s"}

func TestConformance(t *testing.T) {
	t.Parallel()
	indextest.Run(t, indextest.Harness{Open: func(*testing.T) driver.Driver { return localindex.New() }})
}

// unit is a random vector of unit length with a bias behind it.
func unit(rnd *rand.Rand, dim int) []float32 {
	v := make([]float32, dim)
	var sum float64
	for i := range dim - 1 {
		x := rnd.NormFloat64()
		v[i], sum = float32(x), sum+x*x
	}
	for i := range dim - 1 {
		v[i] /= float32(math.Sqrt(sum))
	}
	v[dim-1] = float32(rnd.NormFloat64())
	return v
}

func update(t testing.TB, x *localindex.Index, version uint64, puts []driver.Entry, deletes ...uint64) {
	t.Helper()
	if err := x.Update(context.Background(), home, version, puts, deletes); err != nil {
		t.Fatal(err)
	}
}

// TestSearchEqualsFloatScan is exact, bit for bit: the answer is what a float32 scan finds.
func TestSearchEqualsFloatScan(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, dim := range []int{1, 2, 17, 33, 128, 256, 257, 640} {
		for _, spread := range []float32{1, 1e-3, 1e-6} { // how far the entries are from one of them
			centre := unit(rnd, dim)
			var puts []driver.Entry
			for id := range uint64(1500) {
				v := unit(rnd, dim)
				for i := range v {
					v[i] = centre[i] + (v[i]-centre[i])*spread
				}
				puts = append(puts, driver.Entry{ID: id, Vector: v})
			}
			x := localindex.New()
			update(t, x, 1, puts)
			for _, q := range []driver.Query{
				{Vector: centre, MinScore: 0.25, Max: 64}, {Vector: unit(rnd, dim), MinScore: float32(math.Inf(-1)), Max: 7},
				{Vector: unit(rnd, dim), MinScore: localindex.DotPortable(centre, puts[3].Vector), Max: 100000},
			} {
				var want []driver.Hit
				for _, e := range puts {
					if s := localindex.DotPortable(q.Vector, e.Vector); s >= q.MinScore {
						want = append(want, driver.Hit{ID: e.ID, Score: s})
					}
				}
				slices.SortStableFunc(want, func(a, b driver.Hit) int {
					switch {
					case a.Score > b.Score:
						return -1
					case a.Score < b.Score:
						return 1
					}
					return 0
				})
				want = want[:min(len(want), q.Max)]
				got, err := x.Search(t.Context(), home, []driver.Query{q}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got[0], equateEmpty()); diff != "" {
					t.Fatalf("dim %d, spread %g, max %d (-want +got):\n%s", dim, spread, q.Max, diff)
				}
			}
		}
	}
}

func equateEmpty() cmp.Option {
	return cmp.FilterValues(func(a, b []driver.Hit) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())
}

// TestCompaction replaces entries one by one, ten times over: dead rows must not pile up.
func TestCompaction(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 8))
	x := localindex.New()
	const entries = 5000
	version := uint64(0)
	for range 10 {
		for id := range uint64(entries) {
			version++
			update(t, x, version, []driver.Entry{{ID: id, Vector: []float32{rnd.Float32(), float32(version)}}})
		}
	}
	chunks, rows := x.Chunks(home)
	if rows > 3*entries || chunks > 3*entries/localindex.ChunkRows+12 {
		t.Errorf("%d entries take %d chunks of %d rows", entries, chunks, rows)
	}
	update(t, x, version+1, nil, func() (all []uint64) {
		for id := range uint64(entries) {
			all = append(all, id)
		}
		return all
	}()...)
	if chunks, rows = x.Chunks(home); chunks != 0 {
		t.Errorf("an empty partition keeps %d chunks of %d rows", chunks, rows)
	}
}

// TestUpdateCopiesNoVectors: one change among many entries allocates by the change, not by the entries.
func TestUpdateCopiesNoVectors(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	x := localindex.New()
	var puts []driver.Entry
	for id := range uint64(20000) {
		puts = append(puts, driver.Entry{ID: id, Vector: []float32{rnd.Float32(), 1}})
	}
	update(t, x, 1, puts)
	version := uint64(1)
	allocations := testing.AllocsPerRun(200, func() {
		version++
		update(t, x, version, []driver.Entry{{ID: version * 31 % 20000, Vector: []float32{1, 1}}})
	})
	if allocations > 12 {
		t.Errorf("%g allocations for one change", allocations)
	}
}

func TestSearchAllocatesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	x := localindex.New()
	var puts []driver.Entry
	for id := range uint64(500) {
		puts = append(puts, driver.Entry{ID: id, Vector: unit(rnd, 64)})
	}
	update(t, x, 1, puts)
	queries := []driver.Query{{Vector: unit(rnd, 64), MinScore: 0, Max: 64}}
	hits, err := x.Search(t.Context(), home, queries, nil)
	if err != nil {
		t.Fatal(err)
	}
	allocations := testing.AllocsPerRun(100, func() { hits, _ = x.Search(context.Background(), home, queries, hits) })
	if allocations > 0.5 && !raceEnabled { // the race detector has pools forget
		t.Errorf("%g allocations a search", allocations)
	}
}
