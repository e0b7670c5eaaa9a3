// Package operation is `semabus operation`: effects outside the bus that were reserved, and what an operator does about those
// that are in doubt.
package operation
