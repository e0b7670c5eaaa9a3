package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob/driver"
)

// tenants look like paths, like each other, or like nothing.
var tenants = []string{"default", "Default", "../default", "/", "..", ".", "tmp", "lock", "a/b", "a\x00b", "租户", string(bytes.Repeat([]byte("x"), 256))}

func readCases() []testCase {
	return []testCase{
		{"read/from any offset", offsets},
		{"read/unknown", func(r *rig) {
			h := hashOf([]byte("never stored"))
			r.lacks(tenant, h)
			r.put(tenant, []byte("something else"))
			r.lacks(tenant, h)
			_, err := r.s.Stat(r.t.Context(), tenant, h)
			r.code("Stat", err, semabus.CodeNotFound)
		}},
		{"read/tenants are apart", apart},
		{"read/damage is found before a wrong byte", damage},
		{"read/putting again mends", func(r *rig) {
			b := content(1, 100_000)
			h := r.put(tenant, b)
			r.b.Damage(tenant, h, 50_000)
			r.put(tenant, b)
			r.holds(tenant, b)
		}},
		{"read/goes on after a deletion", afterDeletion},
		{"read/cancelled context", cancelledCalls},
		{"read/stat and touch keep the order", ordered},
	}
}

// damage changes single bytes and reads over them.
func damage(r *rig) {
	const n = 200_000
	for i, at := range []int64{0, 65_535, 65_536, 150_000, n - 1} {
		b := content(uint64(i), n)
		h := r.put(tenant, b)
		r.b.Damage(tenant, h, at)
		for _, from := range []int64{0, 70_000, at} {
			if from > at {
				continue
			}
			got, _, err := r.get(tenant, h, from)
			r.code("reading over damage", err, semabus.CodeDataLoss)
			if int64(len(got)) > at-from || !bytes.Equal(got, b[from:from+int64(len(got))]) {
				r.t.Errorf("damage at %d, read from %d: %d bytes were handed out", at, from, len(got))
			}
		}
		if _, _, err := r.get(tenant, h, 0); semabus.ReasonOf(err) != semabus.ReasonDataDamaged {
			r.t.Errorf("damage at %d: %v, want DATA_DAMAGED", at, err)
		}
	}
}

// apart gives tenants with odd names contents of their own and one in common.
func apart(r *rig) {
	shared := []byte("what all of them have")
	for _, name := range tenants {
		r.lacks(name, hashOf(shared))
		r.put(name, shared)
		r.put(name, []byte("of "+name))
	}
	for _, name := range tenants {
		r.holds(name, shared)
		for _, other := range tenants {
			if other != name {
				r.lacks(name, hashOf([]byte("of "+other)))
			}
		}
		if list, err := r.d.List(r.t.Context(), name, "", 10); err != nil || len(list) != 2 {
			r.t.Errorf("tenant %q lists %v, %v; want its two blobs", name, list, err)
		}
	}
	r.clock.add(time.Hour)
	if n, err := r.d.Delete(r.t.Context(), tenants[0], r.clock.Now(), []string{hashOf(shared)}); n != 1 || err != nil {
		r.t.Errorf("Delete: %d, %v", n, err)
	}
	r.lacks(tenants[0], hashOf(shared))
	for _, name := range tenants[1:] {
		r.holds(name, shared)
	}
}

// afterDeletion deletes a blob that is being read.
func afterDeletion(r *rig) {
	b := content(1, 300_000)
	h := r.put(tenant, b)
	rd, _, err := r.d.Open(r.t.Context(), tenant, h, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rd.Close()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(rd, head); err != nil {
		r.t.Fatal(err)
	}
	r.clock.add(time.Second)
	if n, err := r.d.Delete(r.t.Context(), tenant, r.clock.Now(), []string{h}); n != 1 || err != nil {
		r.t.Fatalf("Delete: %d, %v", n, err)
	}
	rest, err := io.ReadAll(rd)
	if err != nil || !bytes.Equal(slices.Concat(head, rest), b) {
		r.t.Errorf("%d bytes after the deletion: %v", len(rest), err)
	}
	r.lacks(tenant, h)
}

// cancelledCalls makes every call with an ended context.
func cancelledCalls(r *rig) {
	h := r.put(tenant, []byte("x"))
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel()
	_, _, err := r.d.Open(ctx, tenant, h, 0)
	_, err2 := r.d.Stat(ctx, tenant, []string{h})
	_, err3 := r.d.List(ctx, tenant, "", 1)
	_, err4 := r.d.Touch(ctx, tenant, []string{h})
	_, err5 := r.d.Delete(ctx, tenant, r.clock.Now().Add(time.Hour), []string{h})
	for i, err := range []error{err, err2, err3, err4, err5} {
		if !errors.Is(err, context.Canceled) {
			r.t.Errorf("call %d: %v, want context.Canceled", i, err)
		}
	}
	_, _, err = r.s.Open(ctx, tenant, h, 0)
	r.code("portable", err, semabus.CodeCanceled)
	r.holds(tenant, []byte("x"))
}

// ordered asks for several blobs at once, some of them unknown or twice.
func ordered(r *rig) {
	a, b := r.put(tenant, []byte("a")), r.put(tenant, []byte("bb"))
	none := hashOf([]byte("none"))
	before := r.clock.Now()
	r.clock.add(time.Minute)
	stats, err := r.d.Stat(r.t.Context(), tenant, []string{b, none, a, b})
	if err != nil || len(stats) != 4 || stats[0].Hash != b || stats[1] != (driver.Info{}) || stats[2].Hash != a || stats[3] != stats[0] ||
		stats[0].Size != 2 || !stats[2].Touched.Equal(before) {
		r.t.Errorf("Stat: %+v, %v", stats, err)
	}
	touched, err := r.d.Touch(r.t.Context(), tenant, []string{none, b})
	if err != nil || len(touched) != 2 || touched[0] != (driver.Info{}) || touched[1].Hash != b || !touched[1].Touched.Equal(r.clock.Now()) {
		r.t.Errorf("Touch: %+v, %v", touched, err)
	}
	if got := r.stat(tenant, a).Touched; !got.Equal(before) {
		r.t.Errorf("a blob that was not named was touched at %v", got)
	}
	r.lacks(tenant, none)
}

// offsets reads from around the borders of blocks, and behind the end.
func offsets(r *rig) {
	b := content(1, 200_000)
	h := r.put(tenant, b)
	for _, from := range []int64{0, 1, 65535, 65536, 65537, 131071, 199_999, 200_000} {
		got, size, err := r.get(tenant, h, from)
		if err != nil || size != 200_000 || !bytes.Equal(got, b[from:]) {
			r.t.Errorf("from %d: %d bytes of size %d: %v", from, len(got), size, err)
		}
	}
	_, _, err := r.get(tenant, h, 200_001)
	r.code("behind the end", err, semabus.CodeOutOfRange)
	empty := r.put(tenant, nil)
	if got, size, err := r.get(tenant, empty, 0); err != nil || size != 0 || len(got) != 0 {
		r.t.Errorf("an empty blob: %d bytes of size %d: %v", len(got), size, err)
	}
	_, _, err = r.get(tenant, empty, 1)
	r.code("behind the end of nothing", err, semabus.CodeOutOfRange)
}
