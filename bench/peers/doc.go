// Command peers measures semabus next to NATS JetStream and Redis Streams on this machine, and the figures that semabus
// promises for itself. The README of the module says what is measured and how it is fair.
//
//	go -C bench run ./peers --rounds 3 --seconds 5 --publishers 64 --window 1 --size 256 --intents 1000 --json
//	go -C bench run ./peers --measure latency
//
// The exit code is 1 below a gate (not with --no-gate), 2 for a bad flag, 3 when something could not be run.
package main
