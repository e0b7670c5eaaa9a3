package aged_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

func FuzzBlock(f *testing.F) {
	two := aged.AppendEntry(aged.AppendEntry(nil, []byte("key"), []byte("value"), 7), []byte("k2"), nil, -1)
	f.Add(two, uint32(2), []byte("k2"))
	f.Add(two[:len(two)-1], uint32(3), []byte("k3"))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0}, uint32(1), []byte(""))
	f.Fuzz(func(t *testing.T, entries []byte, count uint32, key []byte) {
		if _, found, ok := aged.FindEntry(entries, count%1000, key); found && !ok {
			t.Error("found in what is no block")
		}
		whole := aged.AppendEntry(aged.AppendEntry(nil, append([]byte("x"), key...), nil, 3), key, entries, 5)
		value, found, ok := aged.FindEntry(whole, 2, key)
		if !ok || !found || !bytes.Equal(value, entries) {
			t.Errorf("an entry of %d and %d bytes came back as %d, %v, %v", len(key), len(entries), len(value), found, ok)
		}
		if _, _, ok := aged.FindEntry(whole[:len(whole)-1], 3, []byte("y")); ok {
			t.Error("a block that is cut off is taken for a whole one")
		}
	})
}

func FuzzFooter(f *testing.F) {
	d, _ := small(f)
	data := d.now[d.names()[1]].data
	f.Add(data[len(data)-aged.FooterBytes:], int64(len(data)), uint32(1))
	f.Add([]byte{}, int64(-1), uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, size int64, number uint32) {
		for _, b := range [][]byte{b, aged.SealFooter(b, number)} {
			if err := aged.DecodeFooter(b, size, number); err != nil && !errors.Is(err, aged.ErrDamaged) && !errors.Is(err, aged.ErrForeign) {
				t.Errorf("a bad footer is answered with %v", err)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	d, _ := small(f)
	whole := d.now["data/t-MANIFEST"].data
	f.Add(whole)
	f.Add(whole[21 : len(whole)-4])
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, aged.SealManifest(b)} {
			again, err := aged.DecodeManifest(b)
			if err != nil && !errors.Is(err, aged.ErrDamaged) && !errors.Is(err, aged.ErrForeign) {
				t.Errorf("a bad manifest is answered with %v", err)
			}
			if err == nil && len(again) > len(b) { // uvarints may be longer than needed
				t.Errorf("a manifest of %d bytes has %d when it is written again", len(b), len(again))
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	own := []uint64{1, 1 << 40, 1 << 60, 1 << 63}
	_, _, data, buckets, blocks := aged.BuildIndex(4, own, nil)
	f.Add(data, uint32(4), blocks, buckets, uint64(100), uint64(1<<60))
	f.Fuzz(func(t *testing.T, data []byte, entries, blocks, buckets uint32, end, hash uint64) {
		if _, sound := aged.DecodeIndex(data, entries, blocks, buckets, end, hash, 0, 1<<64-1); !sound {
			t.Error("the index leads outside of its file")
		}
	})
}
