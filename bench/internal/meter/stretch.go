package meter

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	semabus "github.com/semabus/semabus"
)

// Stretch is the measured part of a run, in a clock that starts with the run. It is safe for concurrent use.
type Stretch struct {
	clock       semabus.Clock
	start       time.Time
	from, until atomic.Int64 // both in the far future until they are known
}

// NewStretch starts the run's clock.
func NewStretch(clock semabus.Clock) *Stretch {
	s := &Stretch{clock: clock, start: clock.Now()}
	s.from.Store(math.MaxInt64)
	s.until.Store(math.MaxInt64)
	return s
}

// Now is the time since the run's start.
func (s *Stretch) Now() time.Duration { return s.clock.Now().Sub(s.start) }

// Open begins the measured time.
func (s *Stretch) Open() { s.from.Store(int64(s.Now())) }

// Close ends it.
func (s *Stretch) Close() { s.until.Store(int64(s.Now())) }

// Holds reports whether t lies in the measured time.
func (s *Stretch) Holds(t time.Duration) bool {
	return int64(t) >= s.from.Load() && int64(t) < s.until.Load()
}

// Seconds is its length.
func (s *Stretch) Seconds() float64 {
	return time.Duration(s.until.Load() - s.from.Load()).Seconds()
}

// Tally counts what happened to messages, some of it in the measured time. It is safe for concurrent use; each publisher and
// each consumer has its own, so that its lock is seldom waited for. The zero value is empty.
type Tally struct {
	mu     sync.Mutex
	took   Histogram // of what was sent in the measured time
	inside uint64    // happened in the measured time
}

// Happened counts one event of a message sent at the given time.
func (t *Tally) Happened(s *Stretch, sent, at time.Duration) {
	in, count := s.Holds(at), s.Holds(sent)
	if !in && !count {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if in {
		t.inside++
	}
	if count {
		t.took.Record(at - sent)
	}
}

// Sum is all tallies together: how long it took what was sent in the measured time, and how much happened in it.
func Sum(all []*Tally) (took *Histogram, inside uint64) {
	took = &Histogram{}
	for _, t := range all {
		t.mu.Lock()
		took.Add(&t.took)
		inside += t.inside
		t.mu.Unlock()
	}
	return took, inside
}

// Wait waits for d or the end of ctx; it reports whether d passed.
func Wait(ctx context.Context, clock semabus.Clock, d time.Duration) bool {
	over := make(chan struct{})
	stop := clock.AfterFunc(d, func() { close(over) })
	defer stop()
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}
