// Package consume is `semabus subscribe`, which works for a group until it is stopped, and `semabus fetch`, which leases
// deliveries once.
//
// Guarantees: a delivery is printed before it is settled; subscribe reconnects by itself and lets what is under way finish
// when it is stopped; what a command of --exec answers is sent in the same commit as the end of the work.
package consume
