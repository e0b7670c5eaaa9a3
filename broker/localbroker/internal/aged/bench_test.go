package aged_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

// folder is a real folder.
type folder struct{}

type osFile struct{ *os.File }

func (folder) OpenFile(name string, flag int) (osFile, error) {
	f, err := os.OpenFile(name, os.O_RDWR|flag, 0o600)
	return osFile{f}, err
}

func (folder) Rename(from, to string) error { return os.Rename(from, to) }

func (folder) Remove(name string) error { return os.Remove(name) }

func (folder) ReadDir(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (folder) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func openFolder(b *testing.B, dir string, change ...func(*aged.Options)) *aged.Table {
	b.Helper()
	o := aged.Options{FS: aged.Adapt(folder{}), Dir: dir, Prefix: "marks-"}
	for _, c := range change {
		c(&o)
	}
	table, err := aged.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	return table
}

// mark is a key of 40 bytes.
func mark(key []byte, n uint64) []byte {
	key = append(key[:0], "tenant-0000 / a key of dedup / ..."[:32]...)
	return binary.BigEndian.AppendUint64(key, n*0x9e3779b97f4a7c15)
}

// marks fills a table with this many keys of 40 bytes and values of 16, with a flush for each part of them.
func marks(b *testing.B, table *aged.Table, keys, flushEvery int) {
	b.Helper()
	var key, value [64]byte
	for i := range keys {
		table.Put(mark(key[:0], uint64(i)), value[:16], math.MaxInt64)
		if i%flushEvery == flushEvery-1 || i == keys-1 {
			flush(b, table)
			compact(b, table, 0)
		}
	}
}

// BenchmarkMemory fills a table with 10 million marks and opens it again. Its metrics are the memory of that table: of
// indexes, of the whole after a million random keys were read, and what the heap has more than before Open. The time of one
// operation is that of Open.
func BenchmarkMemory(b *testing.B) {
	const keys = 10_000_000
	dir := b.TempDir()
	table := openFolder(b, dir)
	begin := time.Now()
	marks(b, table, keys, 250_000)
	took, filled := time.Since(begin), table.Stats()
	_ = table.Close()
	before := heap()
	for b.Loop() {
		table = openFolder(b, dir)
		_ = table.Close()
	}
	table = openFolder(b, dir)
	defer table.Close()
	var key []byte
	for range 1_000_000 {
		key = mark(key, rand.Uint64N(keys))
		if _, _, ok, err := table.Get(key, 0); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
	s := table.Stats()
	if got := s.Index + s.Cache; got > 64<<20 {
		b.Errorf("indexes and cache have %d bytes", got)
	}
	b.ReportMetric(float64(s.Index)/(1<<20), "index-MiB")
	b.ReportMetric(float64(s.Index+s.Cache)/(1<<20), "table-MiB")
	b.ReportMetric(float64(heap()-before)/(1<<20), "heap-MiB")
	b.ReportMetric(keys/took.Seconds(), "puts/s")
	b.ReportMetric(1+float64(filled.Merged)/float64(filled.Flushed), "write-amp")
	b.ReportMetric(float64(filled.Bytes)/keys, "disk-B/key")
	b.ReportMetric(float64(filled.Files), "files")
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// BenchmarkGetAbsent asks for keys that are not there, among 1 and 10 million.
func BenchmarkGetAbsent(b *testing.B) {
	for _, keys := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			table := openFolder(b, b.TempDir())
			defer table.Close()
			marks(b, table, keys, 250_000)
			before, n := table.Stats(), 0
			var key []byte
			b.ReportAllocs()
			for b.Loop() {
				n++
				key = mark(key, uint64(keys)+rand.Uint64N(1<<40))
				if _, _, ok, err := table.Get(key, 0); ok || err != nil {
					b.Fatal(ok, err)
				}
			}
			s := table.Stats()
			b.ReportMetric(float64(s.Files), "files")
			b.ReportMetric(100*float64(s.Misled-before.Misled)/float64(n), "%misled")
		})
	}
}

// BenchmarkGetPresent asks for keys among 1 million: few, which the table's cache holds; all, which it nearly holds; and all
// with the smallest cache, so that nearly each is a read, from the page cache of the system.
func BenchmarkGetPresent(b *testing.B) {
	const keys = 1_000_000
	dir := b.TempDir()
	table := openFolder(b, dir)
	marks(b, table, keys, 250_000)
	_ = table.Close()
	for _, c := range []struct {
		name  string
		among uint64
		cache int64
	}{{"cached", 1000, 0}, {"random", keys, 0}, {"read", keys, 1}} {
		b.Run(c.name, func(b *testing.B) {
			table := openFolder(b, dir, func(o *aged.Options) { o.CacheBytes = c.cache })
			defer table.Close()
			var key []byte
			get := func() {
				key = mark(key, rand.Uint64N(c.among))
				if _, _, ok, err := table.Get(key, 0); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
			for range 100_000 { // fill the cache
				get()
			}
			before, n := table.Stats(), 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				get()
			}
			b.ReportMetric(float64(table.Stats().Reads-before.Reads)/float64(n), "reads/op")
		})
	}
}

// BenchmarkPut puts new keys into memory, from several goroutines.
func BenchmarkPut(b *testing.B) {
	table := openFolder(b, b.TempDir())
	defer table.Close()
	var n atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var key, value [64]byte
		for pb.Next() {
			table.Put(mark(key[:0], n.Add(1)), value[:16], math.MaxInt64)
		}
	})
	b.StopTimer()
	entries, bytes := table.Pending()
	b.ReportMetric(float64(bytes)/float64(entries), "memory-B/key")
}

// BenchmarkFlush writes 100,000 marks.
func BenchmarkFlush(b *testing.B) {
	const keys = 100_000
	table := openFolder(b, b.TempDir())
	defer table.Close()
	var key, value [64]byte
	n := uint64(0)
	for b.Loop() {
		b.StopTimer()
		for range keys {
			n++
			table.Put(mark(key[:0], n), value[:16], int64(n))
		}
		if _, err := table.Expire(int64(n) - keys); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		flush(b, table)
	}
	b.ReportMetric(float64(b.N)*keys/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkCompact merges 4 files of 100,000 marks each.
func BenchmarkCompact(b *testing.B) {
	const keys = 100_000
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		table := openFolder(b, dir)
		var key, value [64]byte
		for i := range 4 * keys {
			table.Put(mark(key[:0], uint64(i)), value[:16], math.MaxInt64)
			if i%keys == keys-1 {
				flush(b, table)
			}
		}
		b.StartTimer()
		if _, err := table.Compact(context.Background(), 0); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if table.Stats().Files != 1 {
			b.Fatal(table.Stats())
		}
		_ = table.Close()
		_ = os.RemoveAll(filepath.Join(dir))
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*4*keys/b.Elapsed().Seconds(), "entries/s")
}
