package localbroker_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

func sparse(o *localbroker.Options) {
	o.SegmentBytes, o.CacheBytes, o.KeepSettled = 16<<10, 1, time.Nanosecond
}

// bodyOf is the content of a message, different for each.
func bodyOf(id string) []byte { return bytes.Repeat([]byte(id+"."), 900/(len(id)+1)) }

// sparseWork stores n messages, of which every tenth is kept and all others are settled, and an event for every twentieth.
func sparseWork(t *testing.T, b *localbroker.Broker, n int) (kept []string) {
	t.Helper()
	for i := range n {
		id := fmt.Sprint("m", i)
		batch := &driver.Batch{
			Tenant:     tenant,
			Messages:   []driver.Message{{ID: id, Body: bodyOf(id), Decision: []byte("decided " + id)}},
			Deliveries: []driver.Enqueue{{MessageID: id, Group: "g", Info: []byte("info " + id)}},
		}
		if i%10 == 0 {
			batch.Deliveries[0].Group = "keep"
			kept = append(kept, id)
		}
		if i%20 == 0 {
			batch.Appends = []driver.Append{{Log: "l", Data: []byte(id)}}
		}
		commit(t, b, batch)
	}
	for _, l := range leaseAll(t, b, "g") {
		commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: l.Token}}})
	}
	return kept
}

func leaseAll(t *testing.T, b *localbroker.Broker, group string) []driver.Leased {
	t.Helper()
	got, err := b.Lease(t.Context(), &driver.LeaseRequest{Tenant: tenant, Group: group, Max: 1 << 20, For: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// checkSparse finds everything that was kept, whole.
func checkSparse(t *testing.T, b *localbroker.Broker, kept []string) {
	t.Helper()
	localbroker.Verify(t, b)
	for i, id := range kept {
		f := stored(t, b, id)
		if f.Message == nil || !bytes.Equal(f.Message.Body, bodyOf(id)) || string(f.Message.Decision) != "decided "+id ||
			len(f.Deliveries) != 1 || string(f.Deliveries[0].Info) != "info "+id {
			t.Fatalf("message %s is %+v", id, f)
		}
		if i%2 > 0 {
			continue
		}
		events, err := b.Read(t.Context(), &driver.ReadRequest{Tenant: tenant, Log: "l", Max: 1 << 20})
		if err != nil || string(events[i/2].Data) != id {
			t.Fatalf("event %d: %v", i/2, err)
		}
	}
}

// TestCleanerFreesDisk: one message in ten lives in every segment, and the disk holds little more than what lives; what was
// moved is bounded by what died.
func TestCleanerFreesDisk(t *testing.T) {
	t.Parallel()
	fs := newCrashFS()
	b := open(t, fs, sparse)
	kept := sparseWork(t, b, 800)
	localbroker.House(b)
	before := stats(t, b).Bytes
	moved, err := localbroker.Clean(b)
	if err != nil || moved == 0 {
		t.Fatalf("%d bytes moved, %v", moved, err)
	}
	for more := int64(1); more > 0; {
		if more, err = localbroker.Clean(b); err != nil {
			t.Fatal(err)
		}
		moved += more
	}
	live := int64(len(kept) * 930)
	after := stats(t, b).Bytes
	if after > 5*live/2+32<<10 {
		t.Errorf("%d bytes are on disk, %d live; %d before", after, live, before)
	}
	if moved > before-live {
		t.Errorf("%d bytes moved, %d died", moved, before-live)
	}
	checkSparse(t, b, kept)
	fs.crash(0, nil)
	_ = b.Close()
	b = open(t, fs, sparse)
	checkSparse(t, b, kept)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCleanerFails lets the n-th change of the disk fail while the cleaner works, for every n, and cuts the power: everything
// that lives is there, at its old place or its new one.
func TestCleanerFails(t *testing.T) {
	t.Parallel()
	for n := 1; n < 200; n++ {
		fs := newCrashFS()
		b := open(t, fs, sparse)
		kept := sparseWork(t, b, 200)
		localbroker.House(b)
		fs.failFrom(n, syscall.EIO)
		_, err := localbroker.Clean(b)
		fs.crash(float64(n%3)/2, rand.New(rand.NewPCG(uint64(n), 4)))
		_ = b.Close()
		b = open(t, fs, sparse)
		checkSparse(t, b, kept)
		if cerr := b.Close(); cerr != nil {
			t.Fatal(cerr)
		}
		if err == nil { // all of the cleaner's changes have failed once
			if n < 5 {
				t.Fatalf("the cleaner made only %d changes", n)
			}
			return
		}
	}
	t.Fatal("the cleaner does not end")
}
