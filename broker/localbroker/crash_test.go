package localbroker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

const tenant = "acme"

// work is a stream of commits that know what they promised.
type work struct {
	t      *testing.T
	rnd    *rand.Rand
	n      int
	acked  map[string]bool // message ids that were acknowledged
	asked  map[string]bool // message ids that were sent at all
	done   map[string]bool // settlements that were acknowledged
	tried  map[string]bool // settlements that were sent at all
	events int             // acknowledged appends
}

func newWork(t *testing.T, seed uint64) *work {
	return &work{t: t, rnd: rand.New(rand.NewPCG(seed, 2)), acked: map[string]bool{}, asked: map[string]bool{}, done: map[string]bool{}, tried: map[string]bool{}}
}

// step does one commit, and every third time it leases and settles something; it returns the engine's error.
func (w *work) step(b *localbroker.Broker) error {
	w.n++
	id := fmt.Sprint("m", w.n)
	w.asked[id] = true
	batch := &driver.Batch{
		Tenant:   tenant,
		Marks:    []driver.Mark{{Key: id, Hash: 1}},
		Value:    []byte(id),
		Messages: []driver.Message{{ID: id, Body: make([]byte, 1+w.rnd.IntN(900)), Decision: []byte("d")}},
		Deliveries: []driver.Enqueue{
			{MessageID: id, Group: "g", Info: []byte("i")}, {MessageID: id, Group: "h"},
		},
		Appends: []driver.Append{{Log: "l", Data: []byte(id)}},
	}
	if _, err := b.Commit(w.t.Context(), []*driver.Batch{batch}); err != nil {
		return err
	}
	w.acked[id] = true
	w.events++
	if w.n%3 > 0 {
		return nil
	}
	got, err := b.Lease(w.t.Context(), &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 1, For: time.Minute})
	if err != nil || len(got) == 0 {
		return err
	}
	id = got[0].MessageID
	w.tried[id] = true
	res, err := b.Commit(w.t.Context(), []*driver.Batch{{Tenant: tenant, Settles: []driver.Settle{{Token: got[0].Token}}}})
	if err == nil && res[0].Applied {
		w.done[id] = true
	}
	return err
}

// check compares what an engine holds with what was promised.
func (w *work) check(b *localbroker.Broker) {
	w.t.Helper()
	localbroker.Verify(w.t, b)
	for id := range w.asked {
		f, err := b.Find(w.t.Context(), &driver.Query{Tenant: tenant, Message: id})
		if err != nil {
			w.t.Fatalf("find %s: %v", id, err)
		}
		if f.Message == nil {
			if w.acked[id] {
				w.t.Fatalf("acknowledged message %s is lost", id)
			}
			continue
		}
		if len(f.Deliveries) != 2 {
			w.t.Fatalf("message %s has %d deliveries: it was stored by half", id, len(f.Deliveries))
		}
		settled := f.Deliveries[0].State == driver.StateSettled
		if w.done[id] && !settled {
			w.t.Fatalf("the settlement of %s is lost", id)
		}
		if settled && !w.tried[id] {
			w.t.Fatalf("%s is settled and nobody settled it", id)
		}
	}
	events, err := b.Read(w.t.Context(), &driver.ReadRequest{Tenant: tenant, Log: "l", Max: 10*w.n + 1})
	if err != nil || len(events) < w.events {
		w.t.Fatalf("%d events, %d were acknowledged (%v)", len(events), w.events, err)
	}
	for id := range w.acked {
		again := &driver.Batch{Tenant: tenant, Marks: []driver.Mark{{Key: id, Hash: 1}}}
		if res := commit(w.t, b, again); !res.Duplicate || string(res.Value) != id {
			w.t.Fatalf("the mark of %s is lost: %+v", id, res)
		}
	}
}

func tiny(o *localbroker.Options) { o.SegmentBytes, o.CacheBytes = 16<<10, 1 }

