// Package demo is `semabus demo`: the bus shown at work on the help desk of examples/helpdesk, with real processes.
//
//	start a node (`serve`) and one process for each agent → act 1: customers' messages reach the right agents
//	→ act 2: kill -9 of an agent in the middle of a job → act 3: kill -9 of the node → act 4: why, and why not → act 5: a transaction
//	→ on a terminal: a prompt; otherwise: a summary, exit code 1 if a claim did not hold
//
// Everything that is claimed is counted from effects: an agent ends each delivery with an output to the ledger group in the
// same commit, and the demo reads that group like any subscriber. Guarantees: no result is written beforehand; every
// child is ended and the temporary folder removed on every way out, Ctrl-C included.
package demo
