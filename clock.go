package semabus

import "time"

// Clock is where every constructor takes the time from; only the composition root owns the real one. Implementations are
// safe for concurrent use.
type Clock interface {
	// Now is the wall clock. Differences of two readings of a real clock are monotonic.
	Now() time.Time
	// AfterFunc runs f in its own goroutine once d has passed and returns a function that stops it; stop reports whether
	// it came in time.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now implements [Clock].
func (SystemClock) Now() time.Time { return time.Now() }

// AfterFunc implements [Clock].
func (SystemClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(d, f).Stop
}
