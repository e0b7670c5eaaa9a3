package bench_test

import (
	"fmt"
	"time"

	"github.com/semabus/semabus/cmd/semabus/internal/bench"
)

// A histogram of one's own a worker, added up at the end.
func ExampleHistogram() {
	var h, other bench.Histogram
	h.Record(100 * time.Nanosecond)
	h.Record(200 * time.Nanosecond)
	other.Record(250 * time.Nanosecond)
	h.Add(&other)
	fmt.Println(h.N(), h.Quantile(0.5), h.Quantile(0.99))
	// Output: 3 200ns 250ns
}
