package claim

import (
	"slices"
	"sync"
	"time"

	semabus "github.com/semabus/semabus"
)

// handClock is a clock that is moved by hand. It is safe for concurrent use.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*handTimer
}

type handTimer struct {
	at time.Time
	f  func()
}

var _ semabus.Clock = (*handClock)(nil)

// Now implements semabus.Clock.
func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc implements semabus.Clock; f runs in the goroutine that moves the clock.
func (c *handClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &handTimer{c.now.Add(d), f}
	c.timers = append(c.timers, t)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.timers, t)
		if i >= 0 {
			c.timers = slices.Delete(c.timers, i, i+1)
		}
		return i >= 0
	}
}

// set moves the clock forward and runs what is due, in order.
func (c *handClock) set(to time.Time) {
	for {
		c.mu.Lock()
		var next *handTimer
		for _, t := range c.timers {
			if !t.at.After(to) && (next == nil || t.at.Before(next.at)) {
				next = t
			}
		}
		if next == nil {
			c.now = to
			c.mu.Unlock()
			return
		}
		c.timers = slices.DeleteFunc(c.timers, func(t *handTimer) bool { return t == next })
		c.now = next.at
		c.mu.Unlock()
		next.f()
	}
}
