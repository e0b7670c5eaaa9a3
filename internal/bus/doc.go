// Package bus is the main path of semabus, the same on every engine: it collects what embed, router, flow and the broker
// contribute and turns each call into one commit. It has no format and no backend of its own; what it keeps in memory are
// cursors into the broker's registry logs and the leases of open subscriptions.
//
// Main path:
//
//	Publish ─► stamp ─► embed ─► router.Decide ─► broker.Commit {message, deliveries, marks, decision} ─► receipts
//	Subscribe/Fetch ─► flow.Acquire ─► broker.Lease ─► consumer
//	Settle(lease, outcome, outputs) ─► router.Decide(outputs) ─► broker.Commit {settle + all of it}
//
// Guarantees: an acknowledged publish is decided and durable; a settlement and its outputs are one commit; the id of an
// output derives from the operation's id, so a repeated call makes the same ids; nothing of one tenant reaches another;
// no message causes itself without end (hops and the root's budget come from the lease, never from the client).
package bus