// TestEveryChangeFails lets the n-th change of the disk fail, for every n, cuts the power then, and opens what is left.
func TestEveryChangeFails(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 120; n++ {
		fs := newCrashFS()
		b := open(t, fs, tiny)
		w := newWork(t, uint64(n))
		fs.failFrom(n, syscall.EIO)
		var failure error
		for range 200 {
			if failure = w.step(b); failure != nil {
				break
			}
		}
		if failure == nil {
			t.Fatalf("change %d did not fail in 200 steps", n)
		}
		if semabus.CodeOf(failure) != semabus.CodeUnavailable {
			t.Fatalf("change %d: %v, want UNAVAILABLE", n, failure)
		}
		fs.crash(float64(n%3)/2, rand.New(rand.NewPCG(uint64(n), 3)))
		_ = b.Close()
		b = open(t, fs, tiny)
		w.check(b)
		for range 5 {
			if err := w.step(b); err != nil {
				t.Fatalf("after recovery from failure %d: %v", n, err)
			}
		}
		w.check(b)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFailedSyncIsNeverRetried: after a failed sync the pages may be gone, so no later success means anything.
func TestFailedSyncIsNeverRetried(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs)
	defer b.Close()
	w := newWork(t, 1)
	if err := w.step(b); err != nil {
		t.Fatal(err)
	}
	fs.failFrom(1, syscall.EIO)
	if err := w.step(b); err == nil {
		t.Fatal("a commit whose write failed was acknowledged")
	}
	fs.failFrom(1<<30, nil) // the disk is well again
	if err := w.step(b); semabus.ReasonOf(err) != semabus.ReasonReadOnly {
		t.Fatalf("after a failed write the engine answers %v, want READ_ONLY", err)
	}
	if f, err := b.Find(t.Context(), &driver.Query{Tenant: tenant, Message: "m1"}); err != nil || f.Message == nil {
		t.Fatalf("reading must go on: %+v, %v", f, err)
	}
}

// TestBrokenEngineTellsWhoWaits: a lease call that waits hears at once that no work will come.
func TestBrokenEngineTellsWhoWaits(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs)
	defer b.Close()
	heard := make(chan error, 1)
	var g errgroup.Group
	g.Go(func() error {
		_, err := b.Lease(t.Context(), &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 1, For: time.Minute, Wait: time.Hour})
		heard <- err
		return nil
	})
	for localbroker.Waiters(b) == 0 {
		runtime.Gosched()
	}
	fs.failFrom(1, syscall.EIO)
	if err := newWork(t, 1).step(b); err == nil {
		t.Fatal("a commit whose write failed was acknowledged")
	}
	if err := <-heard; semabus.ReasonOf(err) != semabus.ReasonReadOnly {
		t.Fatalf("the waiting call ended with %v", err)
	}
	_ = g.Wait()
}

// TestPowerLoss runs long histories with cuts at random moments and random survival of what was not synced.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		fs := newCrashFS()
		w := newWork(t, seed)
		for range 12 {
			b := open(t, fs, tiny, func(o *localbroker.Options) { o.CheckpointBytes = 20 << 10 })
			w.check(b)
			for range rnd.IntN(60) {
				if err := w.step(b); err != nil {
					t.Fatal(err)
				}
			}
			switch rnd.IntN(3) {
			case 0:
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
			case 1:
				fs.kill()
			default:
				fs.crash(rnd.Float64(), rnd)
			}
			_ = b.Close()
		}
	}
}

// TestKillInsideCommit kills while commits of many callers are under way: what was acknowledged is there.
func TestKillInsideCommit(t *testing.T) {
	t.Parallel()
	for n := 5; n < 60; n += 7 {
		fs := newCrashFS()
		b := open(t, fs)
		fs.failFrom(n, errors.New("pulled the plug"))
		acked := make(chan string, 10_000)
		done := make(chan struct{})
		for c := range 8 {
			go func() {
				defer func() { done <- struct{}{} }()
				for i := 0; ; i++ {
					id := fmt.Sprint(c, "-", i)
					batch := &driver.Batch{Tenant: tenant, Messages: []driver.Message{{ID: id, Body: []byte(id)}}, Deliveries: []driver.Enqueue{{MessageID: id, Group: "g"}}}
					if _, err := b.Commit(context.Background(), []*driver.Batch{batch}); err != nil {
						return
					}
					acked <- id
				}
			}()
		}
		for range 8 {
			<-done
		}
		close(acked)
		fs.crash(0.5, rand.New(rand.NewPCG(uint64(n), 5)))
		_ = b.Close()
		b = open(t, fs)
		for id := range acked {
			if f, err := b.Find(t.Context(), &driver.Query{Tenant: tenant, Message: id}); err != nil || f.Message == nil || string(f.Message.Body) != id {
				t.Fatalf("acknowledged message %s is lost (%v)", id, err)
			}
		}
		_ = b.Close()
	}
}

