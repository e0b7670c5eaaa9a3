// Package localbroker is the embedded engine behind broker/driver: durable queues, leases, logs, counters and dedup marks in
// one folder, on an append-only log, with nothing but the standard library and golang.org/x/sys.
//
// # The main path
//
//	Commit ─► queue ─► one leader takes everything that waits (commit.go)
//	    plan    batch → every check, on the state that the batches before it leave          (plan.go)
//	    stage   its record → frame and index: objects exist for later checks, unseen        (record.go, stage.go)
//	    write   all records of the group in one frame, one write, one fdatasync             (journal.go)
//	    reveal  readers see the group; results go back; the next waiter leads               (stage.go)
//	Lease ─► the group's queue, in memory; bodies from the newest frames or by pread        (lease.go, group.go, queue.go, cache.go)
//	Open ─► checkpoint + replay of the frames behind it, by the same stage and reveal       (recover.go, checkpoint.go)
//
// There is one writer at a time, the leader: whichever caller found nobody leading, or was handed the lead by the one
// before. The engine starts no goroutine; Commit and Lease work without Run, which drops what is past its retention and
// writes checkpoints, so that a restart has little to replay and segments can go.
//
// # Guarantees
//
//   - What Commit reports as applied is on disk: it survives kill -9 and power loss. Options.Relaxed gives that up, and
//     Caps says so.
//   - A frame is a whole group. A crash tears at most the last one, which nobody was told about; it is cut, or where it is
//     whole replayed and made durable before anything follows. Any other bad byte stops Open with DATA_DAMAGED that names
//     file and offset.
//   - After a failed write or sync the engine never writes again: every Commit and Lease answers UNAVAILABLE, Find and Read
//     go on with what is known to be durable. A full disk is found before anything is written, and passes.
//   - A lease sequence is (epoch, the delivery's own counter). The epoch is written and synced by each Open, so it rises
//     without a sync a grant and never restarts; tokens of an earlier life are stale and their deliveries due again.
//   - A lease ends with its term: a token is good only while its lease runs and is the newest of the delivery.
//   - Commit times are max(wall clock, last + 1 ns), also across restarts.
//
// # Files
//
// META (format, cluster, log id, token key), LOCK, NNN.seg (frames), CHECKPOINT, and at most two NNN.spare: files of dropped
// segments that become the next ones. A segment is dropped once a checkpoint stands behind it that names no message and no
// event in it, and nobody reads there any more. A checkpoint is taken a piece at a time, beside commits (checkpoint.go,
// replay.go). Where less than half of a segment lives, the cleaner moves what does to the end of the log (clean.go, move.go).
// Log events are kept until a Trim forgets them.
//
// # Memory
//
// A message in the index costs about 600 bytes. In a queue longer than 1,024 what waits behind is parked: some 90 bytes, and
// read back from the log when its turn comes (park.go, whole.go). Values are never held but in the newest frames (cache.go).
//
// # Known limits
//
// A grant is not written, so a delivery with a TTL that was leased, never settled, and whose node stayed down beyond the TTL
// comes back as expired instead of due. Marks with their values, and the index of messages and events, are held in memory.
package localbroker
