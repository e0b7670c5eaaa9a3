package router

import (
	"cmp"
	"slices"
)

// segment is an immutable inverted index over some of a tenant's intents: for each feature the slots (intents) that carry
// it, with their weights. Slots of one set stand side by side. Segments of one kind are merged as they pile up, so a
// tenant has a handful of them, and adding one intent costs its own features, not the tenant's.
type segment struct {
	keys  []uint32 // features, rising
	start []uint32 // keys[i] owns posts[start[i]:start[i+1]]
	posts []posting
	table []tableCell // open addressing over keys; size a power of two
	shift uint32
	slots []*head
	runs  []run

	vectors bool     // a model of it uses vector evidence
	ids     []idCell // open addressing over the slots' index entries, where it does; size a power of two
}

type posting struct {
	slot   uint32
	weight float32
}

// tableCell is where a feature's postings are; lo = hi marks a free cell.
type tableCell struct{ key, lo, hi uint32 }

// idCell finds the slot of an index entry; entry 0 marks a free cell.
type idCell struct {
	id   uint64
	slot uint32
}

// run is the slots [lo,hi) of one set in one segment.
type run struct {
	model    *model
	lo, hi   uint32
	filtered bool // an intent of it has a filter
}

// triple is one weight on its way into a segment.
type triple struct {
	key, slot uint32
	weight    float32
}

// newSegment builds a segment; it sorts triples in place. Slots of a run have one model.
func newSegment(slots []*head, triples []triple) *segment {
	slices.SortFunc(triples, func(a, b triple) int {
		if c := cmp.Compare(a.key, b.key); c != 0 {
			return c
		}
		return cmp.Compare(a.slot, b.slot)
	})
	s := &segment{slots: slots, posts: make([]posting, 0, len(triples))}
	for i, t := range triples {
		if i == 0 || t.key != triples[i-1].key {
			s.keys = append(s.keys, t.key)
			s.start = append(s.start, uint32(i))
		}
		s.posts = append(s.posts, posting{t.slot, t.weight})
	}
	s.start = append(s.start, uint32(len(triples)))
	s.finish()
	return s
}

// finish builds the look-up table and the runs.
func (s *segment) finish() {
	bits := 6
	for 1<<bits < 2*len(s.keys) {
		bits++
	}
	s.table, s.shift = make([]tableCell, 1<<bits), uint32(32-bits)
	mask := uint32(len(s.table) - 1)
	for i, k := range s.keys {
		p := k >> s.shift
		for s.table[p].lo != s.table[p].hi {
			p = (p + 1) & mask
		}
		s.table[p] = tableCell{k, s.start[i], s.start[i+1]}
	}
	for i, h := range s.slots {
		s.vectors = s.vectors || h.model.vector > 0
		if n := len(s.runs); n > 0 && s.runs[n-1].model == h.model {
			s.runs[n-1].hi++
			s.runs[n-1].filtered = s.runs[n-1].filtered || h.in.filter != nil
			continue
		}
		s.runs = append(s.runs, run{h.model, uint32(i), uint32(i + 1), h.in.filter != nil})
	}
	if s.vectors {
		s.indexIDs()
	}
}

func (s *segment) indexIDs() {
	size := 64
	for size < 2*len(s.slots) {
		size *= 2
	}
	s.ids = make([]idCell, size)
	for i, h := range s.slots {
		if h.in.vector == nil || h.model.vector == 0 {
			continue
		}
		p := h.in.id & uint64(size-1)
		for s.ids[p].id != 0 {
			p = (p + 1) & uint64(size-1)
		}
		s.ids[p] = idCell{h.in.id, uint32(i)}
	}
}

// slotOf is the slot of the intent with that index entry, if its model uses vectors.
func (s *segment) slotOf(id uint64) (slot uint32, ok bool) {
	mask := uint64(len(s.ids) - 1)
	for p := id & mask; s.ids[p].id != 0; p = (p + 1) & mask {
		if s.ids[p].id == id {
			return s.ids[p].slot, true
		}
	}
	return 0, false
}

// lookup is the postings of a feature, nil for an unknown one.
func (s *segment) lookup(key uint32) []posting {
	mask := uint32(len(s.table) - 1)
	for p := key >> s.shift; ; p = (p + 1) & mask {
		c := &s.table[p]
		if c.lo == c.hi {
			return nil
		}
		if c.key == key {
			return s.posts[c.lo:c.hi]
		}
	}
}

// merge joins two views into a segment of their live slots. Slots are put in order of their sets' appearance.
func merge(a, b *view) *view {
	slots, mapA, mapB := joinSlots(a, b)
	s := &segment{slots: slots, posts: make([]posting, 0, len(a.posts)+len(b.posts))}
	i, j := 0, 0
	for i < len(a.keys) || j < len(b.keys) {
		var key uint32
		switch {
		case j == len(b.keys) || i < len(a.keys) && a.keys[i] <= b.keys[j]:
			key = a.keys[i]
		default:
			key = b.keys[j]
		}
		from := len(s.posts)
		if i < len(a.keys) && a.keys[i] == key {
			s.posts = appendMapped(s.posts, a.posts[a.start[i]:a.start[i+1]], mapA)
			i++
		}
		if j < len(b.keys) && b.keys[j] == key {
			s.posts = appendMapped(s.posts, b.posts[b.start[j]:b.start[j+1]], mapB)
			j++
		}
		if len(s.posts) > from {
			s.keys = append(s.keys, key)
			s.start = append(s.start, uint32(from))
		}
	}
	s.start = append(s.start, uint32(len(s.posts)))
	s.finish()
	return newView(s)
}

func appendMapped(dst []posting, src []posting, to []int32) []posting {
	for _, p := range src {
		if t := to[p.slot]; t >= 0 {
			dst = append(dst, posting{uint32(t), p.weight})
		}
	}
	return dst
}

// joinSlots lists the live slots of a and b, sets kept together, and where each old slot went (-1 = nowhere).
func joinSlots(a, b *view) (slots []*head, mapA, mapB []int32) {
	mapA, mapB = make([]int32, len(a.slots)), make([]int32, len(b.slots))
	inB := map[*model][]run{}
	for _, r := range b.runs {
		inB[r.model] = append(inB[r.model], r)
	}
	take := func(v *view, r run, to []int32) {
		for s := r.lo; s < r.hi; s++ {
			to[s] = -1
			if !v.isDead(s) {
				to[s] = int32(len(slots))
				slots = append(slots, v.slots[s])
			}
		}
	}
	taken := map[*model]bool{}
	for _, r := range a.runs {
		take(a, r, mapA)
		if taken[r.model] {
			continue
		}
		taken[r.model] = true
		for _, q := range inB[r.model] {
			take(b, q, mapB)
		}
	}
	for _, r := range b.runs {
		if !taken[r.model] {
			take(b, r, mapB)
		}
	}
	return slots, mapA, mapB
}
