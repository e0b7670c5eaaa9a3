package bench

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	semabus "github.com/semabus/semabus"
)

// stretch is the measured time, in a clock that starts with the run. It is safe for concurrent use.
type stretch struct {
	clock       semabus.Clock
	start       time.Time
	from, until atomic.Int64 // both in the far future until they are known
}

func newStretch(clock semabus.Clock) *stretch {
	s := &stretch{clock: clock, start: clock.Now()}
	s.from.Store(math.MaxInt64)
	s.until.Store(math.MaxInt64)
	return s
}

// now is the time since the run's start.
func (s *stretch) now() time.Duration { return s.clock.Now().Sub(s.start) }

// open begins the measured time.
func (s *stretch) open() { s.from.Store(int64(s.now())) }

// close ends it.
func (s *stretch) close() { s.until.Store(int64(s.now())) }

// holds reports whether t lies in the measured time.
func (s *stretch) holds(t time.Duration) bool {
	return int64(t) >= s.from.Load() && int64(t) < s.until.Load()
}

// seconds is its length.
func (s *stretch) seconds() float64 {
	return time.Duration(s.until.Load() - s.from.Load()).Seconds()
}

// tally counts what happened to messages, some of it in the measured time. It is safe for concurrent use; each publisher and
// each group has its own, so that its lock is seldom waited for.
type tally struct {
	mu     sync.Mutex
	took   Histogram // of what was sent in the measured time
	inside uint64    // happened in the measured time
}

// happened counts one event of a message sent at the given time.
func (t *tally) happened(s *stretch, sent, at time.Duration) {
	in, count := s.holds(at), s.holds(sent)
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

// sum is all tallies together.
func sum(all []*tally) (took Histogram, inside uint64) {
	for _, t := range all {
		t.mu.Lock()
		took.Add(&t.took)
		inside += t.inside
		t.mu.Unlock()
	}
	return took, inside
}
