package localbroker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

// handClock is a clock that moves when the test says so.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*handTimer]struct{}
}

type handTimer struct {
	at time.Time
	f  func()
}

func newHandClock() *handClock {
	return &handClock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), timers: map[*handTimer]struct{}{}}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := &handTimer{c.now.Add(d), f}
	c.timers[x] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, pending := c.timers[x]
		delete(c.timers, x)
		return pending
	}
}

// advance moves the clock and runs what is due, one after the other.
func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []func()
	for x := range c.timers {
		if !x.at.After(c.now) {
			due = append(due, x.f)
			delete(c.timers, x)
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}

func timed(c *handClock) func(*localbroker.Options) {
	return func(o *localbroker.Options) { o.Clock, o.KeepSettled = c, time.Hour }
}

// put is a batch with one message for group g.
func put(id string, bytes int) *driver.Batch {
	return &driver.Batch{
		Tenant: tenant, Messages: []driver.Message{{ID: id, Body: make([]byte, bytes), Decision: []byte("d")}},
		Deliveries: []driver.Enqueue{{MessageID: id, Group: "g"}},
	}
}

func leaseOne(t *testing.T, b *localbroker.Broker) []driver.Leased {
	t.Helper()
	got, err := b.Lease(context.Background(), &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 1, For: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// finish leases one delivery of g and settles it.
func finish(t *testing.T, b *localbroker.Broker) {
	t.Helper()
	got := leaseOne(t, b)
	if len(got) != 1 {
		t.Fatal("nothing to lease")
	}
	if res := commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: got[0].Token}}}); !res.Applied {
		t.Fatalf("not settled: %+v", res)
	}
}

