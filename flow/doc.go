// Package flow decides who consumes when: it folds the configuration of consumer groups, admits leases under a group's
// concurrency limit, and none while the group is paused.
//
// Main path: the bus appends a [Change] to the broker log [Log] and folds it with [Flow.Apply]; a subscriber passes
// [Flow.Enter], asks [Flow.Acquire] for room before it leases, reports what it got with [Flow.Hold], and [Flow.Release] gives
// the room back.
//
// Guarantees: configuration is visible when Apply returns; a group with MaxConcurrency n never holds more than n leases
// granted through this node; a lease that expired unseen gives its room back at its expiry; no caller is kept waiting
// while there is room; after a pause and [Flow.Quiet] nothing is leased through this node until the group is resumed.
// Everything is safe for concurrent use.
package flow
