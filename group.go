package semabus

import "time"

// GroupConfig is what an operator sets for a consumer group. Zero values mean the stated default.
type GroupConfig struct {
	Name           string
	MaxConcurrency int           // leases held at once by all members; 0 = unlimited
	Lease          time.Duration // 0 = 30 s
	Grace          time.Duration // after a lost connection; 0 = 2 s
	MaxAttempts    int           // attempts before the dead-letter queue; 0 = 16
	RetryBase      time.Duration // 0 = 500 ms
	RetryCap       time.Duration // 0 = 5 min
	SessionOrder   bool          // deliver one session's messages one at a time, in order
	MaxDepth       int64         // waiting deliveries; 0 = unlimited
	Topics         []string      // exact or trailing wildcard: the group's deterministic subscriptions
	Ageing         time.Duration // a delivery competes as if it were so much older for each step of its priority; 0 = strict priority
	OnExpiry       ExpiryPolicy  // what becomes of a delivery that nobody leased before its TTL ran out
	Version        uint64        // set by the registry
}

// ExpiryPolicy says what becomes of a delivery whose TTL ran out.
type ExpiryPolicy uint8

// The policies.
const (
	ExpiryDeadLetter ExpiryPolicy = iota // to the dead-letter queue, with reason EXPIRED
	ExpiryDrop                           // it ends; Why still knows
)

var expiryNames = [...]string{"dead_letter", "drop"}

// String is the snake_case name of the policy.
func (p ExpiryPolicy) String() string {
	if int(p) < len(expiryNames) {
		return expiryNames[p]
	}
	return "unknown"
}

// GroupStats is a moment's view of a group.
type GroupStats struct {
	Group       string
	Ready       int64 // can be leased now
	Delayed     int64 // waiting for a due time
	Leased      int64
	Settled     int64 // since the node started
	DeadLetters int64
	Members     int
	OldestReady time.Duration // age of the oldest ready delivery
	Bytes       int64         // of messages and decisions that wait or are worked on, each counted for every group that has it
	Paused      bool
}
