package flow

import (
	"context"
	"sync"
	"time"

	semabus "github.com/semabus/semabus"
)

// key names a group.
type key struct{ tenant, group string }

// slots counts leases against the concurrency limits. Groups without a limit cost one map look-up.
type slots struct {
	mu     sync.Mutex
	groups map[key]*slot
	tokens map[string]key // lease token → its group
}

// slot is one limited group. pending are acquired but not yet known as leases.
type slot struct {
	limit   int
	pending int
	held    map[string]time.Time // token → expiry
	free    chan struct{}        // closed and replaced when room may have come
}

func (s *slots) limit(k key, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[k]
	switch {
	case g == nil && n == 0:
		return
	case g == nil:
		s.groups[k] = &slot{limit: n, held: map[string]time.Time{}, free: make(chan struct{})}
		return
	}
	g.limit = n
	g.wake()
}

func (g *slot) wake() {
	close(g.free)
	g.free = make(chan struct{})
}

// room drops expired leases and returns how many more fit, and when the next one expires (zero: none).
func (s *slots) room(g *slot, now time.Time) (n int, next time.Time) {
	for token, at := range g.held {
		if !at.After(now) {
			delete(g.held, token)
			delete(s.tokens, token)
			continue
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return g.limit - g.pending - len(g.held), next
}

// Acquire asks for room for up to want leases of a group and waits up to wait for at least one. It returns how many were
// granted: want at once for a group without a limit, 0 when the time ran out or ctx ended. Each granted place must be
// turned into a lease with Hold or given back with Unused.
func (f *Flow) Acquire(ctx context.Context, tenant, group string, want int, wait time.Duration) int {
	deadline := f.clock.Now().Add(wait)
	for {
		n, free, next := f.tryAcquire(key{tenant, group}, want)
		if n > 0 {
			return n
		}
		now := f.clock.Now()
		left := deadline.Sub(now)
		if left <= 0 || ctx.Err() != nil {
			return 0
		}
		if !next.IsZero() {
			left = min(left, next.Sub(now))
		}
		expired := make(chan struct{})
		stop := f.clock.AfterFunc(left, func() { close(expired) })
		select {
		case <-free:
		case <-expired:
		case <-ctx.Done():
		}
		stop()
	}
}

func (f *Flow) tryAcquire(k key, want int) (n int, free <-chan struct{}, next time.Time) {
	f.slots.mu.Lock()
	defer f.slots.mu.Unlock()
	g := f.slots.groups[k]
	if g == nil || g.limit == 0 {
		return want, nil, time.Time{}
	}
	n, next = f.slots.room(g, f.clock.Now())
	n = max(0, min(n, want))
	g.pending += n
	return n, g.free, next
}

// Unused gives back acquired places for which no lease was found.
func (f *Flow) Unused(tenant, group string, n int) {
	if n <= 0 {
		return
	}
	f.slots.mu.Lock()
	defer f.slots.mu.Unlock()
	if g := f.slots.groups[key{tenant, group}]; g != nil && g.pending > 0 {
		g.pending = max(0, g.pending-n)
		g.wake()
	}
}

// Hold turns acquired places into the leases of deliveries, which count until they are released or expire.
func (f *Flow) Hold(tenant, group string, ds []semabus.Delivery) {
	f.slots.mu.Lock()
	defer f.slots.mu.Unlock()
	k := key{tenant, group}
	g := f.slots.groups[k]
	if g == nil || g.limit == 0 {
		return
	}
	g.pending = max(0, g.pending-len(ds))
	for i := range ds {
		token := string(ds[i].Lease.Token)
		g.held[token] = ds[i].Lease.Expires
		f.slots.tokens[token] = k
	}
}

// Extend moves the expiry of a held lease; an unknown token is ignored.
func (f *Flow) Extend(token []byte, expires time.Time) {
	f.slots.mu.Lock()
	defer f.slots.mu.Unlock()
	if k, ok := f.slots.tokens[string(token)]; ok {
		f.slots.groups[k].held[string(token)] = expires
	}
}

// Release gives a settled lease's place back; an unknown token is ignored.
func (f *Flow) Release(token []byte) {
	f.slots.mu.Lock()
	defer f.slots.mu.Unlock()
	k, ok := f.slots.tokens[string(token)]
	if !ok {
		return
	}
	delete(f.slots.tokens, string(token))
	if g := f.slots.groups[k]; g != nil {
		delete(g.held, string(token))
		g.wake()
	}
}
