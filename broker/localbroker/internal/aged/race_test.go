package aged_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

// Many goroutines put and get while others flush, compact, expire, copy and count. Every writer reads what it wrote, and no
// reader sees a value become older.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	const writers, readers, keys, rounds = 4, 2, 50, 60
	table := open(t, newDisk(), func(o *aged.Options) { o.CacheBytes = 1 })
	var done atomic.Int32
	key := func(w, k int) []byte { return fmt.Appendf(nil, "writer %d key %d", w, k) }
	read := func(w, k int, least uint64) (uint64, error) {
		value, _, ok, err := table.Get(key(w, k), 0)
		if err != nil {
			return 0, err
		}
		if !ok && least > 0 {
			return 0, fmt.Errorf("%s is gone, it was %d", key(w, k), least)
		}
		if !ok {
			return 0, nil
		}
		if got := binary.BigEndian.Uint64(value); got >= least {
			return got, nil
		}
		return 0, fmt.Errorf("%s is %d, it was %d", key(w, k), binary.BigEndian.Uint64(value), least)
	}
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			defer done.Add(1)
			for round := range uint64(rounds) {
				for k := range keys {
					value := binary.BigEndian.AppendUint64(nil, round+1)
					table.Put(key(w, k), append(value, make([]byte, k)...), 100)
					table.Put(fmt.Appendf(nil, "ended %d %d %d", w, round, k), value, -1)
					if _, err := read(w, (k*7)%keys, round); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	for range readers {
		g.Go(func() error {
			var last [writers][keys]uint64
			for done.Load() < writers {
				for w := range writers {
					for k := range keys {
						var err error
						if last[w][k], err = read(w, k, last[w][k]); err != nil {
							return err
						}
					}
				}
			}
			return nil
		})
	}
	busy := func(do func() error) {
		g.Go(func() error {
			for done.Load() < writers {
				if err := do(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	busy(table.Flush)
	busy(func() error { _, err := table.Compact(context.Background(), 0); return err })
	busy(func() error { _, err := table.Expire(0); return err })
	last := 0
	busy(func() error {
		seen := 0
		err := table.Each(context.Background(), 0, func([]byte, []byte, int64) error { seen++; return nil })
		if n := table.Count(0); n < 0 || seen > writers*keys || err == nil && seen < last {
			return fmt.Errorf("it counts %d and shows %d, there were %d", n, seen, last)
		}
		last = seen
		table.Stats()
		table.Pending()
		return err
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for w := range writers {
		for k := range keys {
			if got, err := read(w, k, rounds); err != nil || got != rounds {
				t.Errorf("%s is %d, %v", key(w, k), got, err)
			}
		}
	}
}

// Flush goes on while Compact is at work, and Get reads files that are being replaced.
func TestFlushDuringCompact(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	for i := range 4 {
		put(table, fmt.Sprint("k", i), "v", 10)
		flush(t, table)
	}
	inside := false
	d.onChange = func() {
		if inside {
			return
		}
		inside = true
		put(table, "new", "v", 10)
		flush(t, table)
	}
	if _, err := table.Compact(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	if !inside || table.Stats().Files != 2 {
		t.Errorf("flushed meanwhile: %v, files: %d, want the merged one and the new one", inside, table.Stats().Files)
	}
	for _, key := range []string{"k0", "k1", "k2", "k3", "new"} {
		want(t, table, key, 0, "v")
	}
}

// A Get whose files are dropped while it reads one of them looks again.
func TestGetDuringExpire(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	put(table, "a", "v", 10)
	flush(t, table)
	aged.PutHash(table, aged.Sum(table.ID(), []byte("a")), []byte("looks the same"), nil, 10)
	flush(t, table)
	d.onRead = func() {
		d.onRead = nil
		if n, err := table.Expire(10); n != 2 || err != nil {
			t.Error(n, err)
		}
	}
	want(t, table, "a", 10, "")
	if d.onRead != nil || len(d.names()) != 1 {
		t.Errorf("left are %v", d.names())
	}
}

// What is put while Flush writes is kept, and pending after it.
func TestPutDuringFlush(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	put(table, "a", "old", 10)
	put(table, "b", "old", 10)
	d.onChange = func() {
		put(table, "a", "new", 10)
		put(table, "c", "new", 10)
		want(t, table, "a", 0, "new")
		want(t, table, "b", 0, "old")
	}
	flush(t, table)
	d.onChange = nil
	if n, _ := table.Pending(); n != 2 {
		t.Errorf("%d are pending, want 2", n)
	}
	want(t, table, "a", 0, "new")
	flush(t, table)
	for key, value := range map[string]string{"a": "new", "b": "old", "c": "new"} {
		want(t, table, key, 0, value)
	}
}
