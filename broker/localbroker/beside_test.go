package localbroker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

// TestCheckpointBesideCommits takes checkpoints, a few entries at a time, while everything that a commit can do is done, ids
// and log names are used again, and what is settled is forgotten at once. After a crash the state must be what it was, entry
// by entry.
func TestCheckpointBesideCommits(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		fs := newCrashFS()
		small := func(o *localbroker.Options) {
			o.SegmentBytes, o.CacheBytes, o.CheckpointBytes, o.KeepSettled = 8<<10, 1, 1<<40, time.Nanosecond
		}
		b := open(t, fs, small)
		var workers, keeper errgroup.Group
		ctx, cancel := context.WithCancel(t.Context())
		for w := range uint64(4) {
			workers.Go(func() error { return churn(ctx, b, rand.New(rand.NewPCG(seed, w))) })
		}
		keeper.Go(func() error {
			for ctx.Err() == nil {
				localbroker.House(b)
				if _, err := localbroker.Clean(b); err != nil {
					return err
				}
				if err := localbroker.Checkpoint(b); err != nil {
					return err
				}
			}
			return nil
		})
		err := workers.Wait()
		cancel()
		if kept := keeper.Wait(); err != nil || kept != nil {
			t.Fatal(err, kept)
		}
		before := localbroker.DumpState(b)
		localbroker.Verify(t, b)
		fs.crash(0, nil)
		_ = b.Close()
		b = open(t, fs, small)
		if diff := cmp.Diff(before, localbroker.DumpState(b)); diff != "" {
			t.Fatalf("seed %d: the restart is different:\n%s", seed, diff)
		}
		localbroker.Verify(t, b)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// churn does a bit of everything, on few names, and leaves no lease behind.
func churn(ctx context.Context, b *localbroker.Broker, rnd *rand.Rand) error {
	pick := func(prefix string, n int) string { return fmt.Sprint(prefix, rnd.IntN(n)) }
	for i := range 400 {
		id := pick("m", 30)
		batch := &driver.Batch{Tenant: pick("t", 2)}
		switch rnd.IntN(6) {
		case 0:
			batch.Appends = []driver.Append{{Log: pick("l", 3), Data: []byte(id)}, {Log: pick("l", 3), Data: []byte(id)}}
			batch.Trims = []driver.Trim{{Log: pick("l", 3), Forget: rnd.IntN(2) == 0}}
		case 1:
			batch.Counters = []driver.Counter{{Key: pick("c", 3), Add: 1}}
			batch.Marks = []driver.Mark{{Key: fmt.Sprint(rnd.Uint32())}}
			batch.Producer = &driver.Producer{ID: pick("p", 3), Seq: uint64(i + 1)}
		case 2:
			batch.Drops = []driver.Drop{{MessageID: id, Group: "g", Optional: true}, {MessageID: pick("m", 30), Group: "h", Optional: true}}
			batch.Decisions = []driver.Decision{{MessageID: pick("m", 30), Decision: make([]byte, rnd.IntN(40))}}
		default:
			batch.Messages = []driver.Message{{ID: id, Body: make([]byte, rnd.IntN(300)), Decision: []byte("d")}}
			batch.Deliveries = []driver.Enqueue{{MessageID: id, Group: "g", Session: pick("s", 4), Info: []byte("i")}, {MessageID: id, Group: "h"}}
		}
		if _, err := b.Commit(ctx, []*driver.Batch{batch}); err != nil {
			return err
		}
		q := &driver.LeaseRequest{Tenant: pick("t", 2), Group: pick("g", 1)[:1], Max: 2, For: time.Hour}
		if q.SessionOrder = rnd.IntN(2) == 0; !q.SessionOrder {
			q.Group = "h"
		}
		got, err := b.Lease(ctx, q)
		if err != nil {
			return err
		}
		for k := range got {
			s := driver.Settle{Token: got[k].Token, Requeue: rnd.IntN(2) == 0, Attempt: true, Error: "e"}
			if _, err := b.Commit(ctx, []*driver.Batch{{Tenant: q.Tenant, Settles: []driver.Settle{s}}}); err != nil {
				return err
			}
		}
	}
	return nil
}
