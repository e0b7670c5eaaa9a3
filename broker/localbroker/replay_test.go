package localbroker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

// game is random use of one engine under a clock of its own, for a single caller.
type game struct {
	t      *testing.T
	rnd    *rand.Rand
	clock  *handClock
	b      *localbroker.Broker
	n      int
	tokens [][]byte // granted and not settled yet, some stale
}

func (g *game) pick(prefix string, n int) string { return prefix + strconv.Itoa(g.rnd.IntN(n)) }

func (g *game) some(d time.Duration) time.Duration { return time.Duration(g.rnd.Int64N(int64(d))) }

// enqueue is a delivery of a message. Those with a time to live go to a group whose leases never run out: a grant is not
// written, so a restart takes an outlived delivery that came back by itself for one that was never leased.
func (g *game) enqueue(id string) driver.Enqueue {
	e := driver.Enqueue{MessageID: id, Group: g.pick("g", 3), Priority: uint8(g.rnd.IntN(10)), Info: []byte("i")}
	if g.rnd.IntN(2) == 0 {
		e.Session = g.pick("s", 5)
	}
	if g.rnd.IntN(4) == 0 {
		e.DeliverAt = g.clock.Now().Add(g.some(20*time.Minute) - 5*time.Minute)
	}
	if g.rnd.IntN(4) == 0 {
		e.Group, e.TTL = "ttl", 1+g.some(10*time.Minute)
	}
	return e
}

func (g *game) batch() *driver.Batch {
	b := &driver.Batch{Tenant: g.pick("t", 2), Value: []byte("v")}
	id, old := fmt.Sprint("m", g.rnd.IntN(40)), fmt.Sprint("m", g.rnd.IntN(40))
	switch g.rnd.IntN(8) {
	case 0:
		b.Decisions = []driver.Decision{{MessageID: old, Decision: make([]byte, g.rnd.IntN(50))}}
	case 1:
		b.Deliveries = []driver.Enqueue{g.enqueue(old)}
	case 2:
		b.Appends = []driver.Append{{Log: g.pick("l", 3), Data: []byte(id)}}
	case 3:
		b.Producer = &driver.Producer{ID: g.pick("p", 3), Seq: uint64(1 + g.rnd.IntN(20))}
	case 4:
		b.Marks = []driver.Mark{{Key: g.pick("k", 20), Until: g.clock.Now().Add(g.some(time.Hour))}, {Key: g.pick("k", 20)}}
	case 5:
		b.Drops = []driver.Drop{
			{MessageID: g.pick("m", 40), Group: g.pick("g", 3), Waiting: g.rnd.IntN(2) == 0, Optional: true, Error: "e"},
			{MessageID: g.pick("m", 40), Group: "ttl", Expired: g.rnd.IntN(4) > 0, Optional: true},
		}
		b.Trims = []driver.Trim{{Log: "l", Forget: g.rnd.IntN(3) == 0}}
		b.Counters = []driver.Counter{{Key: g.pick("d", 3), Add: 1, Until: g.clock.Now().Add(g.some(20 * time.Minute))}}
	default:
		b.Messages = []driver.Message{{ID: id, Body: make([]byte, g.rnd.IntN(300)), Decision: []byte("d")}}
		for range g.rnd.IntN(3) {
			b.Deliveries = append(b.Deliveries, g.enqueue(id))
		}
		b.Counters = []driver.Counter{{Key: g.pick("c", 3), Add: int64(g.rnd.IntN(3)), Reach: int64(g.n / 8), Then: []driver.Enqueue{g.enqueue(id)}}}
	}
	return b
}

func (g *game) step() {
	g.n++
	switch g.rnd.IntN(10) {
	case 0, 1, 2, 3:
		var batches []*driver.Batch
		for range 1 + g.rnd.IntN(4) {
			batches = append(batches, g.batch())
		}
		if _, err := g.b.Commit(g.t.Context(), batches); err != nil {
			g.t.Fatal(err)
		}
	case 4, 5, 6:
		g.lease()
	case 7:
		g.settle()
	case 8:
		g.clock.advance(g.some(3 * time.Minute))
		if g.rnd.IntN(200) == 0 {
			g.clock.advance(8 * 24 * time.Hour)
		}
	default:
		localbroker.House(g.b)
	}
}

