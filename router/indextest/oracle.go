package indextest

import (
	"math"
	"slices"

	"github.com/semabus/semabus/router/driver"
)

func sqrt(x float64) float64 { return math.Sqrt(x) }

// minusInf takes every entry.
var minusInf = float32(math.Inf(-1))

// dot is the dot product and how far a float32 one may be from it.
func dot(a, b []float32) (value, off float64) {
	sum := 0.0
	for i := range a {
		p := float64(a[i]) * float64(b[i])
		value += p
		sum += math.Abs(p)
	}
	return value, float64(len(a)+2)*0x1p-24*sum + 1e-35
}

// wantExact holds the hits of a query against a scan of entries.
func (r *rig) wantExact(what string, entries map[uint64][]float32, q driver.Query, hits []driver.Hit) {
	r.t.Helper()
	if len(hits) > q.Max {
		r.t.Fatalf("%s: %d hits, Max is %d", what, len(hits), q.Max)
	}
	last := math.Inf(1) // lowest score that is certainly in the answer, once it is full
	seen := map[uint64]bool{}
	for i, h := range hits {
		v, known := entries[h.ID]
		if !known || seen[h.ID] {
			r.t.Fatalf("%s: hit %d, id %d: known %v, found before %v", what, i, h.ID, known, seen[h.ID])
		}
		seen[h.ID] = true
		value, off := dot(q.Vector, v)
		if math.Abs(float64(h.Score)-value) > off {
			r.t.Errorf("%s: id %d scores %g, want %g ± %g", what, h.ID, h.Score, value, off)
		}
		if !(h.Score >= q.MinScore) {
			r.t.Errorf("%s: id %d scores %g, under %g", what, h.ID, h.Score, q.MinScore)
		}
		if i > 0 && !before(hits[i-1], h) {
			r.t.Errorf("%s: %v stands before %v", what, hits[i-1], h)
		}
		last = float64(h.Score)
	}
	for id, v := range entries {
		if seen[id] {
			continue
		}
		value, off := dot(q.Vector, v)
		if surely := value - off; surely >= float64(q.MinScore) && (len(hits) < q.Max || surely > last) {
			r.t.Errorf("%s: id %d scores %g and is missing (%d hits, the last of %g)", what, id, value, len(hits), last)
		}
	}
}

// before is the order of hits.
func before(a, b driver.Hit) bool { return a.Score > b.Score || a.Score == b.Score && a.ID < b.ID }

// entriesOf is a map as a list, in order of id.
func entriesOf(m map[uint64][]float32) []driver.Entry {
	out := make([]driver.Entry, 0, len(m))
	for id, v := range m {
		out = append(out, driver.Entry{ID: id, Vector: v})
	}
	slices.SortFunc(out, func(a, b driver.Entry) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out
}
