package router

import (
	"context"
	"maps"
	"slices"
	"strconv"

	semabus "github.com/semabus/semabus"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/router/driver"
)

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

	fresh []*intent
	young map[string]*membership // of sets that no intent was in, by key
}

func newBatch(t *tenant) *batch {
	s := t.snap.Load()
	return &batch{
		t: t, old: s, version: s.version, defs: map[string]*definition{}, made: map[string]uint64{}, young: map[string]*membership{},
	}
}

// current is the definition under a name as the changes so far leave it, nil for none.
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

// fold takes one change in; at or below the tenant's version it is one it has had.
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
	var owner []*intent
	for _, name := range b.order {
		d := b.defs[name]
		if d == nil {
			continue
		}
		in, err := compile(b.t.extract, d, b.membership(&d.intent).set, b.made[name])
		if err != nil {
			return err
		}
		for _, t := range d.texts() {
			texts, owner = append(texts, t), append(owner, in)
		}
		b.fresh = append(b.fresh, in)
	}
	for from := 0; from < len(texts); from += embedBatch {
		to := min(from+embedBatch, len(texts))
		vectors, err := r.o.Embedder.Embed(ctx, texts[from:to], embeddriver.Passage)
		if err != nil {
			return err
		}
		for i, v := range vectors {
			in := owner[from+i]
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

// membership is that of the intent's set; a new one belongs to the batch until it is published.
func (b *batch) membership(in *semabus.Intent) *membership {
	key := setKey(in)
	if m := b.t.members[key]; m != nil {
		return m
	}
	m := b.young[key]
	if m == nil {
		b.t.sets++
		m = newMembership(&set{key: key, name: in.Set, solo: in.Independent, order: b.t.sets})
		b.young[key] = m
	}
	return m
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

// publish swaps the snapshot. It cannot fail.
func (b *batch) publish() {
	t, s := b.t, *b.old
	s.version = b.version
	if b.sets != nil {
		s.sets = b.sets
	}
	maps.Copy(t.members, b.young)
	gone := b.replace(&s)
	s.topics = b.topics(gone)
	s.filters = slices.DeleteFunc(slices.Clone(s.filters), func(h *head) bool { return gone[h.in] })
	for _, in := range b.fresh {
		if in.onlyFilter() {
			s.filters = append(s.filters, looseHead(in, t.members[in.set.key].loose))
		}
	}
	s.frequency = b.count(s.frequency, gone)
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

// replace puts the fresh intents in the place of those they replace, and takes the deleted out; it returns what is gone.
func (b *batch) replace(s *snapshot) map[*intent]bool {
	gone := map[*intent]bool{}
	edit := s.intents.edit()
	for _, name := range b.order {
		if old, ok := s.intents.get(name); ok {
			gone[old] = true
			edit.remove(name)
			b.t.leave(old)
		}
	}
	for _, in := range b.fresh {
		edit.put(in.def.intent.Name, in)
		b.t.join(in)
	}
	for old := range gone {
		b.t.close(old.set.key)
	}
	s.intents = edit.done()
	return gone
}

// count brings the frequencies up to date.
func (b *batch) count(t *frequencyTable, gone map[*intent]bool) *frequencyTable {
	for _, in := range b.fresh {
		if in.meaning {
			t = t.add(features(b.t.extract, in.def), 1)
		}
	}
	for old := range gone {
		if old.meaning {
			t = t.add(features(b.t.extract, old.def), -1)
		}
	}
	return t
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
