package localbroker

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// A long queue is kept in compact form. A message that waits in a plain queue behind others, or for its time, for its only
// group, with nothing special about it, is parked: of its index entry a slot of some 100 bytes without pointers remains, and
// everything else is read back from its record in the log when its turn comes, or when somebody asks for it. Parked
// deliveries count as ready, or as delayed.

// parkBehind is how many deliveries a plain queue, or the timers of a group, hold in full before further ones are parked; tests take fewer.
var parkBehind = 1024

// slot is one parked message with its delivery.
type slot struct {
	hash     uint64 // of tenant and id
	number   uint64 // of the delivery
	order    int64  // in the queue; until then it is delayed
	at       int64  // when it was enqueued
	commit   uint64 // 0 = the slot is free
	segment  uint32 // where its record lies
	frame    uint32
	message  uint32 // offsets of its two items in the payload
	delivery uint32
	bytes    uint32 // of its values
	group    uint32 // in lot.groups
	chain    uint32 // next slot of the same hash, plus one
	place    int32  // among the parked of its group
	priority uint8
	values   uint8
	delayed  bool   // among the later ones of its group
	settled  bool   // it rests: see rest.go
	ended    int64  // when it was settled
	seq      uint64 // of the lease that settled it
}

// key names the frame of the record.
func (x *slot) key() frameKey { return frameKey{x.segment, x.frame} }

const slotsAPiece = 4096

// lot is all that is parked, in every group.
type lot struct {
	pieces [][]slot
	used   uint32 // slots ever used: the next new one
	free   []uint32
	index  map[uint64]uint32 // first slot by hash, plus one
	rested map[uint64]uint32 // slots of settled deliveries by number
	groups []*group          // by slot.group; nil = free
	count  int
	load   func(frameKey) ([]byte, error) // the payload of a frame
	hash   func(t *tenant, id string) uint64
}

func (l *lot) at(i uint32) *slot { return &l.pieces[i/slotsAPiece][i%slotsAPiece] }

// take finds room for one more slot.
func (l *lot) take() uint32 {
	if n := len(l.free); n > 0 {
		i := l.free[n-1]
		l.free = l.free[:n-1]
		return i
	}
	if int(l.used) == len(l.pieces)*slotsAPiece {
		l.pieces = append(l.pieces, make([]slot, slotsAPiece))
	}
	l.used++
	return l.used - 1
}

// add puts what x describes into a slot of a group: among its parked, or to rest.
func (l *lot) add(g *group, x slot) uint32 {
	i := l.take()
	if g.lotID == 0 {
		g.lotID = l.register(g)
	}
	x.group = g.lotID - 1
	x.chain = l.index[x.hash]
	if l.index == nil {
		l.index, l.rested = map[uint64]uint32{}, map[uint64]uint32{}
	}
	l.index[x.hash] = i + 1
	*l.at(i) = x
	l.count++
	g.slots++
	g.tenant.slots++
	if x.settled {
		l.rested[x.number] = i
		return i
	}
	if x.delayed {
		g.later.push(l, i)
		g.delayed++
		return i
	}
	g.parked.push(l, i)
	g.ready++
	return i
}

// come brings parked deliveries that are due from the later ones to the ready ones.
func (l *lot) come(g *group, now int64) {
	for g.later.len() > 0 {
		i := g.later.items[0]
		x := l.at(i)
		if x.order > now {
			return
		}
		g.later.remove(l, 0)
		x.delayed = false
		g.delayed--
		g.parked.push(l, i)
		g.ready++
	}
}

// register gives a group its place in groups, from 1.
func (l *lot) register(g *group) uint32 {
	for i := range l.groups {
		if l.groups[i] == nil {
			l.groups[i] = g
			return uint32(i + 1) //nolint:gosec // a node has fewer groups
		}
	}
	l.groups = append(l.groups, g)
	return uint32(len(l.groups)) //nolint:gosec // see above
}

