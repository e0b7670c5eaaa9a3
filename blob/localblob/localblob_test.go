package localblob_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob/blobtest"
	"github.com/semabus/semabus/blob/driver"
	"github.com/semabus/semabus/blob/localblob"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Harness{Open: func(t *testing.T, clock semabus.Clock) blobtest.Backend {
		dir := t.TempDir()
		var open *localblob.Store
		reopen := func() driver.Driver {
			if open != nil {
				must(t, open.Close()) // gives back the lock, and nothing else, as the kernel does for a killed process
			}
			open = store(t, localblob.Options{Dir: dir, Clock: clock})
			return open
		}
		return blobtest.Backend{Driver: reopen(), Reopen: reopen, Damage: func(tenant, hash string, offset int64) {
			flip(t, find(t, dir, tenant, hash), offset)
		}}
	}})
}

func store(t testing.TB, o localblob.Options) *localblob.Store {
	t.Helper()
	s, err := localblob.Open(o)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// find is the file of a blob; where several tenants have it, the one of that tenant.
func find(t testing.TB, dir, tenant, hash string) string {
	t.Helper()
	name := localblob.Path(dir, tenant, hash)
	if _, err := os.Stat(name); err != nil {
		t.Fatal(err)
	}
	return name
}

// flip changes a bit of the byte at an offset; a negative one counts from the end.
func flip(t testing.TB, name string, offset int64) {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	if offset < 0 {
		offset += int64(len(b))
	}
	b[offset] ^= 0x10
	must(t, os.WriteFile(name, b, 0o600))
}

func put(t testing.TB, s *localblob.Store, b []byte) string {
	t.Helper()
	h := hashOf(b)
	must(t, s.Put(t.Context(), tenant, h, int64(len(b)), bytes.NewReader(b)))
	return h
}

// TestEveryByteOfTheFileCounts damages files in every region and cuts them at every kind of place.
func TestEveryByteOfTheFileCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := store(t, localblob.Options{Dir: dir})
	content := bytes.Repeat([]byte("0123456789"), 14_000) // three blocks
	whole := int64(len(content)) + 3*32 + 80
	for _, at := range []int64{0, 65_536, 139_999, 140_000, 140_040, 140_095, 140_096, 140_128, 140_136, 140_144, whole - 1} {
		h := put(t, s, content)
		flip(t, find(t, dir, tenant, h), at)
		damaged(t, s, h, "bit changed at", at)
	}
	for _, n := range []int64{0, 1, 79, 80, 100, 65_536, 140_000, 140_096, whole - 1} {
		h := put(t, s, content)
		must(t, os.Truncate(find(t, dir, tenant, h), n))
		damaged(t, s, h, "cut to", n)
	}
	h := put(t, s, content)
	other := put(t, s, []byte("another blob"))
	must(t, os.Rename(find(t, dir, tenant, other), find(t, dir, tenant, h)))
	damaged(t, s, h, "another blob under the name", 0)
}

func damaged(t *testing.T, s *localblob.Store, hash, what string, n int64) {
	t.Helper()
	_, err := read(t, s, hash)
	if semabus.CodeOf(err) != semabus.CodeDataLoss || semabus.ReasonOf(err) != semabus.ReasonDataDamaged {
		t.Errorf("%s %d: %v, want DATA_LOSS", what, n, err)
	}
	if _, err := s.List(t.Context(), tenant, "", 10); err != nil {
		t.Errorf("%s %d: List: %v", what, n, err) // so that it can be swept
	}
}

func TestNamesAreNoPaths(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "blobs")
	s := store(t, localblob.Options{Dir: dir})
	for _, name := range []string{"../../x", "/etc", "..", "", strings.Repeat("a/", 5000), "nul\x00"} {
		b := []byte("content")
		must(t, s.Put(t.Context(), name, hashOf(b), int64(len(b)), bytes.NewReader(b)))
	}
	for _, hash := range []string{"", "../../../x", strings.Repeat("0", 63) + "/", strings.Repeat("A", 64)} {
		err := s.Put(t.Context(), tenant, hash, 1, strings.NewReader("x"))
		_, _, err2 := s.Open(t.Context(), tenant, hash, 0)
		_, err3 := s.Stat(t.Context(), tenant, []string{hash})
		for _, err := range []error{err, err2, err3} {
			if semabus.CodeOf(err) != semabus.CodeInvalidArgument {
				t.Errorf("hash %.20q: %v, want INVALID_ARGUMENT", hash, err)
			}
		}
	}
	if _, err := s.List(t.Context(), tenant, "..", 1); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
		t.Errorf("List after \"..\": %v, want INVALID_ARGUMENT", err)
	}
	entries, err := os.ReadDir(parent)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("%d entries beside the folder, want none", len(entries)-1)
	}
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := store(t, localblob.Options{Dir: dir})
	h := put(t, s, []byte("content"))
	shard := filepath.Dir(find(t, dir, tenant, h))
	must(t, os.WriteFile(filepath.Join(shard, "notes.txt"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(filepath.Dir(shard), ".hidden"), nil, 0o600))
	list, err := s.List(t.Context(), tenant, "", 10)
	if err != nil || len(list) != 1 || list[0].Hash != h {
		t.Errorf("List: %v, %v; want the one blob", list, err)
	}
}

func TestOneProcessAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := localblob.Open(localblob.Options{Dir: dir})
	must(t, err)
	h := put(t, s, []byte("x"))
	if _, err := localblob.Open(localblob.Options{Dir: dir}); semabus.ReasonOf(err) != semabus.ReasonDataInUse {
		t.Errorf("second Open: %v, want DATA_IN_USE", err)
	}
	must(t, s.Close())
	must(t, s.Close())
	if _, _, err := s.Open(t.Context(), tenant, h, 0); semabus.ReasonOf(err) != semabus.ReasonShuttingDown {
		t.Errorf("after Close: %v, want SHUTTING_DOWN", err)
	}
	again := store(t, localblob.Options{Dir: dir})
	if b, err := read(t, again, h); err != nil || string(b) != "x" {
		t.Errorf("after reopening: %q, %v", b, err)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	if _, err := localblob.Open(localblob.Options{}); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
		t.Errorf("no folder: %v, want INVALID_ARGUMENT", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := localblob.Open(localblob.Options{Dir: file}); semabus.CodeOf(err) != semabus.CodeUnavailable || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file in place of the folder: %v, want UNAVAILABLE", err)
	}
}