// TestFlippedBits flips one bit anywhere in a log that was closed cleanly: it is found, or it was not part of anything.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs)
	w := newWork(t, 9)
	for range 12 {
		if err := w.step(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	segment := fs.now["data/0000000001.seg"]
	whole := slices.Clone(segment.data)
	end := len(whole)
	for end > 0 && whole[end-1] == 0 {
		end--
	}
	found := 0
	for at := 0; at < end+64; at += 5 {
		segment.data = slices.Clone(whole)
		segment.data[at] ^= 1 << (at % 8)
		b, err := localbroker.Open(localbroker.Options{Dir: "data", FS: fs.begin()})
		if err != nil {
			if semabus.ReasonOf(err) != semabus.ReasonDataDamaged {
				t.Fatalf("flip at %d: %v, want DATA_DAMAGED", at, err)
			}
			found++
			continue
		}
		w.check(b)
		fs.kill()
		_ = b.Close()
	}
	if found < end/5*8/10 {
		t.Errorf("%d of %d flips were found", found, end/5)
	}
}

// TestFullDisk: a full disk is said, nothing is stored by half, and work goes on once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs, tiny)
	defer b.Close()
	w := newWork(t, 1)
	fs.mu.Lock()
	fs.full = true
	fs.mu.Unlock()
	var failure error
	for range 2000 {
		if failure = w.step(b); failure != nil {
			break
		}
	}
	if semabus.ReasonOf(failure) != semabus.ReasonDiskFull {
		t.Fatalf("a full disk is answered with %v, want DISK_FULL", failure)
	}
	fs.mu.Lock()
	fs.full = false
	fs.mu.Unlock()
	if err := w.step(b); err != nil {
		t.Fatalf("there is room again, and still: %v", err)
	}
	w.check(b)
}

// TestLowDisk refuses new messages before the disk is full, and still settles.
func TestLowDisk(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs)
	put := &driver.Batch{Tenant: tenant, Messages: []driver.Message{{ID: "m", Body: []byte("b")}}, Deliveries: []driver.Enqueue{{MessageID: "m", Group: "g"}}}
	commit(t, b, put)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, fs, func(o *localbroker.Options) { o.MinFreeBytes = 1 << 50 })
	defer b.Close()
	put.Messages[0].ID, put.Deliveries[0].MessageID = "n", "n"
	if res := commit(t, b, put); semabus.ReasonOf(res.Failed) != semabus.ReasonDiskFull || semabus.CodeOf(res.Failed) != semabus.CodeResourceExhausted {
		t.Fatalf("a nearly full disk is answered with %+v", res)
	}
	got, err := b.Lease(t.Context(), &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 1, For: time.Minute})
	if err != nil || len(got) != 1 {
		t.Fatalf("leased %d, %v", len(got), err)
	}
	if res := commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: got[0].Token}}}); !res.Applied {
		t.Fatalf("settling must go on: %+v", res)
	}
}

// TestCheckpointKeepsEverything compares all that can be seen before and after a checkpoint and a restart from it.
func TestCheckpointKeepsEverything(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs, tiny)
	w := newWork(t, 3)
	for range 150 {
		if err := w.step(b); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, b, &driver.Batch{Tenant: tenant, Counters: []driver.Counter{{Key: "c", Add: 7}}, Producer: &driver.Producer{ID: "p", Seq: 5}})
	before := everything(t, b, w)
	if err := localbroker.Checkpoint(b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, everything(t, b, w)); diff != "" {
		t.Fatalf("a checkpoint changed what can be seen:\n%s", diff)
	}
	fs.crash(0, nil)
	_ = b.Close()
	b = open(t, fs, tiny)
	defer b.Close()
	if diff := cmp.Diff(before, everything(t, b, w)); diff != "" {
		t.Fatalf("a restart from the checkpoint changed what can be seen:\n%s", diff)
	}
	w.check(b)
}

// everything lists what can be seen, without what names the life of the process.
func everything(t *testing.T, b *localbroker.Broker, w *work) []string {
	t.Helper()
	var out []string
	for id := range w.asked {
		f, err := b.Find(t.Context(), &driver.Query{Tenant: tenant, Message: id})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(f.Message))
		for _, d := range f.Deliveries {
			d.Leases, d.Member = 0, ""
			out = append(out, fmt.Sprintf("%s %+v", id, d))
		}
	}
	events, err := b.Read(t.Context(), &driver.ReadRequest{Tenant: tenant, Log: "l", Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.Find(t.Context(), &driver.Query{Tenant: tenant, Counter: "c"})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return append(out, fmt.Sprint(events), fmt.Sprint(c.Counter))
}

// TestSegmentsAreDropped: what nothing refers to leaves the disk.
func TestSegmentsAreDropped(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs, tiny, func(o *localbroker.Options) { o.KeepSettled = time.Nanosecond })
	defer b.Close()
	for i := range 400 {
		id := fmt.Sprint(i)
		commit(t, b, &driver.Batch{Tenant: tenant, Messages: []driver.Message{{ID: id, Body: make([]byte, 900)}}, Deliveries: []driver.Enqueue{{MessageID: id, Group: "g"}}})
		got, err := b.Lease(t.Context(), &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 1, For: time.Minute})
		if err != nil || len(got) != 1 {
			t.Fatal(err)
		}
		commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: got[0].Token}}})
	}
	if err := localbroker.Checkpoint(b); err != nil {
		t.Fatal(err)
	}
	names, _ := fs.begin().ReadDir("data")
	if len(names) > 9 {
		t.Errorf("nothing is alive and the folder holds %v", names)
	}
	if s, err := b.Stats(t.Context(), tenant, nil); err != nil || s.Bytes > 64<<10 {
		t.Errorf("nothing is alive and %d bytes are on disk (%v)", s.Bytes, err)
	}
}

