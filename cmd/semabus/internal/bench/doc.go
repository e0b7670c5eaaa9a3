// Package bench is `semabus bench`: it loads a node with messages in plain words and measures what publishers and consumers
// see of it.
//
//	start a node, or use the one at --addr → register intents for the groups, wait for the last refit
//	→ consumers subscribe and settle; publishers send → warm-up → measure for --seconds → stop, drain, count what is missing
//	→ delete the intents → Result
//
// Guarantees: every message is routed by its meaning and differs from every other, so that no cache can answer for it;
// a publish counts when it is acknowledged, which means decided and fsynced; nothing of the warm-up is counted; a delivery
// that does not come is an error. Publishers with a window of 1 share one client, as the goroutines of an application do,
// and each waits for its own ack before it sends again; with a larger window each has a numbered stream of its own.
package bench
