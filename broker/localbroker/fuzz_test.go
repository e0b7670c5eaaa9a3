package localbroker_test

import (
	"bytes"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

// sample is a log with a bit of everything, and its checkpoint.
func sample(f *testing.F) (segment, checkpoint []byte) {
	f.Helper()
	fs := newCrashFS()
	b, err := localbroker.Open(localbroker.Options{Dir: "data", FS: fs.begin()})
	if err != nil {
		f.Fatal(err)
	}
	defer b.Close()
	batch := &driver.Batch{
		Tenant: tenant, Marks: []driver.Mark{{Key: "k", Hash: 1}}, Producer: &driver.Producer{ID: "p", Seq: 1}, Value: []byte("v"),
		Messages:   []driver.Message{{ID: "m", Body: []byte("body"), Decision: []byte("d")}},
		Deliveries: []driver.Enqueue{{MessageID: "m", Group: "g", Session: "s", TTL: time.Hour, Info: []byte("i")}},
		Appends:    []driver.Append{{Log: "l", Data: []byte("e")}}, Counters: []driver.Counter{{Key: "c", Add: 1}},
	}
	if _, err := b.Commit(f.Context(), []*driver.Batch{batch}); err != nil {
		f.Fatal(err)
	}
	got, err := b.Lease(f.Context(), &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 1, For: time.Minute})
	if err != nil {
		f.Fatal(err)
	}
	back := &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: got[0].Token, Requeue: true, Error: "no"}},
		Decisions: []driver.Decision{{MessageID: "m", Decision: []byte("new")}}}
	if _, err := b.Commit(f.Context(), []*driver.Batch{back}); err != nil {
		f.Fatal(err)
	}
	if err := localbroker.Checkpoint(b); err != nil {
		f.Fatal(err)
	}
	return bytes.TrimRight(fs.now["data/0000000001.seg"].data, "\x00"), fs.now["data/CHECKPOINT"].data
}

func FuzzReplay(f *testing.F) {
	segment, _ := sample(f)
	const header = 24
	for at := 0; at+header < len(segment); at += 8 { // every place a frame may begin at; most are none
		f.Add(segment[at+header+1:])
	}
	f.Fuzz(func(_ *testing.T, payload []byte) {
		_ = localbroker.ReplayGroup(payload) // an error or a state, never a panic
	})
}

func FuzzCheckpoint(f *testing.F) {
	_, checkpoint := sample(f)
	f.Add(checkpoint[21 : len(checkpoint)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := localbroker.DecodeCheckpoint(localbroker.SealCheckpoint(body)); err != nil && semabus.ReasonOf(err) != semabus.ReasonDataDamaged {
			t.Errorf("a bad checkpoint is answered with %v", err)
		}
		_ = localbroker.DecodeCheckpoint(body)
	})
}

func FuzzMeta(f *testing.F) {
	f.Add([]byte("EMBS\x01"))
	f.Fuzz(func(_ *testing.T, data []byte) { _ = localbroker.DecodeMeta(data) })
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("payload"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = localbroker.OpenFrame(data)
		if len(data) == 0 {
			return
		}
		if got, ok := localbroker.OpenFrame(localbroker.SealFrame(data)); !ok || !bytes.Equal(got, data) {
			t.Errorf("a frame of %d bytes came back as %d", len(data), len(got))
		}
	})
}
