package router

import (
	"context"
	"log/slog"
	"maps"
	"math"
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

	minTextsFitted = 2    // texts from which an intent counts as having examples
	minFitted      = 2    // such intents from which a set is fitted
	maxFitted      = 4096 // intents up to which a set is fitted; a larger one keeps its loose heads
	keptWeights    = 0.2 // share of the learned weights that is kept: the largest; the rest does not change rankings
	ownEvidence    = 20   // texts of its own at which an intent's threshold weighs as much as its set's
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

// meanings lists the members that have texts, by name.
func (m *membership) meanings() []*intent {
	members := make([]*intent, 0, len(m.intents))
	for _, in := range m.intents {
		if in.meaning {
			members = append(members, in)
		}
	}
	slices.SortFunc(members, func(a, b *intent) int { return strings.Compare(a.def.intent.Name, b.def.intent.Name) })
	return members
}

// has reports whether that very intent is a member, and no later one of its name.
func (m *membership) has(in *intent) bool { return m.intents[in.def.intent.Name] == in }

// setFit is the fit of one set under way.
type setFit struct {
	set     *set
	members []*intent
	samples []sample
	others  []sample // the background sample: texts for nobody, or hardly anybody
	texts   []string // of samples, then of others
	vectors [][]float32
	keys    []uint32 // local number of a feature → feature
}

// newSetFit gathers a set's samples; nil where the set is too young, or too large, to be fitted.
func newSetFit(s *set, members []*intent) *setFit {
	rich := 0
	for _, in := range members {
		if len(in.def.texts()) >= minTextsFitted {
			rich++
		}
	}
	if s.solo || rich < minFitted || len(members) > maxFitted {
		return nil
	}
	f := &setFit{set: s, members: members}
	f.gather()
	return f
}

// gather extracts the samples. A text registered for several intents is one sample with several labels.
func (f *setFit) gather() {
	x := newExtractor()
	local := map[uint32]int32{}
	known := map[string]int{}
	add := func(text string, label, not int32) {
		if i, ok := known[text]; ok && not < 0 {
			if s := &f.samples[i]; !s.has(label) {
				s.labels = append(s.labels, label)
			}
			return
		}
		v := x.extract(text)
		if len(v.hash) == 0 {
			return
		}
		s := sample{feats: make([]int32, len(v.hash)), vals: slices.Clone(v.value), not: not}
		for j, h := range v.hash {
			n, ok := local[h]
			if !ok {
				n = int32(len(f.keys))
				local[h] = n
				f.keys = append(f.keys, h)
			}
			s.feats[j] = n
		}
		if not < 0 {
			s.labels = []int32{label}
			known[text] = len(f.samples)
		}
		f.samples, f.texts = append(f.samples, s), append(f.texts, text)
	}
	for label, in := range f.members {
		for _, t := range in.def.texts() {
			add(t, int32(label), -1)
		}
	}
	for label, in := range f.members {
		for _, t := range in.def.against() {
			add(t, -1, int32(label))
		}
	}
	f.shrink()
	f.gatherOthers(x)
}

// gatherOthers extracts the background sample, as far as its features occur in the set's own texts.
func (f *setFit) gatherOthers(x *extractor) {
	local := make(map[uint32]int32, len(f.keys))
	for n, h := range f.keys {
		local[h] = int32(n)
	}
	for _, t := range backgroundTexts() {
		v := x.extract(t)
		s := sample{not: -1}
		for j, h := range v.hash {
			if n, ok := local[h]; ok {
				s.feats, s.vals = append(s.feats, n), append(s.vals, v.value[j])
			}
		}
		f.others, f.texts = append(f.others, s), append(f.texts, t)
	}
}

// shrink leaves the rarest features out while a dense fit would take too much memory.
func (f *setFit) shrink() {
	most := max(1, maxDenseFits/len(f.members))
	if len(f.keys) <= most {
		return
	}
	count := make([]int, len(f.keys))
	for _, s := range f.samples {
		for _, n := range s.feats {
			count[n]++
		}
	}
	least := 2
	for {
		kept := 0
		for _, n := range count {
			if n >= least {
				kept++
			}
		}
		if kept <= most {
			break
		}
		least++
	}
	to := make([]int32, len(f.keys))
	var keys []uint32
	for n, c := range count {
		to[n] = -1
		if c >= least {
			to[n] = int32(len(keys))
			keys = append(keys, f.keys[n])
		}
	}
	f.keys = keys
	for i := range f.samples {
		s := &f.samples[i]
		n := 0
		for j, old := range s.feats {
			if to[old] >= 0 {
				s.feats[n], s.vals[n] = to[old], s.vals[j]
				n++
			}
		}
		s.feats, s.vals = s.feats[:n], s.vals[:n]
	}
}

// run calibrates on held-out texts, fits on all, and returns the set's view.
func (f *setFit) run() *view {
	l := newLinear(len(f.keys), len(f.members))
	pairs, weight := f.calibrate(l)
	use := make([]int32, len(f.samples))
	for i := range use {
		use[i] = int32(i)
	}
	l.fit(f.samples, use)

	m := &model{set: f.set, trained: true, vector: weight, calibration: fitCalibration(pairs, priorTrained)}
	heads := f.heads(m, pairs)
	least := smallestKept(l.w)
	var triples []triple
	for n, key := range f.keys {
		for y, w := range l.w[n*l.nl : (n+1)*l.nl] {
			if abs32(w) >= least {
				triples = append(triples, triple{key, uint32(y), w})
			}
		}
	}
	return newView(newSegment(heads, triples))
}

// heads gives each member its threshold, from its own held-out texts and, while it has few, its set's.
func (f *setFit) heads(m *model, pairs []pair) []*head {
	var pool curve
	own := make([]curve, len(f.members))
	for i := range pairs {
		p := &pairs[i]
		logit := m.calibration.logit(p.margin, p.score)
		pool.add(logit, p.hit, float64(p.weight))
		own[p.label].add(logit, p.hit, float64(p.weight))
	}
	scale := ownEvidence / max(ownEvidence, pool.hits())
	heads := make([]*head, len(f.members))
	for y, in := range f.members {
		b := in.def.intent.Budget
		limit := priorLimits(b)
		if pool.hits() >= ownEvidence/2 {
			limit = own[y].plus(&pool, scale).limit(b)
		}
		heads[y] = &head{in: in, model: m, limits: limit}
	}
	return heads
}

// smallestKept is the size from which a weight belongs to the largest keptWeights of those that are not zero, to 1/128.
func smallestKept(w []float32) float32 {
	const buckets = 1 << 15
	count := make([]int, buckets)
	total := 0
	for _, x := range w {
		if x != 0 {
			count[bucket(x)]++
			total++
		}
	}
	kept := 0
	for b := buckets - 1; b > 0; b-- {
		if kept += count[b]; float64(kept) >= keptWeights*float64(total) {
			return unbucket(b)
		}
	}
	return 1e-12
}

// bucket is exponent and seven bits of the mantissa of |x|.
func bucket(x float32) int { return int(math.Float32bits(x)&0x7fffffff) >> 16 }

func unbucket(b int) float32 { return math.Float32frombits(uint32(b) << 16) }