// remove frees a slot that left its group's heap.
func (l *lot) remove(i uint32) {
	x := l.at(i)
	at := l.index[x.hash]
	if at == i+1 {
		if x.chain == 0 {
			delete(l.index, x.hash)
		} else {
			l.index[x.hash] = x.chain
		}
	} else {
		for at != 0 && l.at(at-1).chain != i+1 {
			at = l.at(at - 1).chain
		}
		l.at(at - 1).chain = x.chain
	}
	if x.settled {
		delete(l.rested, x.number)
	}
	g := l.groups[x.group]
	g.tenant.slots--
	if g.slots--; g.slots == 0 {
		l.groups[x.group], g.lotID = nil, 0
	}
	*x = slot{number: x.number} // numbered searches by it
	l.count--
	l.free = append(l.free, i)
}

// numbered is the slot of a delivery by its number, while no slot has been used twice: after a checkpoint was read.
func (l *lot) numbered(number uint64) (i uint32, ok bool) {
	n := sort.Search(int(l.used), func(k int) bool { return l.at(uint32(k)).number >= number })          //nolint:gosec // < used
	return uint32(n), n < int(l.used) && l.at(uint32(n)).number == number && l.at(uint32(n)).commit != 0 //nolint:gosec // see above
}

// parkedHeap are slots of one group, the first to be granted, or to come due, at place 0. It is a binary heap like heap, of
// slots without pointers.
type parkedHeap struct {
	items  []uint32
	byTime bool // the order is that of coming due
}

func (h *parkedHeap) len() int { return len(h.items) }

// before orders slots as delivery.before does deliveries, or by the time when they come due.
func (h *parkedHeap) before(l *lot, a, b uint32) bool {
	x, y := l.at(a), l.at(b)
	p, q := rank{x.priority, x.order, x.number}, rank{y.priority, y.order, y.number}
	if h.byTime {
		p.priority, q.priority = 0, 0
		return rankBefore(0, p, q)
	}
	return rankBefore(l.groups[x.group].ageing, p, q)
}

func (h *parkedHeap) push(l *lot, i uint32) {
	h.items = append(h.items, i)
	h.up(l, len(h.items)-1)
}

// remove takes the slot at a place out.
func (h *parkedHeap) remove(l *lot, place int) {
	last := len(h.items) - 1
	h.items[place] = h.items[last]
	h.items = h.items[:last]
	if place < last && !h.down(l, place) {
		h.up(l, place)
	}
	if cap(h.items) > 1024 && len(h.items) < cap(h.items)/4 {
		h.items = append(make([]uint32, 0, cap(h.items)/2), h.items...)
	}
}

// rebuild restores the order after the rule changed.
func (h *parkedHeap) rebuild(l *lot) {
	for i := len(h.items)/2 - 1; i >= 0; i-- {
		h.down(l, i)
	}
}

func (h *parkedHeap) up(l *lot, i int) {
	x := h.items[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(l, x, h.items[parent]) {
			break
		}
		h.set(l, i, h.items[parent])
		i = parent
	}
	h.set(l, i, x)
}

func (h *parkedHeap) down(l *lot, i int) (changed bool) {
	x, start := h.items[i], i
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			break
		}
		if r := child + 1; r < len(h.items) && h.before(l, h.items[r], h.items[child]) {
			child = r
		}
		if !h.before(l, h.items[child], x) {
			break
		}
		h.set(l, i, h.items[child])
		i = child
	}
	h.set(l, i, x)
	return i > start
}

func (h *parkedHeap) set(l *lot, i int, x uint32) {
	h.items[i] = x
	l.at(x).place = int32(i) //nolint:gosec // a heap of slots is shorter
}

// plain says that a delivery is one that a slot can hold: nothing happened to it yet, and nothing will but its grant.
func (d *delivery) plain() bool {
	m := d.message
	return m.item != 0 && d.item != 0 && len(m.deliveries) == 1 && d.at == m.at && d.ttl == 0 && d.key == "" &&
		d.attempt == 1 && !d.begun && !d.ending && len(d.errors) == 0 && !m.deciding
}

