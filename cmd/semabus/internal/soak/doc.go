// Package soak is `semabus soak`: traffic for a node that is killed meanwhile, and a second process that counts afterwards.
//
//	soak         publish jobs by address, topic and plain words → consume → settle each with an output to the sink group
//	             → once nothing waits any more: write down what was acknowledged, on the bus and in a state file
//	soak verify  read ledger and sink → is there exactly one effect for every acknowledged job, in session order?
//	soak run     a node of its own, killed with SIGKILL under load and started again; then verify in a second process
//
// A job says who sent it and its place in that publisher's stream; lane and session follow from the place, so that verify
// needs no list of jobs. An effect is the output that settles a job, in the same commit; its op id is the lease's, never the
// job's, so that nothing but the broker's fence keeps a job from having two. The order of effects is that of their commits.
//
// Guarantees: what counts as acknowledged was acknowledged to the publisher, and is known outside the node as well (state
// file), so that a node which forgets a job together with the ledger's word of it is found out; verify changes nothing: it
// gives back what it reads and may be repeated.
package soak
