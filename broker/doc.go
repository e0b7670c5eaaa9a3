// Package broker is the portable broker: queues, leases, logs, counters and the one commit in which a message, its
// decision, its deliveries, the settlement of what caused it and the events about it become true together. It runs over any
// engine of broker/driver and owns what engines must not: validation, encoding, idempotence marks, retry policy, dead
// letters and error codes.
//
// Main path:
//
//	b, err := broker.New(engine, broker.Options{})
//	done, err := b.Commit(ctx, []*broker.Commit{{Tenant: "default", OpID: "op-1", Entries: []broker.Entry{{
//		Message: message, Decision: decision, Groups: []broker.Target{{Group: "refunds", Match: match}},
//	}}}})
//	work, err := b.Lease(ctx, broker.LeaseOptions{Tenant: "default", Group: "refunds", Member: "m1", Max: 10})
//	done, err = b.Commit(ctx, []*broker.Commit{{Tenant: "default", Settles: []broker.Settle{{
//		Token: work[0].Lease.Token, Outcome: semabus.SettleDone,
//	}}}})
//
// Guarantees, on every engine that passes package brokertest:
//
//   - A Commit is applied as a whole or not at all, and durable when it returns. A fault of the caller is a *semabus.Error
//     naming field, limit and value, found before anything is stored.
//   - Repeating a commit with the same op id, dedup key or producer sequence changes nothing and returns the first result;
//     with another body it is ALREADY_EXISTS/DUPLICATE_MISMATCH.
//   - A delivery is settled by its newest lease only.
//   - A failed delivery comes back with its id, priority, session and trace after a back-off with full jitter, or ends in
//     $dlq in the same commit that settles it, with the error of every attempt.
//
// The stored forms of message, match, decision and dead letter are tag-length-value with a version byte; unknown tags are
// skipped.
package broker
