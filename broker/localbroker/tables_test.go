package localbroker_test

import (
	"fmt"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

// TestOldMarksAreKept: a checkpoint moves marks out of memory, and they are what they were, also after a crash, until their time
// is over.
func TestOldMarksAreKept(t *testing.T) {
	t.Parallel()
	const n = 300
	fs, clock := newCrashFS(), newHandClock()
	options := func(o *localbroker.Options) {
		tiny(o)
		o.Clock, o.DedupMax = clock, n+50
	}
	b := open(t, fs, options)
	mark := func(i int, hash uint64) *driver.Batch {
		return &driver.Batch{
			Tenant: fmt.Sprint("t", i%3), Value: []byte(fmt.Sprint("value ", i)),
			Marks: []driver.Mark{{Key: fmt.Sprint("k", i), Hash: hash, Until: clock.Now().Add(time.Duration(1+i%2) * time.Hour)}},
		}
	}
	for i := range n {
		if res := commit(t, b, mark(i, 7)); !res.Applied {
			t.Fatalf("%+v", res)
		}
		if i%100 == 99 {
			if err := localbroker.Checkpoint(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if in := localbroker.Marks(b); in != 0 {
		t.Fatalf("%d marks are in memory after a checkpoint", in)
	}
	check := func(over bool) {
		t.Helper()
		for i := range n {
			res := commit(t, b, mark(i, 7))
			switch {
			case over && i%2 == 0: // applied anew
				if !res.Applied {
					t.Fatalf("mark %d is not over: %+v", i, res)
				}
			case !res.Duplicate || string(res.Value) != fmt.Sprint("value ", i):
				t.Fatalf("mark %d: %+v", i, res)
			}
			if res := commit(t, b, mark(i, 8)); !res.Conflict {
				t.Fatalf("mark %d with another hash: %+v", i, res)
			}
		}
		localbroker.Verify(t, b)
	}
	check(false)
	full := &driver.Batch{Tenant: tenant}
	for i := range 60 {
		full.Marks = append(full.Marks, driver.Mark{Key: fmt.Sprint("new", i)})
	}
	if res := commit(t, b, full); semabus.ReasonOf(res.Failed) != semabus.ReasonDedupFull {
		t.Fatalf("beyond the bound: %+v", res)
	}
	for range 2 {
		fs.crash(0, nil)
		_ = b.Close()
		b = open(t, fs, options)
		check(false)
	}
	clock.advance(90 * time.Minute)
	localbroker.House(b)
	if err := localbroker.Tidy(b); err != nil {
		t.Fatal(err)
	}
	check(true)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLedgerRemembers: what became of a message is known after the message is forgotten, across crashes, for as long as the
// ledger's window, and no longer.
func TestLedgerRemembers(t *testing.T) {
	t.Parallel()
	fs, clock := newCrashFS(), newHandClock()
	options := func(o *localbroker.Options) {
		tiny(o)
		o.Clock, o.KeepSettled = clock, time.Minute
	}
	b := open(t, fs, options)
	batch := put("m", 500)
	batch.Messages[0].Decision, batch.Messages[0].Hash = []byte("the decision"), 99
	batch.Deliveries = append(batch.Deliveries, driver.Enqueue{MessageID: "m", Group: "h", Key: "k"})
	commit(t, b, batch)
	first := leaseOne(t, b)[0]
	commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: first.Token, Requeue: true, Attempt: true, Error: "it rained"}}})
	second := leaseOne(t, b)[0]
	commit(t, b, &driver.Batch{
		Tenant: tenant, Settles: []driver.Settle{{Token: second.Token}}, Drops: []driver.Drop{{MessageID: "m", Group: "h", Key: "k", Error: "purged"}},
	})
	check := func() {
		t.Helper()
		f := stored(t, b, "m")
		if f.Message == nil || !f.Message.Gone || f.Message.Hash != 99 || string(f.Message.Decision) != "the decision" || len(f.Message.Body) > 0 {
			t.Fatalf("the ledger answers %+v", f.Message)
		}
		if len(f.Deliveries) != 2 {
			t.Fatalf("the ledger knows of %d deliveries", len(f.Deliveries))
		}
		d, e := f.Deliveries[0], f.Deliveries[1]
		if d.State != driver.StateSettled || d.Attempt != 2 || len(d.Errors) != 1 || d.Errors[0] != "it rained" || d.Settled.IsZero() {
			t.Fatalf("the first delivery is %+v", d)
		}
		if e.Group != "h" || e.Key != "k" || len(e.Errors) != 1 || e.Errors[0] != "purged" {
			t.Fatalf("the second delivery is %+v", e)
		}
		if g := stored(t, b, "unknown"); g.Message != nil {
			t.Fatalf("the ledger knows what never was: %+v", g.Message)
		}
	}
	clock.advance(2 * time.Minute)
	localbroker.House(b)
	if err := localbroker.Tidy(b); err != nil {
		t.Fatal(err)
	}
	check()
	fs.crash(0, nil)
	_ = b.Close()
	b = open(t, fs, options)
	localbroker.House(b)
	if err := localbroker.Checkpoint(b); err != nil {
		t.Fatal(err)
	}
	check()
	fs.crash(0, nil)
	_ = b.Close()
	b = open(t, fs, options)
	check()
	clock.advance(8 * 24 * time.Hour)
	if err := localbroker.Tidy(b); err != nil {
		t.Fatal(err)
	}
	if f := stored(t, b, "m"); f.Message != nil {
		t.Fatalf("after its window the ledger answers %+v", f.Message)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
