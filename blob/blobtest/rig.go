package blobtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob"
	"github.com/semabus/semabus/blob/driver"
)

// tenant is the one that most cases use.
const tenant = "default"

// clock is the suite's own: it stands still until a case moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now implements semabus.Clock.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// AfterFunc implements semabus.Clock. Backends have nothing to wait for; one that does waits for real.
func (c *clock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return semabus.SystemClock{}.AfterFunc(d, f)
}

// rig is one case's backend.
type rig struct {
	t     *testing.T
	b     Backend
	d     driver.Driver
	s     *blob.Store
	clock *clock
}

func newRig(t *testing.T, h Harness) *rig {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	r := &rig{t: t, b: h.Open(t, c), clock: c}
	r.use(r.b.Driver)
	return r
}

// use makes d the backend of the case.
func (r *rig) use(d driver.Driver) {
	r.t.Helper()
	s, err := blob.New(d, blob.Options{Clock: r.clock, SpoolDir: r.t.TempDir(), MaxBytes: 8 << 20})
	if err != nil {
		r.t.Fatal(err)
	}
	r.d, r.s = d, s
}

// content is n bytes that are the same in every run.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	g := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // test data
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// put stores b for a tenant and returns its hash.
func (r *rig) put(tenant string, b []byte) string {
	r.t.Helper()
	h := hashOf(b)
	if err := r.d.Put(r.t.Context(), tenant, h, int64(len(b)), bytes.NewReader(b)); err != nil {
		r.t.Fatalf("Put of %d bytes: %v", len(b), err)
	}
	return h
}

// get reads a blob from an offset.
func (r *rig) get(tenant, hash string, offset int64) (b []byte, size int64, err error) {
	rd, size, err := r.d.Open(r.t.Context(), tenant, hash, offset)
	if err != nil {
		return nil, 0, err
	}
	defer rd.Close()
	b, err = io.ReadAll(rd)
	return b, size, err
}

// holds checks that a tenant has exactly this content.
func (r *rig) holds(tenant string, want []byte) {
	r.t.Helper()
	got, size, err := r.get(tenant, hashOf(want), 0)
	if err != nil || size != int64(len(want)) || !bytes.Equal(got, want) {
		r.t.Errorf("tenant %q: read %d bytes of size %d: %v; want %d", tenant, len(got), size, err, len(want))
	}
}

// lacks checks that a tenant does not have a blob.
func (r *rig) lacks(tenant, hash string) {
	r.t.Helper()
	if _, _, err := r.get(tenant, hash, 0); semabus.CodeOf(err) != semabus.CodeNotFound {
		r.t.Errorf("tenant %q: Open of what it does not have: %v, want NOT_FOUND", tenant, err)
	}
	infos, err := r.d.Stat(r.t.Context(), tenant, []string{hash})
	if err != nil || len(infos) != 1 || infos[0] != (driver.Info{}) {
		r.t.Errorf("tenant %q: Stat of what it does not have: %v, %v", tenant, infos, err)
	}
}

// stat describes a blob that is there.
func (r *rig) stat(tenant, hash string) driver.Info {
	r.t.Helper()
	infos, err := r.d.Stat(r.t.Context(), tenant, []string{hash})
	if err != nil || len(infos) != 1 || infos[0].Hash != hash {
		r.t.Fatalf("Stat: %v, %v", infos, err)
	}
	return infos[0]
}

// code checks an error's code.
func (r *rig) code(what string, err error, want semabus.Code) {
	r.t.Helper()
	if _, ok := semabus.AsError(err); !ok || semabus.CodeOf(err) != want {
		r.t.Errorf("%s: %v, want %v", what, err, want)
	}
}
