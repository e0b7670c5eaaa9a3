package router

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	semabus "github.com/semabus/semabus"
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
	sets    uint64   // sets ever made
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

func newMembership(s *set) *membership {
	return &membership{set: s, loose: looseModel(s), intents: map[string]*intent{}}
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

// join and leave change a set's members.
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

// close forgets a set that has no members left.
func (t *tenant) close(key string) {
	if m := t.members[key]; m != nil && len(m.intents) == 0 {
		delete(t.members, key)
		delete(t.dirty, m)
	}
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
	slices.SortStableFunc(sorted, func(a, b *intent) int { return cmp.Compare(a.set.order, b.set.order) })
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
