package meter

import (
	"math"
	"slices"
	"time"
)

// Spread is what several rounds measured; NaN of none.
type Spread struct{ Median, Min, Max float64 }

// Of is the spread of some values. The median of an even number of them is the mean of the two in the middle.
func Of(values []float64) Spread {
	if len(values) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	v := slices.Sorted(slices.Values(values))
	return Spread{(v[(len(v)-1)/2] + v[len(v)/2]) / 2, v[0], v[len(v)-1]}
}

// Milliseconds is d in ms, to the microsecond.
func Milliseconds(d time.Duration) float64 { return Rounded(float64(d.Nanoseconds())/1e6, 3) }

// Rounded keeps the digits behind the point that mean something.
func Rounded(v float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}