// parks says that a delivery which is about to become ready, or to wait for its time, is to be parked.
func (g *group) parks(d *delivery, now int64) bool {
	if g.queue.ordered || !d.plain() {
		return false
	}
	if d.due > now {
		return g.later.len() > 0 || g.timers.len() >= parkBehind
	}
	return g.parked.len() > 0 || g.queue.plain.len() >= parkBehind
}

// slotOf describes a message by its only delivery.
func (s *state) slotOf(d *delivery) slot {
	m := d.message
	x := slot{
		hash: s.lot.hash(m.tenant, m.id), number: d.number, order: d.order, at: d.at, commit: m.commit, segment: d.frame.segment, frame: d.frame.frame,
		message: m.item, delivery: d.item, priority: d.priority,
	}
	for _, l := range [...]loc{m.body, m.decision, d.info} {
		if l.size > 0 {
			x.values++
			x.bytes += l.size
		}
	}
	return x
}

// forgetObjects takes a message and its only delivery out of the index: a slot stands for them.
func (s *state) forgetObjects(d *delivery) {
	delete(d.message.tenant.messages, d.message.id)
	delete(s.deliveries, d.number)
}

// park puts a delivery, that is in no place of its group, into a slot.
func (s *state) park(d *delivery, now int64) {
	x := s.slotOf(d)
	x.delayed = d.due > now
	s.forgetObjects(d)
	s.lot.add(d.group, x)
}

// peek reads what a slot stands for back from the log, as objects that nothing refers to yet.
func (s *state) peek(i uint32) (*message, *delivery, error) {
	x := s.lot.at(i)
	payload, err := s.lot.load(x.key())
	if err != nil {
		return nil, nil, err
	}
	return x.read(payload, s.lot.groups[x.group])
}

// read makes the objects of a slot out of its record.
func (x *slot) read(payload []byte, g *group) (*message, *delivery, error) {
	r := &replayer{decoder: decoder{buf: payload, off: int(x.message)}, segment: x.segment, frame: x.frame}
	m := &message{tenant: g.tenant, place: -1, id: r.string(), hash: r.fixed64(), at: x.at, commit: x.commit, live: 1, shown: true}
	m.item, m.body, m.decision = x.message, r.value(), r.value()
	r.off = int(x.delivery)
	d := &delivery{
		message: m, group: g, number: r.uint(), order: x.order, at: x.at, attempt: 1, place: -1, timer: -1, stage: ready,
		item: x.delivery, frame: x.key(),
	}
	if x.delayed {
		d.stage, d.due = delayed, x.order
	}
	if x.settled {
		m.live, d.stage, d.ended, d.seq, d.begun = 0, settled, x.ended, x.seq, true
	}
	id, group := r.string(), r.string()
	d.key, d.session = r.string(), r.string()
	d.priority = r.byte()
	_, _, d.info = r.int(), r.int(), r.value()
	if r.err != nil || d.number != x.number || id != m.id || group != g.name || d.priority != x.priority {
		return nil, nil, errDamaged(segmentName(x.segment), int64(x.frame)*frameAlign, "the record of a waiting message is not where the index says")
	}
	m.deliveries = []*delivery{d}
	return m, d, nil
}

// unpark brings what a slot stands for back into the index in full.
func (s *state) unpark(i uint32) (*delivery, error) {
	m, d, err := s.peek(i)
	if err != nil {
		return nil, err
	}
	g := d.group
	place := int(s.lot.at(i).place)
	if d.stage == delayed {
		g.later.remove(&s.lot, place)
	} else {
		g.parked.remove(&s.lot, place)
	}
	s.lot.remove(i)
	m.tenant.messages[m.id] = m
	s.deliveries[d.number] = d
	g.link(d)
	if d.stage == ready {
		g.queue.push(d)
	}
	g.schedule(d)
	return d, nil
}

