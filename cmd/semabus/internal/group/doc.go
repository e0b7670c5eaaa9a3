// Package group is `semabus group`: how a consumer group works, and how much waits for it.
//
// Guarantees: configure changes only what is given; a faulty file configures nothing.
package group
