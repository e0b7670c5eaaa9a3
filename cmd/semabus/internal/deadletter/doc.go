// Package deadletter is `semabus deadletter`: what failed for good, why, and another try.
//
// Guarantees: list and get change nothing; redrive moves each letter as a whole, can be interrupted at any point, and goes on with
// what is left when it is run again.
package deadletter
