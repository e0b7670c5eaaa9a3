package claim

import "time"

// For the tests.
var Unevenness = unevenness

// HandClock is a clock that is moved by hand.
type HandClock = handClock

// NewHandClock starts at a time.
func NewHandClock(now time.Time) *HandClock { return &handClock{now: now} }

// Set moves the clock.
func (c *handClock) Set(to time.Time) { c.set(to) }
