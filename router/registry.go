package router

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	semabus "github.com/semabus/semabus"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/router/driver"
)

// snapshot is everything a decision looks at, immutable but for the counts of frequency.
type snapshot struct {
	version   uint64
	intents   *shards[*intent]
	topics    *shards[[]*intent] // pattern → intents, by name
	filters   []*head            // intents that are only a filter, in order of registration
	sets      map[string]semabus.Set
	loose     []*view // heads from registered texts alone
	trained   []*view // fitted heads
	frequency *frequencyTable
	names     func() []string // of all intents, sorted
}

// tenant is one tenant's registry: a snapshot for readers, and the state of its one writer at a time.
type tenant struct {
	name string
	snap atomic.Pointer[snapshot]
	fit  sync.Mutex // held over a refit, outside mu

	mu      sync.Mutex // guards the fields below and every change of snap
	members map[string]*membership
	dirty   map[*membership]struct{}
	stale   []uint64 // index entries to delete with the next update: replaced, but maybe still read
	extract *extractor
}

// membership is what a writer knows of a set.
type membership struct {
	set        *set
	loose      *model
	intents    map[string]*intent
	generation uint64 // rises with every change of a member
	fitted     bool   // its heads are trained ones
}

func newTenant(name string) *tenant {
	t := &tenant{name: name, members: map[string]*membership{}, dirty: map[*membership]struct{}{}, extract: newExtractor()}
	s := &snapshot{
		intents: &shards[*intent]{}, topics: &shards[[]*intent]{}, sets: map[string]semabus.Set{},
		frequency: newFrequencyTable(0),
	}
	s.names = s.sortedNames()
	t.snap.Store(s)
	return t
}

// sortedNames lists the names once, when they are first asked for.
func (s *snapshot) sortedNames() func() []string {
	intents := s.intents
	return sync.OnceValue(func() []string {
		out := make([]string, 0, intents.size)
		for _, p := range intents.parts {
			for n := range p {
				out = append(out, n)
			}
		}
		slices.Sort(out)
		return out
	})
}

// Apply folds registry changes into the tenant. Changes at or below its version are skipped, so a repeated or overlapping
// batch does no harm. What it changed is visible to [Router.Decide] when it returns: new intents by their texts at once,
// and once [Router.Run] or [Router.Settled] has refitted their set by what tells them from their siblings. Matching is
// never blocked. A batch costs less than its changes one by one; use it at start-up. On an error nothing was applied.
func (r *Router) Apply(ctx context.Context, tenantName string, changes []*Change) error {
	t := r.tenant(tenantName)
	t.mu.Lock()
	defer t.mu.Unlock()
	b := newBatch(t)
	for _, c := range changes {
		if err := b.fold(c); err != nil {
			return err
		}
	}
	if b.version == t.snap.Load().version {
		return nil
	}
	if err := b.compile(ctx, r); err != nil {
		return err
	}
	if err := b.index(ctx, r); err != nil {
		return err
	}
	b.publish()
	if len(t.dirty) > 0 {
		r.wake()
	}
	return nil
}

// batch is one Apply under way: what the changes make of each intent they touch.
type batch struct {
	t       *tenant
	old     *snapshot
	version uint64
	defs    map[string]*definition // nil = deleted
	made    map[string]uint64      // version of the change that made defs[name]
	order   []string               // names in order of first touch
	sets    map[string]semabus.Set // nil = unchanged

	fresh    []*intent
	features [][]uint32 // of fresh
}

func newBatch(t *tenant) *batch {
	s := t.snap.Load()
	return &batch{t: t, old: s, version: s.version, defs: map[string]*definition{}, made: map[string]uint64{}}
}

func (b *batch) current(name string) *definition {
	if d, touched := b.defs[name]; touched {
		return d
	}
	if in, ok := b.old.intents.get(name); ok {
		return in.def
	}
	return nil
}

func (b *batch) touch(name string, d *definition, version uint64) {
	if _, known := b.defs[name]; !known {
		b.order = append(b.order, name)
	}
	b.defs[name], b.made[name] = d, version
}

