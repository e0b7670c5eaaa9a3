package localbroker_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

// backlog stores n messages of different priorities in one group; most of them are parked.
func backlog(t *testing.T, b *localbroker.Broker, n int) {
	t.Helper()
	for i := range n {
		id := fmt.Sprint("m", i)
		commit(t, b, &driver.Batch{
			Tenant:     tenant,
			Messages:   []driver.Message{{ID: id, Body: bodyOf(id), Decision: []byte("decided " + id), Hash: uint64(i)}},
			Deliveries: []driver.Enqueue{{MessageID: id, Group: "g", Priority: uint8(i % 10), Session: fmt.Sprint("s", i%7), Info: []byte("info " + id)}},
		})
	}
	if got := localbroker.Parked(b); got < n/2 {
		t.Fatalf("only %d of %d are parked", got, n)
	}
}

// TestParkedAreWhole: whatever asks for a parked message gets all of it, in the order of the queue, before and after a crash.
func TestParkedAreWhole(t *testing.T) {
	t.Parallel()
	const n = 300
	fs := newCrashFS()
	b := open(t, fs, tiny)
	backlog(t, b, n)
	localbroker.Verify(t, b)
	reopen := func() {
		t.Helper()
		fs.crash(0, nil)
		_ = b.Close()
		b = open(t, fs, tiny)
		localbroker.Verify(t, b)
	}
	reopen() // by replay
	if got := localbroker.Parked(b); got < n/2 {
		t.Fatalf("after a replay %d are parked", got)
	}
	if err := localbroker.Checkpoint(b); err != nil {
		t.Fatal(err)
	}
	reopen() // by checkpoint
	if f := stored(t, b, "m123"); f.Message == nil || !bytes.Equal(f.Message.Body, bodyOf("m123")) || f.Message.Hash != 123 ||
		string(f.Message.Decision) != "decided m123" || string(f.Deliveries[0].Info) != "info m123" || f.Deliveries[0].Session != "s4" {
		t.Fatalf("found %+v", f)
	}
	again := &driver.Batch{Tenant: tenant, Messages: []driver.Message{{ID: "m77"}}}
	if res := commit(t, b, again); semabus.ReasonOf(res.Failed) != semabus.ReasonExists {
		t.Fatalf("the id of a parked message was given again: %+v", res)
	}
	seen := map[string]bool{}
	q := driver.Query{Tenant: tenant, Group: "g", Max: 7}
	for more := true; more; more = len(q.After) > 0 {
		f, err := b.Find(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Deliveries {
			if want := fmt.Sprint("m", len(seen)); d.MessageID != want || string(d.Info) != "info "+want {
				t.Fatalf("delivery %d of the queue is %+v", len(seen), d)
			}
			seen[d.MessageID] = true
		}
		q.After = f.Next
	}
	if len(seen) != n {
		t.Fatalf("browsing found %d of %d", len(seen), n)
	}
	order(t, b, n)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// order leases everything and checks priority, then age, and the content.
func order(t *testing.T, b *localbroker.Broker, n int) {
	t.Helper()
	got := leaseAll(t, b, "g")
	if len(got) != n {
		t.Fatalf("%d of %d leased", len(got), n)
	}
	for i := range got {
		l := &got[i]
		if !bytes.Equal(l.Body, bodyOf(l.MessageID)) || string(l.Info) != "info "+l.MessageID {
			t.Fatalf("leased %+v", l)
		}
		if i == 0 {
			continue
		}
		if p := &got[i-1]; p.Priority < l.Priority || p.Priority == l.Priority && !p.Enqueued.Before(l.Enqueued) {
			t.Fatalf("%s came after %s", l.MessageID, p.MessageID)
		}
	}
	localbroker.Verify(t, b)
	if left := localbroker.Parked(b); left != 0 {
		t.Fatalf("%d are still parked", left)
	}
}

// TestParkedThingsHappen: drops, decisions, further deliveries, session order and ageing find what is parked.
func TestParkedThingsHappen(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs, tiny)
	backlog(t, b, 200)
	for i := range 20 {
		id := fmt.Sprint("m", 10*i)
		batch := &driver.Batch{Tenant: tenant}
		switch i % 4 {
		case 0:
			batch.Drops = []driver.Drop{{MessageID: id, Group: "g", Waiting: true}}
		case 1:
			batch.Decisions = []driver.Decision{{MessageID: id, Decision: []byte("anew")}}
		case 2:
			batch.Deliveries = []driver.Enqueue{{MessageID: id, Group: "h"}}
		case 3:
			batch.Deliveries = []driver.Enqueue{{MessageID: id, Group: "g"}} // live already: nothing happens
		}
		if res := commit(t, b, batch); !res.Applied {
			t.Fatalf("%+v", res)
		}
	}
	localbroker.Verify(t, b)
	before := localbroker.DumpState(b)
	fs.crash(0, nil)
	_ = b.Close()
	b = open(t, fs, tiny)
	if after := localbroker.DumpState(b); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Fatal("the restart is different")
	}
	got, err := b.Lease(t.Context(), &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 1000, For: time.Minute, SessionOrder: true})
	if err != nil || len(got) != 7 { // one of each session
		t.Fatalf("%d leased in session order, %v", len(got), err)
	}
	localbroker.Verify(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestParkedMove: the cleaner moves parked messages as well, and a crash at any time finds them.
func TestParkedMove(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		fs := newCrashFS()
		b := open(t, fs, sparse)
		backlog(t, b, 300)
		rnd := rand.New(rand.NewPCG(seed, 5))
		kept := map[int]bool{}
		for i := range 300 {
			if kept[i] = rnd.IntN(8) == 0; !kept[i] {
				commit(t, b, &driver.Batch{Tenant: tenant, Drops: []driver.Drop{{MessageID: fmt.Sprint("m", i), Group: "g"}}})
			}
		}
		localbroker.House(b)
		before := stats(t, b).Bytes
		moved, err := localbroker.Clean(b)
		if err != nil || moved == 0 || localbroker.Parked(b) == 0 {
			t.Fatalf("%d bytes moved, %d parked, %v", moved, localbroker.Parked(b), err)
		}
		if after := stats(t, b).Bytes; after > before/2 {
			t.Errorf("%d bytes are on disk, %d before", after, before)
		}
		localbroker.Verify(t, b)
		for range 2 {
			fs.crash(0, nil)
			_ = b.Close()
			b = open(t, fs, sparse)
			localbroker.Verify(t, b)
		}
		got := leaseAll(t, b, "g")
		for _, l := range got {
			if !bytes.Equal(l.Body, bodyOf(l.MessageID)) {
				t.Fatalf("leased %+v", l)
			}
		}
		n := 0
		for _, k := range kept {
			if k {
				n++
			}
		}
		if len(got) != n {
			t.Fatalf("%d of %d came back", len(got), n)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSettledRest: what is settled takes a slot, is found whole, knows the lease that settled it, survives a crash, and is
// forgotten when its time is over.
func TestSettledRest(t *testing.T) {
	t.Parallel()
	const n = 60
	fs, clock := newCrashFS(), newHandClock()
	options := func(o *localbroker.Options) {
		tiny(o)
		o.Clock, o.KeepSettled = clock, time.Hour
	}
	b := open(t, fs, options)
	backlog(t, b, n)
	leased := leaseAll(t, b, "g")
	for _, l := range leased {
		commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: l.Token}}})
	}
	check := func() {
		t.Helper()
		localbroker.Verify(t, b)
		if got := localbroker.Parked(b); got != n {
			t.Fatalf("%d of %d rest in slots", got, n)
		}
		for _, l := range leased {
			f := stored(t, b, l.MessageID)
			if f.Message == nil || !bytes.Equal(f.Message.Body, bodyOf(l.MessageID)) || len(f.Deliveries) != 1 ||
				f.Deliveries[0].State != driver.StateSettled || f.Deliveries[0].Settled.IsZero() {
				t.Fatalf("%s is %+v", l.MessageID, f)
			}
			res := commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: l.Token}}})
			if semabus.ReasonOf(res.Failed) != semabus.ReasonAlreadySettled {
				t.Fatalf("settled again: %+v", res)
			}
		}
	}
	check()
	for range 2 {
		fs.crash(0, nil)
		_ = b.Close()
		b = open(t, fs, options)
		check()
		if err := localbroker.Checkpoint(b); err != nil {
			t.Fatal(err)
		}
		check()
	}
	clock.advance(2 * time.Hour)
	localbroker.House(b)
	localbroker.Verify(t, b)
	if got := localbroker.Parked(b); got != 0 || !forgotten(t, b, "m1") {
		t.Fatalf("%d rest beyond their time", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestParkedTimers: what waits for its time is parked too, comes when it is due and not before, in the order of coming due, and
// can be taken back; a crash in the middle changes nothing.
func TestParkedTimers(t *testing.T) {
	t.Parallel()
	const n = 200
	fs, clock := newCrashFS(), newHandClock()
	options := func(o *localbroker.Options) {
		tiny(o)
		o.Clock = clock
	}
	b := open(t, fs, options)
	start := clock.Now()
	for i := range n {
		id := fmt.Sprint("m", i)
		due := start.Add(time.Duration(1+(i*37)%n) * time.Second)
		commit(t, b, &driver.Batch{
			Tenant: tenant, Messages: []driver.Message{{ID: id, Body: bodyOf(id)}},
			Deliveries: []driver.Enqueue{{MessageID: id, Group: "g", DeliverAt: due}},
		})
	}
	if got := localbroker.Parked(b); got < n/2 {
		t.Fatalf("only %d timers are parked", got)
	}
	for i := range 10 { // every twentieth is taken back
		commit(t, b, &driver.Batch{Tenant: tenant, Drops: []driver.Drop{{MessageID: fmt.Sprint("m", 20*i), Group: "g", Waiting: true}}})
	}
	came := 0
	for second := 1; second <= n; second++ {
		clock.advance(time.Second)
		for _, l := range leaseAll(t, b, "g") {
			came++
			var i int
			if _, err := fmt.Sscanf(l.MessageID, "m%d", &i); err != nil || 1+(i*37)%n != second || i%20 == 0 {
				t.Fatalf("%s came in second %d", l.MessageID, second)
			}
			commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: l.Token}}})
		}
		if second%50 == 0 {
			localbroker.Verify(t, b)
			if second == 100 {
				if err := localbroker.Checkpoint(b); err != nil {
					t.Fatal(err)
				}
			}
			fs.crash(0, nil)
			_ = b.Close()
			b = open(t, fs, options)
			localbroker.Verify(t, b)
		}
	}
	if came != n-10 {
		t.Fatalf("%d of %d came", came, n-10)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
