package aged_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

// history is a short life of a table with every kind of change; it notes what is promised.
type history struct {
	promised map[string]string   // flushed: there after any crash
	pending  map[string][]string // put since, in order: a crash may leave any of them
	failed   []error
}

const (
	historyEnd = 1000 // when most of it ends
	historyNow = 500
)

// live runs the history on a table. Errors are noted, and it goes on.
func (h *history) live(table *aged.Table) {
	h.promised, h.pending = map[string]string{}, map[string][]string{}
	puts := func(round int, until int64) {
		for i := range 40 {
			key, value := fmt.Sprint("k", (round*17+i)%90), fmt.Sprintf("value %d of round %d", i, round)
			table.Put([]byte(key), []byte(value), until)
			if until <= historyNow {
				value = ""
			}
			h.pending[key] = append(h.pending[key], value)
		}
	}
	flushed := func() {
		if err := table.Flush(); err != nil {
			h.failed = append(h.failed, err)
			return
		}
		h.promise()
	}
	compacted := func() {
		if _, err := table.Compact(context.Background(), historyNow); err != nil {
			h.failed = append(h.failed, err)
		}
	}
	for round := range 7 {
		until := int64(historyEnd)
		if round == 2 || round == 5 {
			until = historyNow // it hides what lives
		}
		puts(round, until)
		flushed()
		if round%3 == 2 {
			compacted()
		}
	}
	if _, err := table.Expire(historyNow); err != nil {
		h.failed = append(h.failed, err)
	}
	compacted()
	puts(8, historyEnd)
	flushed()
	compacted()
}

// promise notes that a Flush went well.
func (h *history) promise() {
	for k, values := range h.pending {
		h.promised[k] = values[len(values)-1]
	}
	clear(h.pending)
}

// check compares a table with what was put.
func (h *history) check(t *testing.T, table *aged.Table, crashed bool) {
	t.Helper()
	for i := range 90 {
		key := fmt.Sprint("k", i)
		got, _, _, err := table.Get([]byte(key), historyNow)
		allowed := append([]string{h.promised[key]}, h.pending[key]...)
		if !crashed {
			allowed = allowed[len(allowed)-1:]
		}
		if err != nil || !slices.Contains(allowed, string(got)) {
			t.Errorf("key %s is %q, %v, want one of %q", key, got, err, allowed)
		}
	}
}

// settle opens a table after a crash, puts again what was pending and sees that all is well and nothing is left over.
func (h *history) settle(t *testing.T, d *disk) {
	t.Helper()
	table := open(t, d)
	h.check(t, table, true)
	for k, values := range h.pending {
		v, until := values[len(values)-1], int64(historyEnd)
		if v == "" {
			until = historyNow
		}
		put(table, k, v, until)
	}
	h.check(t, table, false)
	if got, files := len(d.names()), table.Stats().Files; got != files+1 {
		t.Errorf("%d files and a manifest, on the disk are %v", files, d.names())
	}
	flush(t, table)
	h.promise()
	compact(t, table, historyNow)
	h.check(t, table, false)
	if err := table.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	_ = table.Close()
}

// From the n-th change on all fail, then the power is cut.
func TestCrashAtEveryChange(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		done := false
		for try, survives := range []float64{0, 0.5, 1} {
			d := newDisk()
			d.fail(n, 1<<30)
			h := &history{promised: map[string]string{}}
			if table, err := tryOpen(d); err == nil {
				h.live(table)
				h.check(t, table, false) // what failed can still be read
				_ = table.Close()
			}
			done = d.changes < n
			d.crash(survives, rand.New(rand.NewPCG(uint64(n), uint64(try))))
			h.settle(t, d)
			if t.Failed() {
				t.Fatalf("that was change %d, %v of what was not synced survived", n, survives)
			}
		}
		if done {
			if n < 80 {
				t.Errorf("the history has only %d changes", n)
			}
			return
		}
	}
}

// Some changes fail and the process lives on: everything stays readable, the next Flush makes it good, or says that only
// opening again does.
func TestFaultAtEveryChange(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		for _, count := range []int{1, 2} {
			survives := float64(n%3) / 2
			d := newDisk()
			table := open(t, d)
			before := d.changes
			d.fail(n, count)
			h := &history{}
			h.live(table)
			if d.changes-before < n {
				return
			}
			h.check(t, table, false)
			d.fail(1, 0)
			for _, err := range h.failed {
				if !errors.Is(err, errDisk) {
					t.Fatalf("fault at change %d: %v", n, err)
				}
			}
			if err := table.Flush(); err == nil {
				h.promise()
			} else if !strings.Contains(err.Error(), "open the table again") {
				t.Fatalf("after a fault at change %d that passed: %v", n, err)
			}
			h.check(t, table, false)
			_ = table.Close()
			d.crash(survives, rand.New(rand.NewPCG(uint64(n), 1)))
			h.settle(t, d)
			if t.Failed() {
				t.Fatalf("that was change %d, %v of what was not synced survived", n, survives)
			}
		}
	}
}

// A cut at every byte of the last file and of the manifest: before its rename neither counts, and the bytes are gone.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	put(table, "a", "v", 1)
	flush(t, table)
	_ = table.Close()
	before := d.names()
	whole := d.now[before[len(before)-1]].data
	for _, name := range []string{"t-0000000002.aged", "t-0000000017.aged", "t-MANIFEST.tmp"} {
		for cut := 0; cut <= len(whole); cut += 7 {
			c := d.clone()
			c.now[filepath.Join("data", name)] = &inode{data: whole[:cut]}
			table := open(t, c)
			want(t, table, "a", 0, "v")
			if got := c.names(); !slices.Equal(got, before) {
				t.Errorf("%s with %d bytes: left are %v", name, cut, got)
			}
			_ = table.Close()
		}
	}
}

// Files that cannot be removed are no fault: they go with the next start.
func TestRemovalFails(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	put(table, "a", "v", 10)
	flush(t, table)
	renamed := len(d.names()) // the removal is the last change of Expire: temp, write, sync, rename, sync of the folder
	d.fail(6, 1)
	if n, err := table.Expire(10); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if len(d.names()) != renamed {
		t.Fatalf("the removal did not fail: %v", d.names())
	}
	_ = table.Close()
	table = open(t, d)
	want(t, table, "a", 9, "")
	if len(d.names()) != 1 {
		t.Errorf("left are %v", d.names())
	}
}

// A read that fails is an error, and no absent key.
func TestReadFails(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	put(table, "a", "v", 10)
	flush(t, table)
	d.noReads = errDisk
	if _, _, ok, err := table.Get([]byte("a"), 0); ok || !errors.Is(err, errDisk) || errors.Is(err, aged.ErrDamaged) {
		t.Errorf("get answers %v, %v", ok, err)
	}
	if err := table.Verify(context.Background()); !errors.Is(err, errDisk) || errors.Is(err, aged.ErrDamaged) {
		t.Errorf("verify answers %v", err)
	}
	d.noReads = nil
	want(t, table, "a", 0, "v")
}

// A file that became shorter under the open table is damaged.
func TestReadBehindTheEnd(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	put(table, "a", "v", 10)
	flush(t, table)
	n := d.now["data/t-0000000001.aged"]
	n.data = n.data[:7]
	if _, _, ok, err := table.Get([]byte("a"), 0); ok || !errors.Is(err, aged.ErrDamaged) {
		t.Errorf("get answers %v, %v", ok, err)
	}
}
