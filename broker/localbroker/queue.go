package localbroker

// queue holds the due deliveries of one group that nobody works on. It is in one of two shapes: plain, where each delivery
// competes for itself, and ordered, where those of one session stand in a lane and only its first may be taken, while no
// other delivery of the session is in somebody's hands.
type queue struct {
	ordered  bool
	plain    heap[*delivery]
	lanes    map[string]*lane
	eligible heap[*lane] // lanes whose first delivery may be taken
}

// lane is one session of an ordered queue, or one delivery without session.
type lane struct {
	session string
	due     laneHeap
	waiting [10]int32 // due deliveries by priority
	held    int       // deliveries of the session that are leased or wait for their retry
	place   int
}

// laneHeap orders by age alone: inside a session order wins over priority.
type laneHeap = heap[byAge]

type byAge struct{ *delivery }

func (a byAge) before(b byAge) bool { return a.older(b.delivery) }
func (a byAge) moved(place int)     { a.place = place }

// before: a session competes with the highest priority among its due waiting messages, then by the age of its first.
func (l *lane) before(o *lane) bool {
	a, b := l.priority(), o.priority()
	first, other := l.due.first().delivery, o.due.first().delivery
	if by := first.group.ageing; by > 0 {
		if x, y := first.order-by*int64(a), other.order-by*int64(b); x != y {
			return x < y
		}
		return first.number < other.number
	}
	if a != b {
		return a > b
	}
	return first.older(other)
}

func (l *lane) moved(place int) { l.place = place }

func (l *lane) priority() int {
	for p := len(l.waiting) - 1; p > 0; p-- {
		if l.waiting[p] > 0 {
			return p
		}
	}
	return 0
}

// len is the number of deliveries that could be granted one after the other right now.
func (q *queue) len() int {
	if q.ordered {
		return q.eligible.len()
	}
	return q.plain.len()
}

// push adds a due delivery.
func (q *queue) push(d *delivery) {
	if !q.ordered {
		q.plain.push(d)
		return
	}
	l := q.laneOf(d)
	q.change(l, func() {
		l.due.push(byAge{d})
		l.waiting[min(d.priority, 9)]++
	})
}

// first is the delivery that is next, or nil.
func (q *queue) first() *delivery {
	switch {
	case q.len() == 0:
		return nil
	case q.ordered:
		return q.eligible.first().due.first().delivery
	}
	return q.plain.first()
}

// take removes the first delivery; it is held from now on.
func (q *queue) take() *delivery {
	if q.len() == 0 {
		return nil
	}
	var d *delivery
	if q.ordered {
		l := q.eligible.first()
		q.change(l, func() {
			d = l.due.pop().delivery
			l.waiting[min(d.priority, 9)]--
			l.held++
		})
	} else {
		d = q.plain.pop()
	}
	d.held = true
	return d
}

// drop removes a delivery that waits in the queue.
func (q *queue) drop(d *delivery) {
	if !q.ordered {
		q.plain.remove(d.place)
		return
	}
	l := d.lane
	q.change(l, func() {
		l.due.remove(d.place)
		l.waiting[min(d.priority, 9)]--
	})
	d.lane = nil
	q.discard(l)
}

// release ends the hold of a delivery on its session.
func (q *queue) release(d *delivery) {
	if !d.held {
		return
	}
	d.held = false
	if l := d.lane; q.ordered && l != nil {
		q.change(l, func() { l.held-- })
		d.lane = nil
		q.discard(l)
	}
}

// hold makes a delivery that is not in the queue keep its session's place: it waits for its retry.
func (q *queue) hold(d *delivery) {
	if d.held {
		return
	}
	d.held = true
	if q.ordered {
		l := q.laneOf(d)
		q.change(l, func() { l.held++ })
	}
}

// laneOf finds or makes the lane of a delivery.
func (q *queue) laneOf(d *delivery) *lane {
	if d.lane != nil {
		return d.lane
	}
	var l *lane
	if d.session != "" {
		l = q.lanes[d.session]
	}
	if l == nil {
		l = &lane{session: d.session, place: -1}
		if d.session != "" {
			q.lanes[d.session] = l
		}
	}
	d.lane = l
	return l
}

// change edits a lane and then puts it where it belongs.
func (q *queue) change(l *lane, edit func()) {
	if l.place >= 0 {
		q.eligible.remove(l.place)
	}
	edit()
	if l.held == 0 && l.due.len() > 0 {
		q.eligible.push(l)
	}
}

// discard forgets an empty lane.
func (q *queue) discard(l *lane) {
	if l.held == 0 && l.due.len() == 0 && l.session != "" && q.lanes[l.session] == l {
		delete(q.lanes, l.session)
	}
}

// reshape changes the shape; live are all live deliveries of the group.
func (q *queue) reshape(ordered bool, live *delivery) {
	*q = queue{ordered: ordered}
	if ordered {
		q.lanes = map[string]*lane{}
	}
	for d := live; d != nil; d = d.next {
		d.lane = nil
		if d.held {
			d.held = false
			q.hold(d)
		}
		if d.stage == ready {
			q.push(d)
		}
	}
}
