package flow

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// errPaused ends the context of a lease call whose group was paused.
var errPaused = errors.New("the group was paused")

// gates let the lease calls of a group in, but not while it is paused, and know who is inside.
type gates struct {
	mu     sync.Mutex
	groups map[key]*gate // of groups that are paused or have somebody inside
}

// gate is one group's.
type gate struct {
	paused  bool
	resumed chan struct{} // while it is paused: closed by resume
	inside  map[*guest]struct{}
	emptied chan struct{} // closed when the last one leaves, or the pause is over; nil = nobody waits for that
}

// guest is one lease call inside.
type guest struct{ expel context.CancelCauseFunc }

// at is the gate of a group, made where it is new. mu is held.
func (s *gates) at(k key) *gate {
	g := s.groups[k]
	if g == nil {
		g = &gate{inside: map[*guest]struct{}{}}
		s.groups[k] = g
	}
	return g
}

// discard forgets a gate that says nothing. mu is held.
func (s *gates) discard(k key, g *gate) {
	if !g.paused && len(g.inside) == 0 {
		delete(s.groups, k)
	}
}

// set pauses or resumes a group.
func (s *gates) set(k key, paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.at(k)
	switch {
	case paused == g.paused:
	case paused:
		g.paused, g.resumed = true, make(chan struct{})
		for in := range g.inside {
			in.expel(errPaused)
		}
	default:
		g.paused = false
		close(g.resumed)
		g.empty()
	}
	s.discard(k, g)
}

// enter lets a call in; where the group is paused, leave is nil and resumed is closed when it no longer is.
func (s *gates) enter(ctx context.Context, k key) (work context.Context, leave func(), resumed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.at(k)
	if g.paused {
		return nil, nil, g.resumed
	}
	work, expel := context.WithCancelCause(ctx)
	in := &guest{expel}
	g.inside[in] = struct{}{}
	return work, func() { s.leave(k, g, in) }, nil
}

func (s *gates) leave(k key, g *gate, in *guest) {
	in.expel(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(g.inside, in)
	if len(g.inside) == 0 {
		g.empty()
	}
	s.discard(k, g)
}

// empty tells who waits for the last one to leave.
func (g *gate) empty() {
	if g.emptied != nil {
		close(g.emptied)
		g.emptied = nil
	}
}

// Enter asks to lease for a group and waits, up to wait, while the group is paused. work is ctx, and ends when the group is
// paused; leave must be called when the lease call is over, and nothing may be leased after that. leave is nil where the group was
// paused all the time or ctx ended.
func (f *Flow) Enter(ctx context.Context, tenant, group string, wait time.Duration) (work context.Context, leave func()) {
	k := key{tenant, group}
	deadline := f.clock.Now().Add(wait)
	for ctx.Err() == nil {
		work, leave, resumed := f.gates.enter(ctx, k)
		if leave != nil {
			return work, leave
		}
		left := deadline.Sub(f.clock.Now())
		if left <= 0 {
			break
		}
		over := make(chan struct{})
		stop := f.clock.AfterFunc(left, func() { close(over) })
		select {
		case <-resumed:
		case <-over:
		case <-ctx.Done():
		}
		stop()
	}
	return nil, nil
}

// pause notes whether a group is paused. f.mu is held for writing.
func (f *Flow) pause(tenantName string, t *tenant, group string, paused bool) {
	if paused {
		t.paused[group] = true
	} else {
		delete(t.paused, group)
	}
	f.gates.set(key{tenantName, group}, paused)
}

// Quiet waits until no lease call is inside a group that is paused: what they were granted was granted before. It returns at
// once where the group is not paused. Errors: that of ctx.
func (f *Flow) Quiet(ctx context.Context, tenant, group string) error {
	s := &f.gates
	s.mu.Lock()
	g := s.groups[key{tenant, group}]
	if g == nil || !g.paused || len(g.inside) == 0 {
		s.mu.Unlock()
		return nil
	}
	if g.emptied == nil {
		g.emptied = make(chan struct{})
	}
	emptied := g.emptied
	s.mu.Unlock()
	select {
	case <-emptied:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Paused reports whether a group is paused.
func (f *Flow) Paused(tenantName, group string) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	t := f.tenants[tenantName]
	return t != nil && t.paused[group]
}

// AllPaused lists the paused groups of a tenant, in no order.
func (f *Flow) AllPaused(tenantName string) []string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	t := f.tenants[tenantName]
	if t == nil {
		return nil
	}
	return slices.Collect(maps.Keys(t.paused))
}
