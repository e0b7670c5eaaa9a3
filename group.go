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
	Version        uint64        // set by the registry
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
	Paused      bool
}
