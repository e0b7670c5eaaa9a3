// Package eval is `semabus eval`: it measures routing on a data set, through the API of a running node and as the
// subscribers see it.
//
//	Load a set → plan what a protocol registers and publishes → register intents, wait for the last refit
//	→ Match every test message (ranking) → Publish it → fetch what each group received (delivered) → Result
//
// Guarantees: test messages choose nothing (examples, thresholds and samples come from train, valid and the seed); what
// is drawn by seed is the same on every machine; no data set is known by name, only by the fields of its rows; a share
// whose denominator is empty is null, never 0. A set's folder holds intents.jsonl and messages.jsonl or
// messages.jsonl.gz; [Row] and [Definition] name the fields that are read.
package eval
