// Package figure measures what semabus promises for itself: latency at a rate, settlements, fan-out, memory.
//
//	f, err := figure.Measure(ctx, figure.Latency, options, env)   // a fresh node each round, medians over the rounds
//	f.WriteText(out); f.WriteJSON(out)
//	if !f.Held { … }                                               // a gate is not met
//
//	latency  publish → handler at a steady rate, over the intents, each message counted from when it was due
//	settle   one group with a backlog, 16 members: deliveries settled a second, from the first to the last
//	fanout   every message is for ten groups, by its meaning: deliveries settled a second while publishers publish
//	memory   what the node holds with a million live messages
//
// Guarantees: a delivery that does not come is an error, never a smaller figure; publishing is by the public client over
// loopback; the node is a process of its own and syncs before it acknowledges.
package figure