func stored(t *testing.T, b *localbroker.Broker, id string) *driver.Found {
	t.Helper()
	f, err := b.Find(context.Background(), &driver.Query{Tenant: tenant, Message: id})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// forgotten says that the engine has no message of that id any more, whatever the ledger remembers.
func forgotten(t *testing.T, b *localbroker.Broker, id string) bool {
	t.Helper()
	f := stored(t, b, id)
	return f.Message == nil || f.Message.Gone
}

func stats(t *testing.T, b *localbroker.Broker) *driver.Stats {
	t.Helper()
	s, err := b.Stats(context.Background(), tenant, []string{"g"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCheckpointOwnsItsSegments: what is forgotten while a checkpoint is written still has its places in that checkpoint.
func TestCheckpointOwnsItsSegments(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	short := func(o *localbroker.Options) { o.SegmentBytes, o.CacheBytes, o.KeepSettled = 4<<10, 1, time.Nanosecond }
	b := open(t, fs, short)
	for i := range 20 {
		commit(t, b, put(fmt.Sprint(i), 900))
	}
	fs.onRename = func(string) {
		for range 20 {
			finish(t, b)
		}
	}
	if err := localbroker.Checkpoint(b); err != nil {
		t.Fatal(err)
	}
	fs.onRename = nil
	fs.kill() // a power cut might bring the dropped files back
	_ = b.Close()
	b = open(t, fs, short)
	defer b.Close()
	localbroker.Verify(t, b)
}

// TestDecisionHoldsItsMessage: retention leaves a message alone whose new decision is being written.
func TestDecisionHoldsItsMessage(t *testing.T) {
	t.Parallel()
	fs, clock := newCrashFS(), newHandClock()
	b := open(t, fs, timed(clock), func(o *localbroker.Options) { o.SegmentBytes = 1 }) // each decision in a segment of its own
	defer b.Close()
	commit(t, b, &driver.Batch{Tenant: tenant, Messages: []driver.Message{{ID: "m", Body: []byte("b"), Decision: []byte("old")}}})
	clock.advance(2 * time.Hour)
	fs.onSync = func() { localbroker.House(b) }
	commit(t, b, &driver.Batch{Tenant: tenant, Decisions: []driver.Decision{{MessageID: "m", Decision: []byte("new")}}})
	fs.onSync = nil
	localbroker.Verify(t, b)
}

// TestReadersKeepTheirSegment: what a reader has found, and not read yet, may be forgotten and its segment dropped meanwhile;
// the reader still gets it.
func TestReadersKeepTheirSegment(t *testing.T) {
	t.Parallel()
	fs, clock := newCrashFS(), newHandClock()
	b := open(t, fs, timed(clock), func(o *localbroker.Options) { o.SegmentBytes, o.CacheBytes = 1, 1 })
	defer b.Close()
	commit(t, b, &driver.Batch{Tenant: tenant, Messages: []driver.Message{{ID: "m", Body: []byte("body")}}})
	commit(t, b, put("other", 1))
	var g errgroup.Group
	dropped := make(chan struct{})
	var once sync.Once
	fs.onRead = func() {
		once.Do(func() {
			clock.advance(2 * time.Hour)
			localbroker.House(b)
			g.Go(func() error {
				defer close(dropped)
				return localbroker.Checkpoint(b)
			})
			for range 1000 { // it waits for this reader, or does not
				select {
				case <-dropped:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	if f := stored(t, b, "m"); f.Message == nil || string(f.Message.Body) != "body" {
		t.Fatalf("read %+v", f.Message)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if f := stored(t, b, "m"); !forgotten(t, b, "m") {
		t.Fatalf("the message outlived its retention: %+v", f.Message)
	}
}

// TestOutlivedToTheNanosecond looks at a delivery in the very moment its time is over.
func TestOutlivedToTheNanosecond(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	b := open(t, newCrashFS(), timed(clock))
	defer b.Close()
	batch := put("m", 1)
	batch.Deliveries[0].TTL = time.Second
	commit(t, b, batch)
	clock.advance(time.Second)
	stats(t, b)
	clock.advance(time.Minute)
	if got := leaseOne(t, b); len(got) > 0 {
		t.Fatal("a delivery was leased after its time to live")
	}
	if s := stats(t, b).Groups[0]; s.Ready != 0 {
		t.Fatalf("an outlived delivery still counts as ready: %+v", s)
	}
	localbroker.Verify(t, b)
}

// TestForgottenStaysForgotten: what outlived its TTL, was accounted for and outlived its retention too does not come back with
// a restart; before it was accounted for it is not forgotten.
func TestForgottenStaysForgotten(t *testing.T) {
	t.Parallel()
	fs, clock := newCrashFS(), newHandClock()
	b := open(t, fs, timed(clock))
	batch := put("m", 1)
	batch.Deliveries[0].TTL = time.Second
	commit(t, b, batch)
	clock.advance(2 * time.Second)
	stats(t, b)
	clock.advance(2 * time.Hour)
	localbroker.House(b)
	if stored(t, b, "m").Message == nil {
		t.Fatal("a message was forgotten that nobody had accounted for")
	}
	drops := []driver.Drop{{MessageID: "m", Group: batch.Deliveries[0].Group, Expired: true}}
	commit(t, b, &driver.Batch{Tenant: tenant, Drops: drops})
	localbroker.Verify(t, b)
	localbroker.House(b)
	if !forgotten(t, b, "m") {
		t.Fatal("the message outlived its retention")
	}
	fs.crash(0, nil)
	_ = b.Close()
	b = open(t, fs, timed(clock))
	defer b.Close()
	if !forgotten(t, b, "m") {
		t.Fatal("a restart brought the message back")
	}
	localbroker.Verify(t, b)
}

// TestIdleProducerAfterRestart: a producer whose mark was given up numbers anew, and a restart replays just that.
func TestIdleProducerAfterRestart(t *testing.T) {
	t.Parallel()
	fs, clock := newCrashFS(), newHandClock()
	b := open(t, fs, timed(clock))
	produce := func(seq uint64) driver.Result {
		return commit(t, b, &driver.Batch{Tenant: tenant, Producer: &driver.Producer{ID: "p", Seq: seq}})
	}
	produce(100)
	clock.advance(8 * 24 * time.Hour)
	localbroker.House(b)
	if res := produce(1); !res.Applied {
		t.Fatalf("after idle days: %+v", res)
	}
	fs.crash(0, nil)
	_ = b.Close()
	b = open(t, fs, timed(clock))
	defer b.Close()
	if res := produce(2); !res.Applied {
		t.Fatalf("a restart remembered the old mark, a new message is lost as a duplicate: %+v", res)
	}
	if res := produce(2); !res.Duplicate {
		t.Fatalf("and the new mark holds: %+v", res)
	}
}

// TestSettledCountsThisLife: the replay of the log is not work done.
func TestSettledCountsThisLife(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs)
	commit(t, b, put("m", 1))
	finish(t, b)
	if n := stats(t, b).Groups[0].Settled; n != 1 {
		t.Fatalf("%d settled, want 1", n)
	}
	fs.crash(0, nil)
	_ = b.Close()
	b = open(t, fs)
	defer b.Close()
	if n := stats(t, b).Groups[0].Settled; n != 0 {
		t.Fatalf("%d settled since the engine was opened, want 0", n)
	}
}

// TestKilledThenPowerLoss: a frame that was written and not synced when the process died, and replayed by the next one, is
// durable before that one goes on in another segment.
func TestKilledThenPowerLoss(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 120; n++ {
		fs := newCrashFS()
		b := open(t, fs, tiny)
		w := newWork(t, uint64(n))
		fs.failFrom(n, syscall.EIO)
		for range 200 {
			if w.step(b) != nil {
				break
			}
		}
		fs.kill()
		_ = b.Close()
		b = open(t, fs, tiny)
		for range 3 {
			if err := w.step(b); err != nil {
				t.Fatal(err)
			}
		}
		fs.crash(0, nil)
		_ = b.Close()
		b = open(t, fs, tiny)
		w.check(b)
		_ = b.Close()
	}
}

// TestRelaxedFailedSync: the one sync of a relaxed log, before it goes on in another segment, is not tried twice either.
func TestRelaxedFailedSync(t *testing.T) {
	t.Parallel()
	relaxed := func(o *localbroker.Options) { o.Relaxed, o.SegmentBytes = true, 4<<10 }
	for n := 1; n <= 40; n++ {
		fs := newCrashFS()
		b := open(t, fs, relaxed)
		w := newWork(t, uint64(n))
		fs.failFrom(n, syscall.EIO)
		for range 200 {
			if w.step(b) != nil {
				break
			}
		}
		fs.failFrom(1<<30, nil)
		for range 20 {
			if w.step(b) != nil {
				break
			}
		}
		_ = b.Close()
		fs.crash(0, nil)
		b, err := localbroker.Open(localbroker.Options{Dir: "data", FS: fs.begin(), Relaxed: true})
		if err != nil {
			t.Fatalf("failure of change %d: %v", n, err)
		}
		gone := 0
		for i := 1; i <= w.n; i++ {
			id := fmt.Sprint("m", i)
			if stored(t, b, id).Message != nil && gone > 0 {
				t.Fatalf("failure of change %d: message %d is there and %d is not", n, i, gone)
			} else if stored(t, b, id).Message == nil && w.acked[id] {
				gone = i
			}
		}
		_ = b.Close()
	}
}

// TestBytesOnDisk: the gauge is what the segments take, also after restarts.
func TestBytesOnDisk(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	for i := range 6 {
		b := open(t, fs, tiny)
		for j := range 30 {
			commit(t, b, put(fmt.Sprint(i, "-", j), 900))
		}
		var want int64
		fs.mu.Lock()
		for name, n := range fs.now {
			if name[len(name)-4:] == ".seg" {
				want += int64(len(n.data))
			}
		}
		fs.mu.Unlock()
		if got := stats(t, b).Bytes; got != want {
			t.Fatalf("life %d: %d bytes, the segments have %d", i, got, want)
		}
		fs.kill()
		_ = b.Close()
	}
}

// TestCloseTwice: any number of callers may close, at any time.
func TestCloseTwice(t *testing.T) {
	t.Parallel()
	for range 50 {
		b := open(t, newCrashFS())
		commit(t, b, put("m", 1))
		var g errgroup.Group
		for range 4 {
			g.Go(b.Close)
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReadAfterClose: what is closed is not damaged.
func TestReadAfterClose(t *testing.T) {
	t.Parallel()
	b := open(t, newCrashFS(), tiny)
	commit(t, b, put("m", 900))
	commit(t, b, put("n", 900))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := b.Find(t.Context(), &driver.Query{Tenant: tenant, Message: "m"})
	if err != nil && semabus.ReasonOf(err) != semabus.ReasonShuttingDown {
		t.Fatalf("reading a closed engine answers %v", err)
	}
}

// TestRenewalsLeaveNothingBehind: the memory of a long lease is one timer, however often it was renewed.
func TestRenewalsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	b := open(t, newCrashFS())
	defer b.Close()
	for i := range 10 {
		commit(t, b, put(fmt.Sprint(i), 1))
	}
	got, err := b.Lease(t.Context(), &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 10, For: time.Hour})
	if err != nil || len(got) != 10 {
		t.Fatal(len(got), err)
	}
	for range 200 {
		for i := range got {
			if errs := b.Renew(t.Context(), tenant, []driver.Renewal{{Token: got[i].Token, For: time.Hour}}); errs[0] != nil {
				t.Fatal(errs[0])
			}
		}
	}
	if n := localbroker.Timers(b); n > 10 {
		t.Fatalf("10 leases have %d timers", n)
	}
	for i := range got {
		commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: got[i].Token}}})
	}
	if n := localbroker.Timers(b); n > 0 {
		t.Fatalf("nothing is leased and there are %d timers", n)
	}
	localbroker.Verify(t, b)
}

// TestIdleNamesAreForgotten: groups and tenants that were only asked for, or whose messages are forgotten, take no memory.
func TestIdleNamesAreForgotten(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	b := open(t, newCrashFS(), timed(clock))
	defer b.Close()
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		var g errgroup.Group
		g.Go(func() error {
			_, err := b.Lease(ctx, &driver.LeaseRequest{Tenant: fmt.Sprint("t", i), Group: "reply", Max: 1, For: time.Minute, Wait: time.Hour})
			return err
		})
		cancel()
		_ = g.Wait()
	}
	commit(t, b, put("m", 1))
	finish(t, b)
	localbroker.House(b)
	if tenants, groups := localbroker.Names(b); tenants != 1 || groups != 1 {
		t.Fatalf("%d tenants, %d groups, want one each", tenants, groups)
	}
	clock.advance(2 * time.Hour)
	localbroker.House(b)
	if tenants, groups := localbroker.Names(b); tenants != 0 || groups != 0 {
		t.Fatalf("%d tenants, %d groups and nothing is stored", tenants, groups)
	}
}

// TestMarksLapseWithoutRun: keys whose window is over make room for new ones, and a key used again counts once.
func TestMarksLapseWithoutRun(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	b := open(t, newCrashFS(), timed(clock), func(o *localbroker.Options) { o.DedupMax, o.DedupWindow = 3, time.Minute })
	defer b.Close()
	for i := range 9 {
		if res := commit(t, b, &driver.Batch{Tenant: tenant, Marks: []driver.Mark{{Key: fmt.Sprint(i)}}}); !res.Applied {
			t.Fatalf("key %d: %v", i, res.Failed)
		}
		clock.advance(30 * time.Second)
	}
	commit(t, b, &driver.Batch{Tenant: tenant, Marks: []driver.Mark{{Key: "twice"}, {Key: "twice"}}})
	localbroker.Verify(t, b)
}

// TestCallLargerThanAFrame: what one call brings may take several writes.
func TestCallLargerThanAFrame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := localbroker.Open(localbroker.Options{Dir: dir, CacheBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 31<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(body)
	var batches []*driver.Batch
	for i := range 3 {
		batches = append(batches, &driver.Batch{Tenant: tenant, Messages: []driver.Message{{ID: fmt.Sprint(i), Body: body}}})
	}
	res, err := b.Commit(t.Context(), batches)
	if err != nil || len(res) != 3 {
		t.Fatal(len(res), err)
	}
	commit(t, b, put("after", 1))
	for i := range 3 {
		if !res[i].Applied || len(stored(t, b, fmt.Sprint(i)).Message.Body) != len(body) {
			t.Fatalf("message %d: %+v", i, res[i])
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestStaleWakeUp: a clock that fires early leaves wake-ups behind; they block nobody.
func TestStaleWakeUp(t *testing.T) {
	t.Parallel()
	b := open(t, newCrashFS(), func(o *localbroker.Options) { o.Clock = hastyClock{newHandClock()} })
	defer b.Close()
	const n = 300
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			for {
				got, err := b.Lease(t.Context(), &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 1, For: time.Minute, Wait: time.Hour})
				if err != nil {
					return err
				}
				if got[0].MessageID == "end" {
					return nil
				}
			}
		})
	}
	for i := range n {
		commit(t, b, put(fmt.Sprint(i), 1))
	}
	for i := range 4 {
		last := put(fmt.Sprint("last", i), 1)
		last.Messages[0].ID, last.Deliveries[0].MessageID, last.Deliveries[0].Key = "end", "end", fmt.Sprint(i)
		if i > 0 {
			last.Messages = nil
		}
		commit(t, b, last)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// hastyClock stands still, and the time of a long poll is over at once.
type hastyClock struct{ *handClock }

func (hastyClock) AfterFunc(d time.Duration, f func()) func() bool {
	if d == time.Hour {
		f()
		for range 20 {
			runtime.Gosched() // who waits is known, and does not look yet
		}
	}
	return func() bool { return false }
}
