package router

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/semabus/semabus/embed"
)

const (
	refitDelay    = 100 * time.Millisecond // quiet time after a change before its set is fitted
	refitPatience = time.Second            // longest wait under changes that do not stop
	restFactor    = 3                      // rest after a refit, in times of what it took: at most a quarter of one core
	maxRest       = time.Minute
)

// Run fits changed sets in the background until ctx is done, and returns nil then. Changes that follow each other are
// fitted once, a tenth of a second after the last or a second after the first. Under changes that do not stop it takes at
// most a quarter of one core.
func (r *Router) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
		}
		if !r.quiet(ctx) {
			return nil
		}
		start := r.o.Clock.Now()
		for _, t := range r.all() {
			if err := r.refitAll(ctx, t); err != nil && ctx.Err() == nil {
				r.o.Logger.Error("refit failed", slog.String("tenant", t.name), slog.Any("error", err))
			}
		}
		if took := r.o.Clock.Now().Sub(start); !r.rest(ctx, min(restFactor*took, maxRest)) {
			return nil
		}
	}
}

// rest waits for d; false = ctx is done.
func (r *Router) rest(ctx context.Context, d time.Duration) bool {
	due := make(chan struct{})
	defer r.o.Clock.AfterFunc(d, func() { close(due) })()
	select {
	case <-ctx.Done():
		return false
	case <-due:
		return true
	}
}

// quiet waits until changes pause; false = ctx is done.
func (r *Router) quiet(ctx context.Context) bool {
	first := r.o.Clock.Now()
	for {
		due := make(chan struct{})
		stop := r.o.Clock.AfterFunc(refitDelay, func() { close(due) })
		select {
		case <-ctx.Done():
			stop()
			return false
		case <-due:
			return true
		case <-r.changed:
			stop()
			if r.o.Clock.Now().Sub(first) >= refitPatience {
				return true
			}
		}
	}
}

func (r *Router) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// all lists the tenants by name.
func (r *Router) all() []*tenant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]*tenant, 0, len(r.tenants))
	for _, t := range r.tenants {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *tenant) int { return strings.Compare(a.name, b.name) })
	return out
}

// Settled returns when every set of the tenant that changed before the call is fitted. It does the work itself where
// [Router.Run] has not done it yet. From then on decisions depend on what is registered, not on how it got there.
func (r *Router) Settled(ctx context.Context, tenantName string) error {
	return r.refitAll(ctx, r.tenant(tenantName))
}

// refitAll fits the sets of the tenant that have changed, in order of key.
func (r *Router) refitAll(ctx context.Context, t *tenant) error {
	t.fit.Lock()
	defer t.fit.Unlock()
	t.mu.Lock()
	due := slices.SortedFunc(maps.Keys(t.dirty), func(a, b *membership) int { return strings.Compare(a.set.key, b.set.key) })
	t.mu.Unlock()
	for _, m := range due {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.refit(ctx, r.o.Embedder, m); err != nil {
			return err
		}
	}
	return nil
}

// refit fits one set. Where members change meanwhile it stays due; what was fitted serves those that did not change.
// The error is the embedder's; the set then stays due.
func (t *tenant) refit(ctx context.Context, e *embed.Embedder, m *membership) error {
	t.mu.Lock()
	generation := m.generation
	members := m.meanings()
	t.mu.Unlock()

	var fitted *view
	if fit := newSetFit(m.set, members); fit != nil {
		if err := fit.embedSamples(ctx, e); err != nil {
			return err
		}
		fitted = fit.run()
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if m.generation == generation {
		delete(t.dirty, m)
	}
	if fitted == nil && !m.fitted {
		return nil
	}
	m.fitted = fitted != nil
	s := *t.snap.Load()
	if s.trained = kill(s.trained, func(h *head) bool { return h.model.set == m.set }); m.fitted {
		known := map[*intent]bool{}
		for _, in := range members {
			known[in] = true
		}
		s.loose = kill(s.loose, func(h *head) bool { return known[h.in] })
		s.trained = compact(append(slices.Clip(s.trained), kill([]*view{fitted}, func(h *head) bool { return !m.has(h.in) })...))
	} else {
		s.loose = kill(s.loose, func(h *head) bool { return h.model.set == m.set })
		if v := t.looseView(m.meanings()); v != nil {
			s.loose = compact(append(slices.Clip(s.loose), v))
		}
	}
	t.snap.Store(&s)
	return nil
}

// meanings lists the members that have texts, in an order that hangs on the texts and not on the names: the folds of
// calibration follow it, and renaming every intent of a set must change no threshold.
func (m *membership) meanings() []*intent {
	members := make([]*intent, 0, len(m.intents))
	texts := make(map[*intent][]string, len(m.intents))
	for _, in := range m.intents {
		if in.meaning {
			members = append(members, in)
			texts[in] = in.def.texts()
		}
	}
	slices.SortFunc(members, func(a, b *intent) int {
		return cmp.Or(slices.Compare(texts[a], texts[b]), strings.Compare(a.def.intent.Name, b.def.intent.Name))
	})
	return members
}

// has reports whether that very intent is a member, and no later one of its name.
func (m *membership) has(in *intent) bool { return m.intents[in.def.intent.Name] == in }