func (g *game) lease() {
	q := &driver.LeaseRequest{Tenant: g.pick("t", 2), Group: g.pick("g", 3), Max: 1 + g.rnd.IntN(3), For: 1 + g.some(10*time.Minute)}
	if g.rnd.IntN(4) == 0 {
		q.Group, q.For = "ttl", 1000*time.Hour
	}
	q.SessionOrder = q.Group != "g0" || g.rnd.IntN(10) == 0
	got, err := g.b.Lease(g.t.Context(), q)
	if err != nil {
		g.t.Fatal(err)
	}
	for i := range got {
		g.tokens = append(g.tokens, got[i].Token)
		if q.Group != "ttl" && g.rnd.IntN(4) == 0 {
			_ = g.b.Renew(g.t.Context(), q.Tenant, []driver.Renewal{{Token: got[i].Token, For: g.some(time.Hour) - time.Minute}})
		}
	}
}

// settle ends or returns some leases, stale ones among them; a token is of one of the two tenants.
func (g *game) settle() {
	for range min(len(g.tokens), g.rnd.IntN(6)) {
		i := g.rnd.IntN(len(g.tokens))
		s := driver.Settle{Token: g.tokens[i], Requeue: g.rnd.IntN(3) == 0, Attempt: g.rnd.IntN(2) == 0, Error: "e"}
		if g.rnd.IntN(2) == 0 {
			s.Due = g.clock.Now().Add(g.some(10*time.Minute) - time.Minute)
		}
		g.tokens = slices.Delete(g.tokens, i, i+1)
		for _, tenant := range []string{"t0", "t1"} {
			commit(g.t, g.b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{s}})
		}
	}
}

// TestReplayIsTheSame plays, loses power and compares what comes back, entry by entry: leases apart, nothing is different.
func TestReplayIsTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		fs, clock := newCrashFS(), newHandClock()
		small := func(o *localbroker.Options) {
			o.Clock, o.SegmentBytes, o.CacheBytes, o.KeepSettled, o.DedupWindow = clock, 4<<10, 1, 30*time.Minute, 20*time.Minute
		}
		g := &game{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), clock: clock, b: open(t, fs, small)}
		for range 8 {
			for range 150 {
				g.step()
				switch g.rnd.IntN(200) {
				case 0, 1:
					if err := localbroker.Checkpoint(g.b); err != nil {
						t.Fatal(err)
					}
				case 2, 3:
					if _, err := localbroker.Clean(g.b); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, tok := range g.tokens { // what is leased with a time to live would be lost with the grant
				for _, tenant := range []string{"t0", "t1"} {
					commit(t, g.b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: tok, Requeue: true}}})
				}
			}
			g.tokens = nil
			before := localbroker.DumpState(g.b)
			localbroker.Verify(t, g.b)
			fs.crash(0, nil)
			_ = g.b.Close()
			g.b = open(t, fs, small)
			if diff := cmp.Diff(before, localbroker.DumpState(g.b)); diff != "" {
				t.Fatalf("seed %d: the restart is different:\n%s", seed, diff)
			}
			localbroker.Verify(t, g.b)
		}
		if err := g.b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEverythingAtOnce lets every call of the engine run beside every other one, with segments and retention so small that
