package localbroker_test

import (
	"fmt"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

// inspected does a bit of everything in small segments, and crashes.
func inspected(t *testing.T) *crashFS {
	t.Helper()
	fs := newCrashFS()
	b := open(t, fs, sparse)
	sparseWork(t, b, 200)
	commit(t, b, &driver.Batch{
		Tenant: tenant, Marks: []driver.Mark{{Key: "k"}}, Producer: &driver.Producer{ID: "p", Seq: 1}, Counters: []driver.Counter{{Key: "c", Add: 1}},
		Appends: []driver.Append{{Log: "m", Data: []byte("event")}},
	})
	l := leaseAll(t, b, "keep")[0]
	commit(t, b, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: l.Token, Requeue: true, Attempt: true, Error: "it rained"}}})
	commit(t, b, &driver.Batch{Tenant: tenant, Drops: []driver.Drop{{MessageID: "m10", Group: "keep", Error: "purged"}}, Trims: []driver.Trim{{Log: "m"}}})
	localbroker.House(b)
	if _, err := localbroker.Clean(b); err != nil {
		t.Fatal(err)
	}
	commit(t, b, put("last", 300))
	fs.crash(0, nil)
	_ = b.Close()
	return fs
}

func inspect(t *testing.T, fs *crashFS) (*localbroker.Inspection, error) {
	t.Helper()
	return localbroker.Inspect(t.Context(), localbroker.Options{Dir: "data", FS: fs.begin()})
}

// TestInspect: what is there is counted, nothing is changed, and a start finds the same.
func TestInspect(t *testing.T) {
	t.Parallel()
	fs := inspected(t)
	in, err := inspect(t, fs)
	if err != nil {
		t.Fatal(err)
	}
	again, err := inspect(t, fs)
	if err != nil || fmt.Sprint(*in) != fmt.Sprint(*again) {
		t.Fatalf("looking changed something: %+v, %+v, %v", in, again, err)
	}
	b := open(t, fs, sparse)
	s := stats(t, b)
	if int64(in.Messages) != s.Messages || in.Waiting != 20 || in.Logs != 2 || in.Events != 10 || in.Marks != 1 || in.CheckpointFrame == 0 || in.Torn != "" {
		t.Errorf("found %+v, the engine has %d messages", in, s.Messages)
	}
	var size, live int64
	for _, g := range in.Segments {
		size, live = size+g.Bytes, live+g.Live
	}
	if size != s.Bytes || live == 0 || live > size {
		t.Errorf("%d bytes, %d live; the engine has %d", size, live, s.Bytes)
	}
	if _, err := inspect(t, fs); semabus.ReasonOf(err) != semabus.ReasonDataInUse {
		t.Errorf("while an engine has it open: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestInspectFindsDamage: a flipped bit of anything that counts is named, and never takes the process down.
func TestInspectFindsDamage(t *testing.T) {
	t.Parallel()
	fs := inspected(t)
	names, _ := fs.begin().ReadDir("data")
	found := 0
	for _, name := range names {
		if name == "LOCK" {
			continue
		}
		for _, at := range []int64{0, 9, 30, 200, 1000} {
			if !fs.flip("data/"+name, at) {
				continue
			}
			_, err := inspect(t, fs)
			switch semabus.ReasonOf(err) {
			case semabus.ReasonDataDamaged, semabus.ReasonDataForeign:
				found++
			case "":
				if err != nil {
					t.Fatalf("%s at %d: %v", name, at, err)
				}
			default:
				t.Fatalf("%s at %d: %v", name, at, err)
			}
			fs.flip("data/"+name, at)
		}
	}
	if found < 10 {
		t.Errorf("only %d of the flipped bits were found", found)
	}
	if _, err := inspect(t, fs); err != nil {
		t.Fatalf("after all were flipped back: %v", err)
	}
}

// TestDump: everything that was committed since the oldest segment is shown, in order.
func TestDump(t *testing.T) {
	t.Parallel()
	fs := inspected(t)
	kinds := map[string]int{}
	var last localbroker.Item
	err := localbroker.Dump(t.Context(), localbroker.Options{Dir: "data", FS: fs.begin()}, func(x *localbroker.Item) error {
		kinds[x.Kind]++
		if x.Frame < last.Frame || x.Frame == last.Frame && x.Offset != last.Offset {
			t.Errorf("%+v comes after %+v", x, last)
		}
		last = *x
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"message", "enqueue", "move"} {
		if kinds[k] == 0 {
			t.Errorf("no %s among %v", k, kinds)
		}
	}
	if last.Kind != "enqueue" || last.Name != "last" || last.Tenant != tenant || last.Time.Before(time.Now().Add(-time.Hour)) {
		t.Errorf("the last is %+v", last)
	}
	stop := fmt.Errorf("enough")
	if err := localbroker.Dump(t.Context(), localbroker.Options{Dir: "data", FS: fs.begin()}, func(*localbroker.Item) error { return stop }); err == nil {
		t.Error("the dump went on")
	}
	if err := localbroker.Dump(t.Context(), localbroker.Options{Dir: "elsewhere", FS: fs.begin()}, func(*localbroker.Item) error { return nil }); semabus.ReasonOf(err) != semabus.ReasonDataForeign {
		t.Errorf("a folder without a log: %v", err)
	}
}
