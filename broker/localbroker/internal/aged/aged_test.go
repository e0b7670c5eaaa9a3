package aged_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

// open opens the table "t-" in the folder "data" of a disk, with small files of many tiers.
func open(t testing.TB, d *disk, change ...func(*aged.Options)) *aged.Table {
	t.Helper()
	table, err := tryOpen(d, change...)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = table.Close() })
	return table
}

func tryOpen(d *disk, change ...func(*aged.Options)) (*aged.Table, error) {
	o := aged.Options{FS: d.begin().fs(), Dir: "data", Prefix: "t-"}
	for _, c := range change {
		c(&o)
	}
	table, err := aged.Open(o)
	if err == nil {
		aged.SetSizes(table, 2<<10, 32<<10)
	}
	return table, err
}

func put(table *aged.Table, key, value string, until int64) {
	table.Put([]byte(key), []byte(value), until)
}

func flush(t testing.TB, table *aged.Table) {
	t.Helper()
	if err := table.Flush(); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

// compact does all of the work there is.
func compact(t testing.TB, table *aged.Table, now int64) {
	t.Helper()
	for more, n := true, 0; more; n++ {
		var err error
		if more, err = table.Compact(context.Background(), now); err != nil {
			t.Fatalf("compact: %v", err)
		}
		if n > 1000 {
			t.Fatal("compact has found work a thousand times")
		}
	}
}

// want checks what a key is at a time; "" is nothing.
func want(t testing.TB, table *aged.Table, key string, now int64, value string) {
	t.Helper()
	got, _, ok, err := table.Get([]byte(key), now)
	if err != nil || string(got) != value || ok != (value != "") {
		t.Errorf("key %s at %d is %q, %v, %v, want %q", key, now, got, ok, err, value)
	}
}

func TestKeepsUntilTheEnd(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	put(table, "a", "first", 100)
	want(t, table, "a", 99, "first")
	want(t, table, "a", 100, "")
	flush(t, table)
	want(t, table, "a", 99, "first")
	want(t, table, "a", 100, "")
	want(t, table, "b", 0, "")
	put(table, "a", "second", 200)
	want(t, table, "a", 150, "second")
	if got, until, ok, err := table.Get([]byte("a"), 0); string(got) != "second" || until != 200 || !ok || err != nil {
		t.Errorf("a is %q until %d, %v, %v", got, until, ok, err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, d)
	want(t, again, "a", 99, "first") // the second one was pending
}

func TestEmptyKeyAndValue(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	for _, where := range []string{"memory", "file"} {
		table.Put(nil, []byte("no key"), math.MaxInt64)
		table.Put([]byte("no value"), nil, math.MaxInt64)
		if where == "file" {
			flush(t, table)
		}
		want(t, table, "", math.MaxInt64-1, "no key")
		if got, _, ok, err := table.Get([]byte("no value"), 0); len(got) != 0 || !ok || err != nil {
			t.Errorf("in %s: the key without value is %q, %v, %v", where, got, ok, err)
		}
	}
}

// The newest Put wins, also one that ends earlier, and also when the file it is in could go.
func TestShortenedEndStays(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	put(table, "k", "long", 1000)
	put(table, "other", "long", 1000)
	flush(t, table)
	put(table, "k", "short", 10)
	put(table, "k2", "short", 10)
	flush(t, table)
	want(t, table, "k", 9, "short")
	want(t, table, "k", 20, "")
	if n, err := table.Expire(20); n != 0 || err != nil {
		t.Errorf("the newer file was dropped while the older one has the key: %d, %v", n, err)
	}
	want(t, table, "k", 20, "")
	compact(t, table, 20)
	want(t, table, "k", 20, "")
	want(t, table, "other", 20, "long")
	if got := table.Stats(); got.Entries > 3 {
		t.Errorf("%d entries after k2 ended, want at most 3", got.Entries)
	}
	_ = table.Close()
	again := open(t, d)
	want(t, again, "k", 20, "")
	if n, err := again.Expire(1000); n != again.Stats().Files+n || err != nil {
		t.Errorf("everything has ended, %d dropped, %v, left %+v", n, err, again.Stats())
	}
	want(t, again, "k", 1000, "")
}

func TestExpireDropsWholeFiles(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	for i := range 3 {
		put(table, fmt.Sprint("k", i), "v", int64(10*(i+1)))
		flush(t, table)
	}
	for now, left := range []int{3, 2, 1, 0} {
		if _, err := table.Expire(int64(10 * now)); err != nil {
			t.Fatal(err)
		}
		if got := table.Stats().Files; got != left || len(d.names()) != left+1 {
			t.Errorf("at %d: %d files in %v, want %d", 10*now, got, d.names(), left)
		}
	}
	if table.Bytes() != 0 {
		t.Errorf("%d bytes without a file", table.Bytes())
	}
}

func TestMaxBytesDropsTheOldest(t *testing.T) {
	t.Parallel()
	const limit = 8 << 10
	table := open(t, newDisk(), func(o *aged.Options) { o.MaxBytes = limit })
	for i := range 40 {
		put(table, fmt.Sprint("k", i), string(bytes.Repeat([]byte("x"), 500)), math.MaxInt64)
		flush(t, table)
		compact(t, table, 0)
		if _, err := table.Expire(0); err != nil {
			t.Fatal(err)
		}
		if table.Bytes() > limit {
			t.Fatalf("%d bytes after flush %d", table.Bytes(), i)
		}
		want(t, table, fmt.Sprint("k", i), 0, string(bytes.Repeat([]byte("x"), 500)))
	}
	var kept []bool
	for i := range 40 {
		_, _, ok, err := table.Get(fmt.Append(nil, "k", i), 0)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, ok)
	}
	first := slices.Index(kept, true)
	if first < 20 || first > 35 || slices.Contains(kept[first:], false) {
		t.Errorf("kept are %v: not the newest ones", kept)
	}
}

// Two keys of one hash are two keys, in memory, in a file, in one block and in two.
func TestEqualHashes(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	const hash = 0x1234_5678_9abc_def0
	for _, size := range []int{1, 3000} {
		for i := range 5 {
			aged.PutHash(table, hash, fmt.Append(nil, "k", i), bytes.Repeat([]byte{byte(i)}, size+i), 1)
		}
		for range 2 {
			for i := range 5 {
				got, ok, err := aged.GetHash(table, hash, fmt.Append(nil, "k", i))
				if err != nil || !ok || !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, size+i)) {
					t.Errorf("key %d with %d bytes: %d bytes, %v, %v", i, size, len(got), ok, err)
				}
			}
			if _, ok, err := aged.GetHash(table, hash, []byte("k5")); ok || err != nil {
				t.Errorf("a key that is not there: %v, %v", ok, err)
			}
			flush(t, table)
		}
	}
}