// message finds a message of a tenant, in a slot or not; nil when there is none.
func (s *state) message(t *tenant, id string) (*message, error) {
	if m := t.messages[id]; m != nil || t.slots == 0 {
		return m, nil
	}
	i, m, err := s.lookUp(t, id)
	switch {
	case m == nil || err != nil:
		return nil, err
	case s.lot.at(i).settled:
		return s.rouse(i)
	}
	d, err := s.unpark(i)
	if err != nil {
		return nil, err
	}
	return d.message, nil
}

// lookUp finds the slot of a message, and reads it; the message is nil when there is none.
func (s *state) lookUp(t *tenant, id string) (i uint32, m *message, err error) {
	for at := s.lot.index[s.lot.hash(t, id)]; at != 0; at = s.lot.at(at - 1).chain {
		if s.lot.groups[s.lot.at(at-1).group].tenant != t {
			continue
		}
		if m, _, err = s.peek(at - 1); err != nil || m.id == id {
			return at - 1, m, err
		}
	}
	return 0, nil, nil
}

// next is the delivery of a group to be granted next, in full; nil when there is none.
func (s *state) next(g *group) (*delivery, error) {
	d := g.queue.first()
	if g.parked.len() == 0 {
		return d, nil
	}
	x := s.lot.at(g.parked.items[0])
	if d != nil && rankBefore(g.ageing, d.rank(), rank{x.priority, x.order, x.number}) {
		return d, nil
	}
	return s.unpark(g.parked.items[0])
}

// unparkAll brings all of a group back: its queue takes another shape.
func (s *state) unparkAll(g *group) error {
	for _, h := range [...]*parkedHeap{&g.parked, &g.later} {
		for h.len() > 0 {
			if _, err := s.unpark(h.items[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// replayed puts what a replay has found waiting, or settled, into slots.
func (s *state) replayed(now int64) {
	s.replaying = false
	var waiting []*delivery
	var settled []*message
	for _, d := range s.deliveries {
		switch {
		case d.stage == ready || d.stage == delayed:
			waiting = append(waiting, d)
		case d.message.place >= 0 && d.message.rests():
			settled = append(settled, d.message)
		}
	}
	slices.SortFunc(waiting, func(a, b *delivery) int { return cmp.Compare(a.number, b.number) })
	for _, d := range waiting {
		if g := d.group; g.parks(d, now) {
			g.leave(d)
			s.park(d, now)
		}
	}
	slices.SortFunc(settled, func(a, b *message) int { return cmp.Compare(a.idle, b.idle) })
	for _, m := range settled {
		s.revive(m)
		s.compact(m)
	}
}

// pageOf lists the parked deliveries of a group with numbers above last, the smallest first, at most limit of them.
func (s *state) pageOf(g *group, last uint64, limit int) []uint32 {
	var smallest heap[*largest]
	for _, i := range slices.Concat(g.parked.items, g.later.items) {
		n := s.lot.at(i).number
		switch {
		case n <= last:
		case smallest.len() < limit:
			smallest.push(&largest{n, i})
		case limit > 0 && n < smallest.first().number:
			*smallest.items[0] = largest{n, i}
			smallest.fix(0)
		}
	}
	out := make([]uint32, smallest.len())
	for k := len(out) - 1; k >= 0; k-- {
		out[k] = smallest.pop().slot
	}
	return out
}

// largest is an element of a heap whose first has the largest number.
type largest struct {
	number uint64
	slot   uint32
}

func (a *largest) before(b *largest) bool { return a.number > b.number }
func (*largest) moved(int)                {}

// oldestParked is when the oldest parked delivery of a group was enqueued. Looking through very many is worth it once a second.
func (s *state) oldestParked(g *group, now int64) (at int64) {
	if g.parked.len() > oldestAtOnce && now-g.oldestAsOf < int64(time.Second) && now >= g.oldestAsOf {
		return g.oldest
	}
	for _, i := range g.parked.items {
		if x := s.lot.at(i); at == 0 || x.at < at {
			at = x.at
		}
	}
	g.oldest, g.oldestAsOf = at, now
	return at
}

const oldestAtOnce = 4096
