package meter_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/semabus/semabus/bench/internal/meter"
)

// TestHistogram compares quantiles with those of the sorted values, over durations from nanoseconds to hours.
func TestHistogram(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	var all, part meter.Histogram
	var values []time.Duration
	for i := range 20_000 {
		d := time.Duration(1 << r.IntN(43))
		d += rand.N(d)
		values = append(values, d)
		if i%3 == 0 {
			part.Record(d)
		} else {
			all.Record(d)
		}
	}
	all.Add(&part)
	slices.Sort(values)
	if all.N() != uint64(len(values)) {
		t.Fatalf("%d counted, want %d", all.N(), len(values))
	}
	for _, q := range []float64{0, .1, .5, .9, .99, .9999, 1} {
		want := values[max(0, int(q*float64(len(values))+0.999999)-1)]
		got := all.Quantile(q)
		if got < want || float64(got) > float64(want)*1.008 {
			t.Errorf("quantile %v: %d ns, the sorted values say %d", q, got, want)
		}
	}
}

func TestHistogramEdges(t *testing.T) {
	t.Parallel()
	var h meter.Histogram
	if h.Quantile(.5) != 0 {
		t.Error("a quantile of nothing must be 0")
	}
	h.Record(-time.Second)
	if h.Quantile(1) != 0 {
		t.Error("a negative duration counts as 0")
	}
	const longest = time.Duration(1<<63 - 1)
	h.Record(longest)
	if got := h.Quantile(1); got != longest {
		t.Errorf("the longest duration came back as %d", got)
	}
}