func (b *batch) fold(c *Change) error {
	if c.Version <= b.version {
		return nil
	}
	b.version = c.Version
	switch {
	case c.Intent != nil:
		b.foldIntent(c)
	case c.DeleteIntent != "":
		if b.current(c.DeleteIntent) != nil {
			b.touch(c.DeleteIntent, nil, c.Version)
		}
	case c.Set != nil:
		if b.sets == nil {
			b.sets = maps.Clone(b.old.sets)
		}
		b.sets[c.Set.Name] = *c.Set
	case c.Feedback != nil:
		d := b.current(c.Feedback.Intent)
		if d == nil || c.FeedbackText == "" {
			return nil // the intent is gone, or the message had no text: nothing to learn
		}
		from := semabus.Provenance{MessageID: c.Feedback.MessageID, Group: c.Feedback.Group, By: c.By, At: c.At}
		b.touch(c.Feedback.Intent, d.withFeedback(c.FeedbackText, c.Feedback.Useful, from), c.Version)
	default:
		return &semabus.Error{
			Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonRequired, Op: "router.Apply", Field: "change",
			Value: "version " + strconv.FormatUint(c.Version, 10), Fix: "give an intent, a deletion, a set or a feedback",
		}
	}
	return nil
}

func (b *batch) foldIntent(c *Change) {
	in := *c.Intent
	if in.Group == "" {
		in.Group = in.Name
	}
	d := &definition{intent: in}
	if old := b.current(in.Name); old != nil {
		d.useful, d.counter = old.useful, old.counter
		if in.Version == 0 {
			d.intent.Version = old.intent.Version + 1
		}
	} else if in.Version == 0 {
		d.intent.Version = 1
	}
	if in.UpdatedAt.IsZero() {
		d.intent.UpdatedAt = c.At
	}
	if in.UpdatedBy == "" {
		d.intent.UpdatedBy = c.By
	}
	b.touch(in.Name, d, c.Version)
}

const embedBatch = 256

// compile makes intents of the definitions and asks the embedder for their texts' vectors.
func (b *batch) compile(ctx context.Context, r *Router) error {
	var texts []string
	var owner []int
	for _, name := range b.order {
		d := b.defs[name]
		if d == nil {
			continue
		}
		in, features, err := compile(b.t.extract, d, b.t.member(setKey(&d.intent), &d.intent).set, b.made[name])
		if err != nil {
			return err
		}
		for _, t := range d.texts() {
			texts, owner = append(texts, t), append(owner, len(b.fresh))
		}
		b.fresh, b.features = append(b.fresh, in), append(b.features, features)
	}
	for from := 0; from < len(texts); from += embedBatch {
		to := min(from+embedBatch, len(texts))
		vectors, err := r.o.Embedder.Embed(ctx, texts[from:to], embeddriver.Passage)
		if err != nil {
			return err
		}
		for i, v := range vectors {
			in := b.fresh[owner[from+i]]
			if in.vector == nil {
				in.vector = make([]float32, len(v[0].Values))
			}
			axpy(1, v[0].Values, in.vector)
		}
	}
	for _, in := range b.fresh {
		in.vector = unit(in.vector)
	}
	return nil
}

// member is the membership of a set, made where there is none. It belongs to a tenant whose lock is held.
func (t *tenant) member(key string, in *semabus.Intent) *membership {
	m := t.members[key]
	if m == nil {
		s := &set{key: key, name: in.Set, solo: in.Independent}
		m = &membership{set: s, loose: looseModel(s), intents: map[string]*intent{}}
		t.members[key] = m
	}
	return m
}

// unit scales v to unit length; nil for a vector without length.
func unit(v []float32) []float32 {
	n := norm(v)
	if n == 0 {
		return nil
	}
	for i := range v {
		v[i] /= n
	}
	return v
}

// index puts the fresh vectors beside the old ones. What they replace is deleted with the next update only: until the
// snapshot is swapped, decisions still read the old ones, and each finds exactly its own.
func (b *batch) index(ctx context.Context, r *Router) error {
	var puts []driver.Entry
	for _, in := range b.fresh {
		if in.vector != nil {
			puts = append(puts, driver.Entry{ID: in.id, Vector: in.vector})
		}
	}
	err := r.o.Index.Update(ctx, driver.Partition{Tenant: b.t.name, Space: r.tier.Space}, b.version, puts, b.t.stale)
	if err != nil {
		return err
	}
	b.t.stale = b.t.stale[:0]
	return nil
}

