package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing/iotest"
	"time"

	semabus "github.com/semabus/semabus"
)

// sizes of contents: around powers of two, where blocks and chunks end.
var sizes = []int{0, 1, 31, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 300_000, 4<<20 + 1}

func putCases() []testCase {
	return []testCase{
		{"put/sizes", func(r *rig) {
			for i, n := range sizes {
				b := content(uint64(i), n)
				h := r.put(tenant, b)
				r.holds(tenant, b)
				if in := r.stat(tenant, h); in.Size != int64(n) || !in.Touched.Equal(r.clock.Now()) {
					r.t.Errorf("Stat of %d bytes put at %v: %+v", n, r.clock.Now(), in)
				}
			}
		}},
		{"put/reader in small pieces", func(r *rig) {
			b := content(1, 70_000)
			if err := r.d.Put(r.t.Context(), tenant, hashOf(b), int64(len(b)), iotest.OneByteReader(bytes.NewReader(b))); err != nil {
				r.t.Fatal(err)
			}
			r.holds(tenant, b)
		}},
		{"put/again touches", func(r *rig) {
			b := content(1, 5000)
			h := r.put(tenant, b)
			r.clock.add(time.Minute)
			r.put(tenant, b)
			if in := r.stat(tenant, h); !in.Touched.Equal(r.clock.Now()) || in.Size != 5000 {
				r.t.Errorf("after the second Put: %+v, want touched at %v", in, r.clock.Now())
			}
			r.holds(tenant, b)
		}},
		{"put/wrong content stores nothing", wrongContent},
		{"put/broken reader stores nothing", func(r *rig) {
			b := content(1, 200_000)
			broken := errors.New("connection reset")
			err := r.d.Put(r.t.Context(), tenant, hashOf(b), int64(len(b)), io.MultiReader(bytes.NewReader(b[:150_000]), iotest.ErrReader(broken)))
			if !errors.Is(err, broken) {
				r.t.Errorf("Put answered %v, want the reader's error inside", err)
			}
			r.lacks(tenant, hashOf(b))
		}},
		{"put/cancelled context stores nothing", cancelledPut},
		{"put/survives a kill", surviving},
		{"put/half of one is gone after a kill", halfPut},
		{"put/portable store hashes", portable},
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// portable puts through the portable store: from what can be read twice, from memory, and from the spool file.
func portable(r *rig) {
	for i, n := range []int{0, 10, 1 << 20, 3<<20 + 7} {
		b := content(uint64(i), n)
		for what, body := range map[string]io.Reader{"seeker": bytes.NewReader(b), "stream": iotest.HalfReader(bytes.NewReader(b))} {
			in, err := r.s.Put(r.t.Context(), what, body)
			if err != nil || in.Hash != hashOf(b) || in.Size != int64(n) {
				r.t.Errorf("%s of %d bytes: %+v, %v", what, n, in, err)
			}
			r.holds(what, b)
		}
	}
	skipped := bytes.NewReader([]byte("header and body"))
	if _, err := skipped.Seek(7, io.SeekStart); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.s.Put(r.t.Context(), tenant, skipped); err != nil {
		r.t.Error(err)
	}
	r.holds(tenant, []byte("and body"))
}

// wrongContent puts what does not have the announced hash or size.
func wrongContent(r *rig) {
	b := content(1, 100_000)
	h, n := hashOf(b), int64(len(b))
	changed := bytes.Clone(b)
	changed[70_000] ^= 1
	for what, c := range map[string]struct {
		size int64
		r    io.Reader
	}{
		"another hash": {n, bytes.NewReader(changed)},
		"too short":    {n, bytes.NewReader(b[:n-1])},
		"nothing":      {n, strings.NewReader("")},
		"too long":     {n, io.MultiReader(bytes.NewReader(b), strings.NewReader("x"))},
		"smaller size": {n - 1, bytes.NewReader(b)},
		"larger size":  {n + 1, bytes.NewReader(b)},
		"no size":      {0, bytes.NewReader(b)},
	} {
		r.code(what, r.d.Put(r.t.Context(), tenant, h, c.size, c.r), semabus.CodeInvalidArgument)
		r.lacks(tenant, h)
	}
	r.put(tenant, b)
	r.code("over a stored one", r.d.Put(r.t.Context(), tenant, h, n, bytes.NewReader(changed)), semabus.CodeInvalidArgument)
	r.holds(tenant, b)
}

// surviving kills the backend after acknowledged calls.
func surviving(r *rig) {
	small, large := content(1, 10), content(2, 200_000)
	r.put(tenant, small)
	r.put("other", large)
	r.clock.add(time.Hour)
	if _, err := r.d.Touch(r.t.Context(), tenant, []string{hashOf(small)}); err != nil {
		r.t.Fatal(err)
	}
	r.use(r.b.Reopen())
	r.holds(tenant, small)
	r.holds("other", large)
	if in := r.stat(tenant, hashOf(small)); !in.Touched.Equal(r.clock.Now()) {
		r.t.Errorf("a touch was lost: %v, want %v", in.Touched, r.clock.Now())
	}
}

// halfPut kills the backend while it reads a content.
func halfPut(r *rig) {
	b := content(1, 300_000)
	stop := errors.New("the process dies here")
	killed := r.d
	body := io.MultiReader(bytes.NewReader(b[:290_000]), readerFunc(func([]byte) (int, error) {
		r.use(r.b.Reopen())
		return 0, stop
	}))
	if err := killed.Put(r.t.Context(), tenant, hashOf(b), int64(len(b)), body); err == nil {
		r.t.Error("half a Put was acknowledged")
	}
	r.lacks(tenant, hashOf(b))
	r.put(tenant, b)
	r.holds(tenant, b)
}

// cancelledPut ends the context while the backend reads a content.
func cancelledPut(r *rig) {
	b := content(1, 200_000)
	ctx, cancel := context.WithCancel(r.t.Context())
	body := io.MultiReader(bytes.NewReader(b[:100_000]), readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }), bytes.NewReader(b[100_000:]))
	if err := r.d.Put(ctx, tenant, hashOf(b), int64(len(b)), body); !errors.Is(err, context.Canceled) {
		r.t.Errorf("Put answered %v, want context.Canceled", err)
	}
	r.lacks(tenant, hashOf(b))
	r.put(tenant, b)
}