func TestLargeValues(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 40_000+i) }
	for i := range 100 {
		table.Put(binary.BigEndian.AppendUint64(make([]byte, 1000), uint64(i)), value(i), 1)
	}
	flush(t, table) // several windows, and writes before the end
	_ = table.Close()
	table = open(t, d)
	for i := range 100 {
		got, _, ok, err := table.Get(binary.BigEndian.AppendUint64(make([]byte, 1000), uint64(i)), 0)
		if err != nil || !ok || !bytes.Equal(got, value(i)) {
			t.Fatalf("value %d: %d bytes, %v, %v", i, len(got), ok, err)
		}
	}
	if err := table.Verify(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestPending(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	for range 3 { // putting again adds nothing
		put(table, "a", "12345", 10)
		put(table, "b", "12345", 10)
	}
	put(table, "a", "123", 20)
	entries, size := table.Pending()
	if entries != 2 || size < 12 || size > 500 {
		t.Errorf("%d entries of %d bytes are pending, want 2", entries, size)
	}
	want(t, table, "a", 15, "123")
	put(table, "a", "123456", 20)
	if n, more := table.Pending(); n != 2 || more <= size {
		t.Errorf("%d entries of %d bytes after a longer value, before %d", n, more, size)
	}
	flush(t, table)
	if entries, size := table.Pending(); entries != 0 || size != 0 {
		t.Errorf("%d entries of %d bytes are pending after Flush", entries, size)
	}
	version, files := table.Version(), table.Stats().Files
	flush(t, table)
	if table.Version() != version || table.Stats().Files != files {
		t.Error("a Flush of nothing changed the files")
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	const n = 5000
	for i := range n {
		put(table, fmt.Sprint("k", i), "v", int64(i))
		if i%(n/4) == n/4-1 {
			flush(t, table)
		}
	}
	for now := int64(-1); now <= n; now += n / 10 {
		live, got := n-max(now+1, 0), table.Count(now)
		if math.Abs(float64(got-live)) > n/20 {
			t.Errorf("at %d it counts %d, there are %d", now, got, live)
		}
	}
	if got := table.Count(n); got != 0 {
		t.Errorf("it counts %d when all have ended", got)
	}
	if got := table.Count(-1); got != n {
		t.Errorf("it counts %d before any ends, want %d", got, n)
	}
}

func TestEachAndVerify(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	for i := range 500 {
		put(table, fmt.Sprint("k", i%200), fmt.Sprint("v", i), int64(i))
		if i%90 == 0 {
			flush(t, table)
		}
	}
	flush(t, table)
	const now = 400
	seen := map[string]string{}
	err := table.Each(context.Background(), now, func(key, value []byte, until int64) error {
		if _, known := seen[string(key)]; known || until <= now {
			t.Errorf("key %s until %d, seen before: %v", key, until, known)
		}
		seen[string(key)] = string(value)
		return nil
	})
	if err != nil || len(seen) != 99 {
		t.Errorf("%d entries, want 99: %v", len(seen), err)
	}
	for key, value := range seen {
		want(t, table, key, now, value)
	}
	stop := errors.New("stop")
	if err := table.Each(context.Background(), 0, func([]byte, []byte, int64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("each went on after an error: %v", err)
	}
	if err := table.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(stop)
	if err := table.Verify(ctx); !errors.Is(err, stop) {
		t.Errorf("verify went on after its context: %v", err)
	}
	if _, err := table.Compact(ctx, 0); !errors.Is(err, stop) {
		t.Errorf("compact went on after its context: %v", err)
	}
	if err := table.Verify(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	table := open(t, newDisk())
	put(table, "a", "v", 1)
	flush(t, table)
	for range 2 {
		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, _, _, err := table.Get([]byte("a"), 0)
	_, expire := table.Expire(0)
	_, compact := table.Compact(context.Background(), 0)
	_, hold := table.Hold()
	for what, err := range map[string]error{
		"get": err, "flush": table.Flush(), "expire": expire, "compact": compact, "hold": hold,
		"each":   table.Each(context.Background(), 0, func([]byte, []byte, int64) error { return nil }),
		"verify": table.Verify(context.Background()),
	} {
		if !errors.Is(err, aged.ErrClosed) {
			t.Errorf("%s answers %v", what, err)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*aged.Options){
		"no file system": func(o *aged.Options) { o.FS = nil },
		"no folder":      func(o *aged.Options) { o.Dir = "" },
		"prefix":         func(o *aged.Options) { o.Prefix = "a/b" },
		"negative bound": func(o *aged.Options) { o.MaxBytes = -1 },
		"negative cache": func(o *aged.Options) { o.CacheBytes = -1 },
	} {
		if _, err := tryOpen(newDisk(), change); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Tables of other prefixes live in the same folder, and a table of another owner is refused.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	d := newDisk()
	prefix := func(p string, id byte) func(*aged.Options) {
		return func(o *aged.Options) { o.Prefix, o.ID = p, [16]byte{id} }
	}
	for _, p := range []string{"", "a", "a0", "a00"} {
		table := open(t, d, prefix(p, 1))
		put(table, "k", "of "+p, 1)
		flush(t, table)
		_ = table.Close()
	}
	for _, p := range []string{"", "a", "a0", "a00"} {
		table := open(t, d, prefix(p, 1))
		want(t, table, "k", 0, "of "+p)
		if id := table.ID(); id != [16]byte{1} {
			t.Errorf("the id of table %q is %x", p, id)
		}
		if _, err := tryOpen(d, prefix(p, 2)); !errors.Is(err, aged.ErrForeign) {
			t.Errorf("another owner's table %q is answered with %v", p, err)
		}
		_ = table.Close()
		want(t, open(t, d, prefix(p, 0)), "k", 0, "of "+p) // who has no id takes what is there
	}
}