// publish swaps the snapshot.
func (b *batch) publish() {
	t, s := b.t, *b.old
	s.version = b.version
	if b.sets != nil {
		s.sets = b.sets
	}
	gone := map[*intent]bool{}
	intents := s.intents.edit()
	for _, name := range b.order {
		if old, ok := s.intents.get(name); ok {
			gone[old] = true
			intents.remove(name)
			t.leave(old)
		}
	}
	filters := slices.DeleteFunc(slices.Clone(s.filters), func(h *head) bool { return gone[h.in] })
	for i, in := range b.fresh {
		intents.put(in.def.intent.Name, in)
		t.join(in)
		if in.onlyFilter() {
			filters = append(filters, looseHead(in, t.members[in.set.key].loose))
		}
		if in.meaning {
			s.frequency = s.frequency.add(b.features[i], 1)
		}
	}
	for old := range gone {
		if old.meaning {
			_, features, _ := compile(t.extract, old.def, old.set, old.id)
			s.frequency = s.frequency.add(features, -1)
		}
	}
	s.intents, s.topics, s.filters = intents.done(), b.topics(gone), filters
	if len(gone) > 0 {
		dead := func(h *head) bool { return gone[h.in] }
		s.loose, s.trained = kill(s.loose, dead), kill(s.trained, dead)
	}
	if v := t.looseView(b.fresh); v != nil {
		s.loose = compact(append(slices.Clip(s.loose), v))
	}
	s.names = s.sortedNames()
	t.snap.Store(&s)
}

// topics is the topic map without the intents that are gone and with the fresh ones.
func (b *batch) topics(gone map[*intent]bool) *shards[[]*intent] {
	lists := map[string][]*intent{} // of the patterns touched
	open := func(pattern string) []*intent {
		if list, opened := lists[pattern]; opened {
			return list
		}
		list, _ := b.old.topics.get(pattern)
		return slices.DeleteFunc(slices.Clone(list), func(in *intent) bool { return gone[in] })
	}
	for in := range gone {
		for _, p := range in.def.intent.Topics {
			lists[p] = open(p)
		}
	}
	for _, in := range b.fresh {
		for i, p := range in.def.intent.Topics {
			if !slices.Contains(in.def.intent.Topics[:i], p) {
				lists[p] = append(open(p), in)
			}
		}
	}
	edit := b.old.topics.edit()
	for p, list := range lists {
		if len(list) == 0 {
			edit.remove(p)
		} else {
			edit.put(p, list)
		}
	}
	return edit.done()
}

// onlyFilter reports whether the filter alone decides: no texts and no topics.
func (in *intent) onlyFilter() bool {
	return in.filter != nil && !in.meaning && len(in.def.intent.Topics) == 0
}

func (t *tenant) join(in *intent) {
	m := t.members[in.set.key]
	m.intents[in.def.intent.Name] = in
	t.touch(m)
}

func (t *tenant) leave(in *intent) {
	t.stale = append(t.stale, in.id)
	m := t.members[in.set.key]
	delete(m.intents, in.def.intent.Name)
	t.touch(m)
}

// touch notes that a set changed and, where that can matter, that it has to be fitted again.
func (t *tenant) touch(m *membership) {
	m.generation++
	if m.fitted || !m.set.solo && len(m.intents) > 1 {
		t.dirty[m] = struct{}{}
	}
}

// looseView is a view of the intents' loose heads; nil where none has a meaning. It belongs to a tenant whose lock is held.
func (t *tenant) looseView(intents []*intent) *view {
	sorted := make([]*intent, 0, len(intents))
	for _, in := range intents {
		if in.meaning {
			sorted = append(sorted, in)
		}
	}
	if len(sorted) == 0 {
		return nil
	}
	slices.SortStableFunc(sorted, func(a, b *intent) int {
		switch {
		case a.set.key < b.set.key:
			return -1
		case a.set.key > b.set.key:
			return 1
		}
		return 0
	})
	var heads []*head
	var triples []triple
	for slot, in := range sorted {
		heads = append(heads, looseHead(in, t.members[in.set.key].loose))
		for _, w := range in.weights {
			triples = append(triples, triple{w.key, uint32(slot), w.value})
		}
	}
	return newView(newSegment(heads, triples))
}

// kill marks the slots of dead heads.
func kill(views []*view, dead func(*head) bool) []*view {
	var out []*view
	for _, v := range views {
		var slots []uint32
		for i, h := range v.slots {
			if dead(h) {
				slots = append(slots, uint32(i))
			}
		}
		if len(slots) > 0 {
			v = v.without(slots)
		}
		if v.alive > 0 {
			out = append(out, v)
		}
	}
	return out
}

// compact merges views from the newest on while they are not much smaller than the one before, so that a tenant of n
// intents has O(log n) of them and each weight is copied O(log n) times; a view that is mostly dead is rewritten.
func compact(views []*view) []*view {
	const factor = 4
	for n := len(views); n > 1 && len(views[n-1].posts)*factor >= len(views[n-2].posts); n = len(views) {
		views = append(slices.Clone(views[:n-2]), merge(views[n-2], views[n-1]))
	}
	for i, v := range views {
		if v.alive*2 < len(v.slots) {
			views = slices.Clone(views)
			views[i] = merge(v, newView(newSegment(nil, nil)))
		}
	}
	return views
}
