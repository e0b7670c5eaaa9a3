package localblob_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob/localblob"
)

const tenant = "default"

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func read(t testing.TB, s *localblob.Store, hash string) ([]byte, error) {
	t.Helper()
	r, _, err := s.Open(t.Context(), tenant, hash, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// manualClock stands still until a test moves it.
type manualClock struct {
	semabus.SystemClock
	now time.Time
}

func (c *manualClock) Now() time.Time { return c.now }

// history is what a run was told: contents whose Put returned, the time of a touch that returned, and every error.
type history struct {
	acked   map[string][]byte
	touched map[string]time.Time
	errs    []error
}

var contents = [][]byte{[]byte("small"), bytes.Repeat([]byte("two blocks "), 8000), {}, []byte("last")}

// play runs a fixed list of operations against a store on m and goes on after errors, as a node does.
func play(t *testing.T, m *memFS, c *manualClock) *history {
	t.Helper()
	h := &history{acked: map[string][]byte{}, touched: map[string]time.Time{}}
	note := func(err error) bool {
		if err != nil {
			h.errs = append(h.errs, err)
		}
		return err == nil
	}
	s, err := localblob.Open(localblob.Options{Dir: "/data/blobs", Clock: c, FS: m})
	if !note(err) {
		return h
	}
	for _, b := range contents {
		c.now = c.now.Add(time.Second)
		if note(s.Put(t.Context(), tenant, hashOf(b), int64(len(b)), bytes.NewReader(b))) {
			h.acked[hashOf(b)], h.touched[hashOf(b)] = b, c.now
		}
	}
	c.now = c.now.Add(time.Hour)
	first, last := hashOf(contents[0]), hashOf(contents[3])
	if infos, err := s.Touch(t.Context(), tenant, []string{first}); note(err) && infos[0].Hash != "" {
		h.touched[first] = c.now
	}
	again := contents[1] // put once more over itself
	if note(s.Put(t.Context(), tenant, hashOf(again), int64(len(again)), bytes.NewReader(again))) {
		h.acked[hashOf(again)], h.touched[hashOf(again)] = again, c.now
	}
	if _, err := s.Delete(t.Context(), tenant, c.now, []string{last}); !note(err) {
		t.Logf("Delete: %v", err)
	}
	delete(h.acked, last) // whether it comes back is open
	note(s.Close())
	return h
}

// check holds what a reopened store has against what was acknowledged.
func check(t *testing.T, n int, m *memFS, c *manualClock, h *history) {
	t.Helper()
	s, err := localblob.Open(localblob.Options{Dir: "/data/blobs", Clock: c, FS: m})
	if err != nil {
		t.Fatalf("fault %d: reopening: %v", n, err)
	}
	defer s.Close()
	for hash, want := range h.acked {
		if got, err := read(t, s, hash); err != nil || !bytes.Equal(got, want) {
			t.Errorf("fault %d: an acknowledged blob of %d bytes is lost: %d bytes, %v", n, len(want), len(got), err)
		}
		infos, err := s.Stat(t.Context(), tenant, []string{hash})
		if err != nil || infos[0].Touched.Before(h.touched[hash]) {
			t.Errorf("fault %d: an acknowledged touch at %v is lost: %v, %v", n, h.touched[hash], infos, err)
		}
	}
	list, err := s.List(t.Context(), tenant, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range list {
		if b, err := read(t, s, in.Hash); err != nil || hashOf(b) != in.Hash || int64(len(b)) != in.Size {
			t.Errorf("fault %d: half a blob can be seen: %d of %d bytes, %v", n, len(b), in.Size, err)
		}
	}
	if left, err := m.ReadDir("/data/blobs/tmp"); err != nil || len(left) != 0 {
		t.Errorf("fault %d: leftovers %q, %v", n, left, err)
	}
}

// TestPowerLoss ends the process at each change in turn, cuts what was not synced, and looks at what is left.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		m, c := newMemFS(), &manualClock{now: time.Unix(1_800_000_000, 0)}
		m.failAt, m.dead = n, true
		h := play(t, m, c)
		check(t, n, m.crash(), c, h)
		if m.ops < n {
			if len(h.errs) > 0 || len(h.acked) != len(contents)-1 {
				t.Errorf("without a fault: %d acknowledged, errors %v", len(h.acked), h.errs)
			}
			t.Logf("%d places to die", n-1)
			return
		}
		if len(h.errs) == 0 {
			t.Errorf("nobody noticed the end at change %d", n)
		}
	}
}

// TestFullDisk fails each change in turn, once: a typed error, nothing by half, and the store goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		m, c := newMemFS(), &manualClock{now: time.Unix(1_800_000_000, 0)}
		m.failAt = n
		h := play(t, m, c)
		if m.ops < n {
			return
		}
		if len(h.errs) != 1 || semabus.ReasonOf(h.errs[0]) != semabus.ReasonDiskFull || semabus.CodeOf(h.errs[0]) != semabus.CodeResourceExhausted {
			t.Errorf("fault %d: errors %v, want one DISK_FULL", n, h.errs)
		}
		m.failAt = 0
		if len(h.acked) > 0 {
			if left, err := m.ReadDir("/data/blobs/tmp"); err != nil || len(left) != 0 {
				t.Errorf("fault %d: a failed Put left %q, %v", n, left, err)
			}
		}
		check(t, n, m, c, h)
		check(t, n, m.crash(), c, h)
	}
}
