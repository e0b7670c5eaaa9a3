// Package claim tries what semabus claims of its architecture.
//
//	r, err := claim.Try(ctx, claim.Reconnect, options, env)
//	r.WriteText(out)
//	if !r.Held { … }
//
//	heartbeats  10,000 members that wait and send a heartbeat each 30 s: CPU time of the node, in real time
//	reconnect   the connection of a subscriber is cut and its port is away: how long until deliveries come again
//	backoff     the retry schedule of the real broker on the real engine, on a clock that is moved by hand
//	transactions  producers are killed between preparing a message and resolving it, against a SQLite ledger
//	tasks       100,000 tasks while the node is killed and stopped, connections stall, break and lose answers
//
// Guarantees: the node is the program that is shipped, in a process of its own, except for the schedule; every random choice
// comes from the seed, which is told; what a claim counts is counted outside the node.
package claim