// everything is forgotten and dropped all the time. Then it counts again, dies, and counts once more.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	small := func(o *localbroker.Options) {
		o.SegmentBytes, o.CacheBytes, o.CheckpointBytes, o.KeepSettled, o.DedupWindow = 4<<10, 1, 8<<10, time.Millisecond, 5*time.Millisecond
	}
	b := open(t, fs, small)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var publishers, others errgroup.Group
	const writers, each = 3, 250
	for w := range writers {
		publishers.Go(func() error { return publish(ctx, b, w, each) })
	}
	for w := range 3 {
		others.Go(func() error { return consume(ctx, b, w) })
	}
	for w := range 2 {
		others.Go(func() error { return look(ctx, b, w) })
		others.Go(func() error {
			for ctx.Err() == nil {
				if err := localbroker.Checkpoint(b); err != nil {
					return err
				}
				localbroker.House(b)
			}
			return nil
		})
	}
	others.Go(func() error { return b.Run(ctx) })
	err := publishers.Wait()
	cancel()
	if others := others.Wait(); err != nil || others != nil {
		t.Fatal(err, others)
	}
	localbroker.Verify(t, b)
	fs.kill() // a power cut might bring the dropped files back
	_ = b.Close()
	b = open(t, fs, small)
	localbroker.Verify(t, b)
	if got := count(t, b); got != writers*each {
		t.Fatalf("the log has %d events, %d were acknowledged", got, writers*each)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, b *localbroker.Broker) int {
	t.Helper()
	events, err := b.Read(t.Context(), &driver.ReadRequest{Tenant: tenant, Log: "l", Max: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

func publish(ctx context.Context, b *localbroker.Broker, w, each int) error {
	rnd := rand.New(rand.NewPCG(uint64(w), 8))
	for i := range each {
		id := fmt.Sprint(w, "-", i)
		batch := put(id, rnd.IntN(600))
		batch.Messages[0].Decision = nil
		batch.Deliveries[0].Session = fmt.Sprint(rnd.IntN(6))
		batch.Deliveries = append(batch.Deliveries, driver.Enqueue{MessageID: id, Group: "brief", TTL: time.Duration(1 + rnd.IntN(2_000_000)), Info: []byte(id)})
		batch.Marks = []driver.Mark{{Key: id}}
		batch.Appends = []driver.Append{{Log: "l", Data: []byte(id)}}
		again := &driver.Batch{Tenant: tenant, Deliveries: []driver.Enqueue{{MessageID: id, Group: "late", DeliverAt: time.Now().Add(time.Millisecond)}}}
		decide := &driver.Batch{Tenant: tenant, Decisions: []driver.Decision{{MessageID: fmt.Sprint(w, "-", rnd.IntN(i+1)), Decision: []byte(id)}}}
		res, err := b.Commit(ctx, []*driver.Batch{batch, again, decide, decide})
		if err != nil || !res[0].Applied {
			return fmt.Errorf("publish: %+v, %w", res, err)
		}
	}
	return nil
}

func consume(ctx context.Context, b *localbroker.Broker, w int) error {
	rnd := rand.New(rand.NewPCG(uint64(w), 9))
	for ctx.Err() == nil {
		q := &driver.LeaseRequest{
			Tenant: tenant, Group: []string{"g", "g", "brief", "late"}[rnd.IntN(4)], Max: 1 + rnd.IntN(5), MaxBytes: 800,
			For: time.Duration(1 + rnd.IntN(3_000_000)), Wait: time.Duration(rnd.IntN(3_000_000)),
		}
		q.SessionOrder = q.Group == "g"
		got, err := b.Lease(ctx, q)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("lease: %w", err)
		}
		for i := range got {
			if rnd.IntN(3) == 0 {
				_ = b.Renew(ctx, tenant, []driver.Renewal{{Token: got[i].Token, For: time.Duration(rnd.IntN(3_000_000) - 500_000)}})
			}
			s := driver.Settle{Token: got[i].Token, Requeue: rnd.IntN(4) == 0, Attempt: true, Error: "e"}
			if rnd.IntN(2) == 0 {
				s.Due = time.Now().Add(time.Duration(rnd.IntN(1_000_000)))
			}
			if _, err := b.Commit(ctx, []*driver.Batch{{Tenant: tenant, Settles: []driver.Settle{s}}}); err != nil && ctx.Err() == nil {
				return fmt.Errorf("settle: %w", err)
			}
		}
	}
	return nil
}

// look reads everything; what is gone is not found, and never damaged.
func look(ctx context.Context, b *localbroker.Broker, w int) error {
	rnd := rand.New(rand.NewPCG(uint64(w), 10))
	var after semabus.Position
	for ctx.Err() == nil {
		for _, q := range []driver.Query{
			{Tenant: tenant, Message: fmt.Sprint(rnd.IntN(3), "-", rnd.IntN(250))},
			{Tenant: tenant, Group: []string{"g", "brief", "late"}[rnd.IntN(3)], Max: 20}, {Logs: true}, {Tenant: tenant, Counter: "c"},
		} {
			if _, err := b.Find(ctx, &q); err != nil && ctx.Err() == nil {
				return fmt.Errorf("find: %w", err)
			}
		}
		events, err := b.Read(ctx, &driver.ReadRequest{Tenant: tenant, Log: "l", After: after, Max: 10, Wait: time.Millisecond})
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("read: %w", err)
		}
		if len(events) > 0 {
			after = events[len(events)-1].Position
		}
		if _, err := b.Stats(ctx, tenant, nil); err != nil && ctx.Err() == nil {
			return fmt.Errorf("stats: %w", err)
		}
	}
	return nil
}
