package indextest

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/semabus/semabus/router/driver"
)

// Harness is what the suite needs to know of an index.
type Harness struct {
	Open func(t *testing.T) driver.Driver // a fresh, empty index; it is closed by t.Cleanup
}

// testCase is one sentence of the contract.
type testCase struct {
	name string
	run  func(r *rig)
}

// Run runs every case against a fresh index, in parallel.
func Run(t *testing.T, h Harness) {
	all := slices.Concat(updateCases(), searchCases(), exactCases(), errorCases(), concurrencyCases())
	var ran atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for _, c := range all {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				ran.Add(1)
				c.run(newRig(t, h))
			})
		}
	})
	if n := int(ran.Load()); n != len(all) && !filtered() {
		t.Errorf("%d cases ran, want %d", n, len(all))
	}
}

// filtered reports whether the command line picks single cases.
func filtered() bool {
	for _, name := range []string{"test.run", "test.skip"} {
		if f := flag.Lookup(name); f != nil && strings.Contains(f.Value.String(), "/") {
			return true
		}
	}
	return false
}

// home is the partition that cases use unless they need several.
var home = driver.Partition{Tenant: "tenant", Space: "space"}

// rig is one case's index.
type rig struct {
	t       *testing.T
	d       driver.Driver
	version uint64 // of the last update of home
	rnd     *rand.Rand
	rounds  int
}

func newRig(t *testing.T, h Harness) *rig {
	t.Helper()
	seed, rounds := rand.Uint64(), 60
	if v, err := strconv.ParseUint(os.Getenv("INDEXTEST_SEED"), 10, 64); err == nil {
		seed = v
	}
	if v, err := strconv.Atoi(os.Getenv("INDEXTEST_ROUNDS")); err == nil {
		rounds = v
	}
	t.Logf("replay with INDEXTEST_SEED=%d", seed)
	return &rig{t: t, d: h.Open(t), rnd: rand.New(rand.NewPCG(seed, 0)), rounds: rounds}
}

// update changes home under its next version.
func (r *rig) update(puts []driver.Entry, deletes ...uint64) {
	r.t.Helper()
	r.version++
	r.updateAt(home, r.version, puts, deletes...)
}

func (r *rig) updateAt(p driver.Partition, version uint64, puts []driver.Entry, deletes ...uint64) {
	r.t.Helper()
	if err := r.d.Update(r.t.Context(), p, version, puts, deletes); err != nil {
		r.t.Fatalf("Update(%v, %d): %v", p, version, err)
	}
}

// search is one query over home.
func (r *rig) search(q driver.Query) []driver.Hit {
	r.t.Helper()
	return r.searchIn(home, q)
}

func (r *rig) searchIn(p driver.Partition, q driver.Query) []driver.Hit {
	r.t.Helper()
	hits, err := r.d.Search(r.t.Context(), p, []driver.Query{q}, nil)
	if err != nil {
		r.t.Fatalf("Search(%v): %v", p, err)
	}
	if len(hits) != 1 {
		r.t.Fatalf("Search gave %d lists for one query", len(hits))
	}
	return hits[0]
}

// wantVersion holds version and number of entries of a partition against what they should be.
func (r *rig) wantVersion(p driver.Partition, version uint64, entries int) {
	r.t.Helper()
	v, n, err := r.d.Version(r.t.Context(), p)
	if err != nil || v != version || n != entries {
		r.t.Errorf("Version(%v) = %d, %d, %v; want %d, %d", p, v, n, err, version, entries)
	}
}

// wantIDs compares the ids of hits, in order.
func (r *rig) wantIDs(what string, hits []driver.Hit, want ...uint64) {
	r.t.Helper()
	got := make([]uint64, len(hits))
	for i, h := range hits {
		got[i] = h.ID
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("%s: found %v, want %v", what, got, want)
	}
}

// vector is a random vector of n components: a direction of unit length, and a bias of up to ±bias behind it.
func (r *rig) vector(n int, bias float64) []float32 {
	v := make([]float32, n)
	sum := 0.0
	for i := range n - 1 {
		x := r.rnd.NormFloat64()
		v[i] = float32(x)
		sum += x * x
	}
	for i := range n - 1 {
		v[i] /= float32(max(1e-9, sqrt(sum)))
	}
	v[n-1] = float32((2*r.rnd.Float64() - 1) * bias)
	return v
}
