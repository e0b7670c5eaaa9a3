package localblob_test

import (
	"bytes"
	"os"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob/localblob"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 1, 65_535, 65_536, 65_537, 1 << 20, 1<<28 + 3, 1 << 40} {
		if got := localblob.SizeOf(localblob.FileSize(size)); got != size {
			t.Errorf("the file of %d bytes is taken for one of %d", size, got)
		}
	}
}

func FuzzTrailer(f *testing.F) {
	dir := f.TempDir()
	s := store(f, localblob.Options{Dir: dir})
	for _, n := range []int{0, 1, 65_536, 65_537} {
		b := bytes.Repeat([]byte{'x'}, n)
		h := put(f, s, b)
		file, err := os.ReadFile(find(f, dir, tenant, h))
		must(f, err)
		f.Add(file[n:], int64(n), h)
	}
	f.Add([]byte{}, int64(-1), "")
	f.Fuzz(func(t *testing.T, b []byte, size int64, hash string) {
		if size < 0 || size > 1<<40 {
			return // a file's length gives the size
		}
		got, err := localblob.ReadTrailer(b, size, hash)
		if err != nil && semabus.CodeOf(err) != semabus.CodeDataLoss {
			t.Fatalf("error %v, want DATA_LOSS", err)
		}
		if err == nil && got != size {
			t.Fatalf("size %d, want %d", got, size)
		}
	})
}