// TestRefusedFolders: what is not ours to open stays as it is.
func TestRefusedFolders(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs)
	refused := func(want string, change func(*localbroker.Options)) {
		t.Helper()
		o := localbroker.Options{Dir: "data", FS: fs.begin()}
		change(&o)
		if other, err := localbroker.Open(o); semabus.ReasonOf(err) != want {
			t.Errorf("open answers %v, want %s", err, want)
			if err == nil {
				_ = other.Close()
			}
		}
	}
	refused(semabus.ReasonDataInUse, func(*localbroker.Options) {})
	commit(t, b, &driver.Batch{Tenant: tenant, Messages: []driver.Message{{ID: "m", Body: []byte("b")}}, Deliveries: []driver.Enqueue{{MessageID: "m", Group: "g"}}})
	if err := localbroker.Checkpoint(b); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	refused(semabus.ReasonDataForeign, func(o *localbroker.Options) { o.ClusterID = "other" })
	refused(semabus.ReasonInvalidValue, func(o *localbroker.Options) { o.Dir, o.DedupMax = "", -1 })
	for file, want := range map[string]string{
		"META": semabus.ReasonDataDamaged, "0000000001.seg": semabus.ReasonDataDamaged,
	} {
		kept := fs.now["data/"+file]
		delete(fs.now, "data/"+file)
		refused(want, func(*localbroker.Options) {})
		fs.now["data/"+file] = kept
	}
	for file, want := range map[string]string{"META": semabus.ReasonDataDamaged, "CHECKPOINT": semabus.ReasonDataDamaged} {
		n := fs.now["data/"+file]
		n.data[len(n.data)-6] ^= 1
		refused(want, func(*localbroker.Options) {})
		n.data[len(n.data)-6] ^= 1
	}
	fs.now["data/META"].data[4]++
	refused(semabus.ReasonDataForeign, func(*localbroker.Options) {})
	fs.now["data/META"].data[4]--
	b = open(t, fs)
	_ = b.Close()
}

// TestRelaxed: kill -9 loses nothing; a power cut may lose the end, never the middle.
func TestRelaxed(t *testing.T) {
	t.Parallel()
	relaxed := func(o *localbroker.Options) { o.Relaxed, o.SegmentBytes = true, 8<<10 }
	fs := newCrashFS()
	b := open(t, fs, relaxed)
	if b.Caps().Durable {
		t.Error("a relaxed engine calls itself durable")
	}
	w := newWork(t, 1)
	for range 40 {
		if err := w.step(b); err != nil {
			t.Fatal(err)
		}
	}
	fs.kill()
	_ = b.Close()
	b = open(t, fs, relaxed)
	w.check(b)
	for range 40 {
		if err := w.step(b); err != nil {
			t.Fatal(err)
		}
	}
	fs.crash(0.5, rand.New(rand.NewPCG(1, 6)))
	_ = b.Close()
	b = open(t, fs, relaxed)
	defer b.Close()
	gone := 0
	for i := 1; i <= w.n; i++ {
		f, err := b.Find(t.Context(), &driver.Query{Tenant: tenant, Message: fmt.Sprint("m", i)})
		if err != nil {
			t.Fatal(err)
		}
		if f.Message == nil {
			gone++
		} else if gone > 0 {
			t.Fatalf("message %d is there and an older one is not", i)
		}
	}
}

// TestDedupFull: the bound is a bound, and old keys are never forgotten for new ones.
func TestDedupFull(t *testing.T) {
	t.Parallel()
	b := open(t, newCrashFS(), func(o *localbroker.Options) { o.DedupMax = 10 })
	defer b.Close()
	mark := func(i int) driver.Result {
		return commit(t, b, &driver.Batch{Tenant: tenant, Marks: []driver.Mark{{Key: fmt.Sprint(i)}}})
	}
	for i := range 10 {
		mark(i)
	}
	if res := mark(10); semabus.ReasonOf(res.Failed) != semabus.ReasonDedupFull {
		t.Fatalf("the eleventh key of ten is answered with %+v", res)
	}
	for i := range 10 {
		if res := mark(i); !res.Duplicate {
			t.Fatalf("key %d was forgotten: %+v", i, res)
		}
	}
}
