package meter_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
)

// Three rounds of a rate: what is told is the median, and how far they lie apart.
func Example() {
	rate := meter.Of([]float64{21_000, 17_500, 20_400})
	fmt.Printf("%.0f/s (%.0f … %.0f)\n", rate.Median, rate.Min, rate.Max)
	// Output: 20400/s (17500 … 21000)
}

func TestOf(t *testing.T) {
	t.Parallel()
	values := []float64{4, 1, 3, 2}
	if got := meter.Of(values); got != (meter.Spread{Median: 2.5, Min: 1, Max: 4}) {
		t.Errorf("of an even number: %+v", got)
	}
	if values[0] != 4 {
		t.Error("the caller's values were sorted")
	}
	if got := meter.Of([]float64{7}); got != (meter.Spread{Median: 7, Min: 7, Max: 7}) {
		t.Errorf("of one: %+v", got)
	}
	if got := meter.Of(nil); !math.IsNaN(got.Median) || !math.IsNaN(got.Min) || !math.IsNaN(got.Max) {
		t.Errorf("of none: %+v", got)
	}
}

func TestRounded(t *testing.T) {
	t.Parallel()
	if got := meter.Rounded(8.5714, 2); got != 8.57 {
		t.Errorf("%v", got)
	}
	if got := meter.Milliseconds(1_234_567 * time.Nanosecond); got != 1.235 {
		t.Errorf("%v ms", got)
	}
}

// TestStretch: what happened outside the measured time is in no rate, and what was sent outside it in no latency.
func TestStretch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := meter.NewStretch(semabus.SystemClock{})
		a, b := &meter.Tally{}, &meter.Tally{}
		time.Sleep(time.Second)
		a.Happened(s, s.Now(), s.Now()) // before
		early := s.Now()
		time.Sleep(time.Second)
		s.Open()
		time.Sleep(time.Second)
		a.Happened(s, early, s.Now()) // sent before, happened inside
		b.Happened(s, s.Now()-time.Second/2, s.Now())
		inside := s.Now()
		time.Sleep(time.Second)
		s.Close()
		time.Sleep(time.Second)
		b.Happened(s, inside, s.Now()) // sent inside, happened behind
		took, n := meter.Sum([]*meter.Tally{a, b})
		if n != 2 || s.Seconds() != 2 {
			t.Errorf("%d events in %v s, want 2 in 2", n, s.Seconds())
		}
		if took.N() != 2 || took.Quantile(0) < time.Second/2 || took.Quantile(1) < 2*time.Second {
			t.Errorf("%d latencies from %v to %v, want 0.5 s and 2 s", took.N(), took.Quantile(0), took.Quantile(1))
		}
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !meter.Wait(t.Context(), semabus.SystemClock{}, time.Hour) || time.Since(began) != time.Hour {
			t.Errorf("waited %v, want an hour", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if meter.Wait(ctx, semabus.SystemClock{}, time.Hour) || time.Since(began) != time.Hour+time.Minute {
			t.Errorf("waited %v: the context ended after a minute", time.Since(began)-time.Hour)
		}
	})
}

// TestSleep: it is never early; how late it is depends on the machine.
func TestSleep(t *testing.T) {
	t.Parallel()
	const d = 300 * time.Microsecond
	began := time.Now()
	if meter.Sleep(d); time.Since(began) < d {
		t.Errorf("slept %v of %v", time.Since(began), d)
	}
}
