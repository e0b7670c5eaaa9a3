package router

import "slices"

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
