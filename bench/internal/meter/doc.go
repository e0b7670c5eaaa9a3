// Package meter measures: durations in buckets, what happened inside a stretch of time, and how far rounds lie apart.
//
//	s := meter.NewStretch(clock)            // one run; times count from here
//	s.Open() … s.Close()                    // the measured part of it
//	tally.Happened(s, sent, s.Now())        // one event, from any goroutine
//	took, n := meter.Sum(tallies)           // n / s.Seconds() is a rate, took.Quantile(.99) a latency
//	meter.Of(rates).Median                  // of several rounds
//
// Guarantees: a quantile is at most 0.8 % too high and never too low; what happened outside the stretch is in no rate, and
// what was sent outside it in no latency.
package meter
