// Package doctor is `semabus doctor`: it looks at what a node needs from its machine, and at a running node, and says of each
// whether it is ok, worth a look (warn) or in the way (fail).
//
// Guarantees: nothing is changed: what it writes to measure the disk is removed; each finding says what to do; exit code 1
// when anything fails.
package doctor
