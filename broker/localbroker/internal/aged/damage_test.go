package aged_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

// small is a closed table of two files with some blocks each.
func small(t testing.TB) (*disk, map[string]string) {
	t.Helper()
	d, keys := newDisk(), map[string]string{}
	table := open(t, d)
	for file := range 2 {
		for i := range 12 {
			key, value := fmt.Sprintf("key %d", i*(file+1)), strings.Repeat(fmt.Sprint(file), 300+i)
			if i%3 == 0 {
				value = value[:9]
			}
			put(table, key, value, int64(100+i))
			keys[key] = value
		}
		put(table, fmt.Sprint("large ", file), strings.Repeat("x", 2500), 100)
		keys[fmt.Sprint("large ", file)] = strings.Repeat("x", 2500)
		flush(t, table)
	}
	_ = table.Close()
	return d, keys
}

// inspect opens a table that may be damaged and reads all of it. It fails the test for a wrong answer; found says that
// something was noticed, with an error that names the file.
func inspect(t *testing.T, d *disk, keys map[string]string, file string) (found bool) {
	t.Helper()
	named := func(err error) {
		t.Helper()
		found = true
		var damage *aged.DamageError
		if !errors.Is(err, aged.ErrDamaged) && !errors.Is(err, aged.ErrForeign) {
			t.Errorf("the error is not one of damage: %v", err)
		}
		if errors.As(err, &damage) && (damage.File != file || damage.Offset < 0) {
			t.Errorf("the damage is in %s, the error says %v", file, err)
		}
	}
	table, err := tryOpen(d)
	if err != nil {
		named(err)
		return found
	}
	defer table.Close()
	for key, value := range keys {
		got, _, ok, err := table.Get([]byte(key), 0)
		if err != nil {
			named(err)
		} else if !ok || string(got) != value {
			t.Errorf("a wrong answer: key %s is %.20q, %v, want %.20q", key, got, ok, value)
		}
	}
	if err := table.Each(context.Background(), 0, func(key, value []byte, _ int64) error {
		if keys[string(key)] != string(value) {
			t.Errorf("a wrong answer: each says that key %s is %.20q", key, value)
		}
		return nil
	}); err != nil {
		named(err)
	}
	if err := table.Verify(context.Background()); err != nil {
		named(err)
	}
	return found
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	t.Parallel()
	d, keys := small(t)
	if inspect(t, d.clone(), keys, "") {
		t.Fatal("the table is damaged before anything was done to it")
	}
	for _, name := range d.names() {
		for at := range d.now[name].data {
			c := d.clone()
			c.now[name].data[at] ^= 1 << (at % 8)
			if !inspect(t, c, keys, filepath.Base(name)) || t.Failed() {
				t.Fatalf("a bit of byte %d of %s was flipped", at, name)
			}
		}
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	t.Parallel()
	d, keys := small(t)
	for _, name := range d.names() {
		for size := range d.now[name].data {
			c := d.clone()
			c.now[name].data = c.now[name].data[:size]
			if !inspect(t, c, keys, filepath.Base(name)) {
				t.Fatalf("%s was cut to %d bytes and nobody noticed", name, size)
			}
		}
		c := d.clone()
		c.now[name].data = append(c.now[name].data, 0)
		if !inspect(t, c, keys, filepath.Base(name)) {
			t.Errorf("%s has a byte more and nobody noticed", name)
		}
		c = d.clone()
		delete(c.now, name)
		if !inspect(t, c, keys, filepath.Base(name)) {
			t.Errorf("%s is missing and nobody noticed", name)
		}
	}
}

// A file in the place of another one, of this table or of one with the same content, is noticed.
func TestSwappedFiles(t *testing.T) {
	t.Parallel()
	d, keys := small(t)
	other, _ := small(t) // of another id
	names := d.names()
	for _, pair := range [][2]string{{names[0], names[1]}, {names[1], names[0]}} {
		c := d.clone()
		c.now[pair[0]].data = slices.Clone(d.now[pair[1]].data)
		if !inspect(t, c, keys, filepath.Base(pair[0])) {
			t.Errorf("%s has the content of %s and nobody noticed", pair[0], pair[1])
		}
		c = d.clone()
		c.now[pair[0]].data = slices.Clone(other.now[pair[0]].data)
		if !inspect(t, c, keys, filepath.Base(pair[0])) {
			t.Errorf("%s is that of another table and nobody noticed", pair[0])
		}
	}
	c := d.clone()
	c.now[names[2]].data = slices.Clone(other.now[names[2]].data)
	if !inspect(t, c, keys, filepath.Base(names[0])) {
		t.Error("the manifest is that of another table and nobody noticed")
	}
}

// A file with the right name, id and size that is not the one of this manifest is noticed.
func TestFileOfAnotherPast(t *testing.T) {
	t.Parallel()
	past := func(value string) *disk {
		d := newDisk()
		table := open(t, d, func(o *aged.Options) { o.ID = [16]byte{1} })
		put(table, "k", value, 10)
		flush(t, table)
		_ = table.Close()
		return d
	}
	const name = "t-0000000001.aged"
	d := past("one")
	d.now["data/"+name] = past("two").now["data/"+name]
	if !inspect(t, d, map[string]string{"k": "one"}, name) {
		t.Error("nobody noticed")
	}
}

// Blocks that trade places are noticed, though each is as it was written.
func TestSwappedBlocks(t *testing.T) {
	t.Parallel()
	const size = 4 + 1 + 2 + 8 + 2 + 3000 // checksum, lengths, end, key, value
	d := newDisk()
	table := open(t, d)
	keys := map[string]string{}
	for i := range 3 {
		keys[fmt.Sprint("k", i)] = strings.Repeat(fmt.Sprint(i), 3000)
		put(table, fmt.Sprint("k", i), keys[fmt.Sprint("k", i)], 10)
	}
	flush(t, table)
	_ = table.Close()
	data := d.now["data/t-0000000001.aged"].data
	first := slices.Clone(data[:size])
	copy(data, data[size:2*size])
	copy(data[size:], first)
	if !strings.HasSuffix(string(first), "000") && !strings.HasSuffix(string(first), "111") && !strings.HasSuffix(string(first), "222") {
		t.Fatalf("the first block does not end after %d bytes", size)
	}
	if !inspect(t, d, keys, "t-0000000001.aged") {
		t.Error("two blocks have traded places and nobody noticed")
	}
}

// An owner who noted the version down finds out that the whole table is an older one.
func TestVersionRises(t *testing.T) {
	t.Parallel()
	d := newDisk()
	table := open(t, d)
	versions := []uint64{table.Version()}
	step := func() { versions = append(versions, table.Version()) }
	put(table, "a", "v", 10)
	flush(t, table)
	step()
	put(table, "b", "v", 10)
	flush(t, table)
	step()
	old := d.clone()
	put(table, "c", "v", 20)
	flush(t, table)
	step()
	if _, err := table.Expire(10); err != nil {
		t.Fatal(err)
	}
	step()
	_ = table.Close()
	table = open(t, d)
	if table.Version() != versions[len(versions)-1] || !slices.IsSorted(versions) || len(slices.Compact(slices.Clone(versions))) != 5 {
		t.Errorf("versions %v, %d after opening again", versions, table.Version())
	}
	if got := open(t, old).Version(); got >= table.Version() {
		t.Errorf("the older table has version %d", got)
	}
}
