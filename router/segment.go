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
	ids   []uint64 // index entry of each slot's intent
	runs  []run

	vectors bool // a model of it uses vector evidence
}

type posting struct {
	slot   uint32
	weight float32
}

type tableCell struct {
	key   uint32
	index int32 // 1 + index into keys, 0 = free
}

// run is the slots [lo,hi) of one set in one segment.
type run struct {
	model  *model
	lo, hi uint32
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
		for s.table[p].index != 0 {
			p = (p + 1) & mask
		}
		s.table[p] = tableCell{k, int32(i + 1)}
	}
	s.ids = make([]uint64, len(s.slots))
	for i, h := range s.slots {
		s.ids[i] = h.in.id
		s.vectors = s.vectors || h.model.vector > 0
		if n := len(s.runs); n > 0 && s.runs[n-1].model == h.model {
			s.runs[n-1].hi++
			continue
		}
		s.runs = append(s.runs, run{h.model, uint32(i), uint32(i + 1)})
	}
}

// lookup is the postings of a feature, nil for an unknown one.
func (s *segment) lookup(key uint32) []posting {
	mask := uint32(len(s.table) - 1)
	for p := key >> s.shift; ; p = (p + 1) & mask {
		c := &s.table[p]
		if c.index == 0 {
			return nil
		}
		if c.key == key {
			return s.posts[s.start[c.index-1]:s.start[c.index]]
		}
	}
}

// view is a segment with the slots that no longer count.
type view struct {
	*segment
	dead  []uint64 // bit a slot; nil = none
	alive int
}

func newView(s *segment) *view { return &view{segment: s, alive: len(s.slots)} }

func (v *view) isDead(slot uint32) bool {
	return v.dead != nil && v.dead[slot>>6]&(1<<(slot&63)) != 0
}

// without is v with more dead slots.
func (v *view) without(slots []uint32) *view {
	n := &view{segment: v.segment, alive: v.alive, dead: make([]uint64, (len(v.slots)+63)/64)}
	copy(n.dead, v.dead)
	for _, s := range slots {
		if n.dead[s>>6]&(1<<(s&63)) == 0 {
			n.dead[s>>6] |= 1 << (s & 63)
			n.alive--
		}
	}
	return n
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
