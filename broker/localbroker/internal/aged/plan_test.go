package aged_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

// fill puts n keys that begin with a name.
func fill(table *aged.Table, name string, n int, until int64) {
	for i := range n {
		table.Put(fmt.Appendf(nil, "%s %030d", name, i), []byte("0123456789abcdef"), until)
	}
}

// Equal flushes are written once for each tier that they rise through, and the files stay few.
func TestWriteAmplification(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	const flushes = 256
	most := 0
	for i := range flushes {
		fill(table, fmt.Sprint(i), 20, math.MaxInt64) // 1.7 KB: the lowest tier; a file of 16 KB is full
		flush(t, table)
		compact(t, table, 0)
		most = max(most, table.Stats().Files)
	}
	s := table.Stats()
	written := 1 + float64(s.Merged)/float64(s.Flushed)
	t.Logf("%d flushes: %d files at the end, %d at most, each byte written %.2f times, %d bytes", flushes, s.Files, most, written, s.Bytes)
	if s.Entries != 20*flushes || written > 4 { // 1 + log₄(full / flush), full is an eighth of the table, 43 KB
		t.Errorf("%d entries, each byte was written %.2f times", s.Entries, written)
	}
	if most > 20 {
		t.Errorf("%d files at once", most)
	}
}

// Whatever the sizes of flushes are, the files stay few.
func TestFilesStayFew(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	for i := range 250 {
		n := 1
		if i%4 == 0 {
			n = 300 // full at once, for long
		}
		fill(table, fmt.Sprint(i), n, math.MaxInt64)
		flush(t, table)
		compact(t, table, 0)
		if got := table.Stats().Files; got > aged.MaxFiles {
			t.Fatalf("%d files after %d flushes", got, i+1)
		}
	}
}

// Entries of a window that end in the order they came are dropped with their files, with hardly more written for it.
func TestWindow(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	const window, perTick = 100, 40
	for now := range int64(5 * window) {
		fill(table, fmt.Sprint(now), perTick, now+window)
		flush(t, table)
		if _, err := table.Expire(now); err != nil {
			t.Fatal(err)
		}
		compact(t, table, now)
		s, live := table.Stats(), min(now+1, window)*perTick
		if now > window && (s.Entries > live*3/2 || s.Entries < live) {
			t.Fatalf("at %d there are %d entries, %d live", now, s.Entries, live)
		}
	}
	s := table.Stats()
	written := 1 + float64(s.Merged)/float64(s.Flushed)
	t.Logf("%+v, each byte written %.2f times", s, written)
	if written > 4 {
		t.Errorf("each byte was written %.2f times", written)
	}
}

// Short-lived entries among long-lived ones give their bytes back.
func TestMixedEnds(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	for i := range 20 {
		fill(table, fmt.Sprint("short ", i), 200, 10)
		fill(table, fmt.Sprint("long ", i), 50, 1000)
		flush(t, table)
		compact(t, table, 0)
	}
	before := table.Bytes()
	compact(t, table, 10)
	s := table.Stats()
	if s.Entries > 1500 || s.Bytes > before*3/8 {
		t.Errorf("%d entries and %d of %d bytes are left of 1000 live ones", s.Entries, s.Bytes, before)
	}
	if n := table.Count(10); n < 900 || n > 1100 {
		t.Errorf("it counts %d of 1000", n)
	}
	for i := range 20 {
		want(t, table, fmt.Sprintf("long %d %030d", i, 49), 10, "0123456789abcdef")
		want(t, table, fmt.Sprintf("short %d %030d", i, 199), 10, "")
	}
}

// What memory the indexes need is taken from the blocks.
func TestCacheBytes(t *testing.T) {
	t.Parallel()
	const limit = 3 << 20
	table := open(t, newDisk(), func(o *aged.Options) { o.CacheBytes = limit })
	for i := range 1000 {
		table.Put(fmt.Append(nil, "k", i), make([]byte, 8000), 1)
	}
	fill(table, "small", 100_000, 1)
	flush(t, table)
	for range 2 {
		for i := range 1000 {
			if got, _, _, err := table.Get(fmt.Append(nil, "k", i), 0); err != nil || len(got) != 8000 {
				t.Fatal(len(got), err)
			}
		}
		if s := table.Stats(); s.Index+s.Cache > limit || s.Index+s.Cache < limit/2 {
			t.Errorf("indexes have %d and blocks %d bytes, want a bit less than %d", s.Index, s.Cache, limit)
		}
	}
	before := table.Stats()
	for range 100 {
		want(t, table, fmt.Sprintf("small %030d", 7), 0, "0123456789abcdef")
	}
	if s := table.Stats(); s.Reads > before.Reads+1 {
		t.Errorf("a key was read from the disk %d times", s.Reads-before.Reads)
	}
	if _, err := table.Expire(1); err != nil {
		t.Fatal(err)
	}
	if s := table.Stats(); s.Index != 0 || s.Cache != 0 {
		t.Errorf("%d bytes of indexes and %d of blocks without a file", s.Index, s.Cache)
	}
}

// Hardly any absent key is looked for on the disk, over all files together.
func TestAbsentKeysLeaveTheDiskAlone(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	for i := range 24 {
		fill(table, fmt.Sprint(i), 1000, math.MaxInt64)
		flush(t, table)
	}
	const tries = 20_000
	before := table.Stats()
	for i := range tries {
		want(t, table, fmt.Sprint("absent ", i), 0, "")
	}
	s := table.Stats()
	if misled := s.Misled - before.Misled; misled > tries/100 {
		t.Errorf("with %d files, %d of %d absent keys were looked for on the disk", s.Files, misled, tries)
	}
	if s.Reads == before.Reads {
		t.Error("no absent key was ever looked for: the index cannot be that good")
	}
}

// What is held can be copied while the table goes on, and is a table.
func TestHold(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	for i := range 3 {
		fill(table, fmt.Sprint(i), 10, 100)
		flush(t, table)
	}
	held, err := table.Hold()
	if err != nil {
		t.Fatal(err)
	}
	fill(table, "later", 10, 200)
	flush(t, table)
	compact(t, table, 0)
	if _, err := table.Expire(100); err != nil {
		t.Fatal(err)
	}
	if table.Stats().Files != 1 || len(d.names()) != 5 {
		t.Errorf("%d files in the table, on the disk %v", table.Stats().Files, d.names())
	}
	copied := newDisk()
	for _, name := range held.Files {
		copied.now[filepath.Join("data", name)] = &inode{data: d.now[filepath.Join("data", name)].data}
	}
	copied.now[filepath.Join("data", held.ManifestName)] = &inode{data: held.Manifest}
	held.Release()
	if len(d.names()) != 2 {
		t.Errorf("after the release there are %v", d.names())
	}
	backup := open(t, copied)
	if err := backup.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	if backup.Version() != held.Version || len(held.Files) != 3 {
		t.Errorf("version %d with files %v, held was %d", backup.Version(), held.Files, held.Version)
	}
	want(t, backup, fmt.Sprintf("2 %030d", 9), 0, "0123456789abcdef")
	want(t, backup, fmt.Sprintf("later %030d", 9), 0, "")
}
