package localbroker

import "time"

// group is one consumer group: its live deliveries, the queue of those that are due, and what will happen to the others.
type group struct {
	tenant     *tenant
	name       string
	head, tail *delivery // live and shown, by number
	queue      queue
	parked     parkedHeap // slots of state.lot, by what comes first
	later      parkedHeap // those that are not due yet, by their time
	lotID      uint32     // its place in lot.groups, plus one; 0 = nothing of it is in a slot
	oldest     int64      // when the oldest parked one was enqueued,
	oldestAsOf int64      // as of this moment
	slots      int        // its deliveries in slots, parked or at rest
	ageing     int64      // a step of priority counts as much waiting, ns; 0 = priority comes first
	timers     heap[timed]
	waiters    []*waiter // lease calls that found nothing, oldest first
	alarm      int64     // when the alarm goes off, ns; 0 = not set
	stopAlarm  func() bool
	bytes      int64 // of the values of its live deliveries
	stored     int   // its deliveries in the state: staged, live and ended

	ready, delayed, leased int64 // deliveries by stage
	settled                int64 // since the engine was opened
}

// timed is a delivery among the timers of its group: by when something happens to it next.
type timed struct{ *delivery }

func (a timed) before(b timed) bool { return a.wakes < b.wakes }
func (a timed) moved(place int)     { a.timer = place }

// waiter is one lease call that waits.
type waiter struct {
	wake  chan struct{} // one token: look again
	woken bool
}

// link adds a delivery to the live ones, at its place by number: nearly always the last.
func (g *group) link(d *delivery) {
	prev := g.tail
	for prev != nil && prev.number > d.number {
		prev = prev.prev
	}
	d.prev = prev
	if prev != nil {
		d.next = prev.next
		prev.next = d
	} else {
		d.next = g.head
		g.head = d
	}
	if d.next != nil {
		d.next.prev = d
	} else {
		g.tail = d
	}
}

func (g *group) unlink(d *delivery) {
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		g.head = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	} else {
		g.tail = d.prev
	}
	d.prev, d.next = nil, nil
}

// enter brings a live delivery, that is in no stage of the group yet, to where its due time puts it.
func (g *group) enter(d *delivery, due, now int64) {
	if due > now {
		d.stage, d.due = delayed, due
		g.delayed++
	} else {
		d.stage, d.due = ready, 0
		g.ready++
		g.queue.push(d)
	}
	g.schedule(d)
}

// schedule sets the timer of a delivery to what happens next where it stands: its lease runs out, it comes due, or its TTL is
// over. Each delivery has at most one.
func (g *group) schedule(d *delivery) {
	g.unschedule(d)
	switch {
	case d.stage == leased:
		d.wakes = d.expires
	case d.stage == delayed && d.perishable():
		d.wakes = min(d.due, d.ttl)
	case d.stage == delayed:
		d.wakes = d.due
	case d.perishable():
		d.wakes = d.ttl
	default:
		return
	}
	g.timers.push(timed{d})
}

func (g *group) unschedule(d *delivery) {
	if d.timer >= 0 {
		g.timers.remove(d.timer)
	}
}

// grant leases the next delivery, which the caller has seen to be there.
func (g *group) grant(member string, seq uint64, expires int64) *delivery {
	d := g.queue.take()
	d.stage, d.member, d.seq, d.expires, d.begun = leased, member, seq, expires, true
	g.ready--
	g.leased++
	g.schedule(d)
	return d
}

// take is grant as the replay of a settlement needs it: grants are not in the log.
func (g *group) take(d *delivery) {
	if d.stage == ready {
		g.ready--
		g.queue.drop(d)
	} else {
		g.delayed--
	}
	g.queue.hold(d)
	g.unschedule(d)
	d.stage, d.begun = leased, true
	g.leased++
}

// extend changes the end of a running lease.
func (g *group) extend(d *delivery, expires int64) {
	d.expires = expires
	g.schedule(d)
}

// giveBack ends a lease without settling: the delivery is due again at its old place.
func (g *group) giveBack(d *delivery, due, now int64) {
	g.leased--
	if due > now {
		g.queue.hold(d)
	} else {
		g.queue.release(d)
	}
	g.enter(d, due, now)
}

// leave takes a live delivery out of the group for good.
func (g *group) leave(d *delivery) {
	switch d.stage {
	case ready:
		g.ready--
		g.queue.drop(d)
	case delayed:
		g.delayed--
	case leased:
		g.leased--
	}
	g.queue.release(d)
	g.unschedule(d)
	g.unlink(d)
}

// tick lets happen what is due by now; by hears of each lease and each TTL that ran out.
func (g *group) tick(now int64, by *stager) {
	by.s.lot.come(g, now)
	for g.timers.len() > 0 && g.timers.first().wakes <= now {
		d := g.timers.pop().delivery
		switch {
		case d.ending: // its settlement is being written
		case d.stage == leased:
			by.lapsed(d)
			g.giveBack(d, 0, now)
		case d.outlived(now):
			g.leave(d)
			by.outlived(d)
		default:
			g.delayed--
			g.queue.release(d)
			g.enter(d, 0, now)
		}
	}
}

// order sets the shape of the queue.
func (s *state) order(g *group, ordered bool, ageing time.Duration) error {
	if g.queue.ordered == ordered && g.ageing == int64(ageing) {
		return nil
	}
	if ordered {
		if err := s.unparkAll(g); err != nil {
			return err
		}
	}
	g.ageing = int64(ageing)
	g.parked.rebuild(&s.lot)
	g.queue.reshape(ordered, g.head)
	return nil
}

// notify wakes as many waiters as there are deliveries to take.
func (g *group) notify() {
	n := g.queue.len() + g.parked.len()
	for _, w := range g.waiters {
		if n == 0 {
			return
		}
		if !w.woken {
			w.woken = true
			select {
			case w.wake <- struct{}{}:
			default: // one that came too late for the wait before is still there
			}
		}
		n--
	}
}

// rouse wakes all waiters.
func (g *group) rouse() {
	for _, w := range g.waiters {
		if !w.woken {
			w.woken = true
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
	}
}

// dismiss removes a waiter and passes on a wake-up that it will not use.
func (g *group) dismiss(w *waiter) {
	for i := range g.waiters {
		if g.waiters[i] == w {
			g.waiters = append(g.waiters[:i], g.waiters[i+1:]...)
			break
		}
	}
	g.notify()
}

// next is when the group's next timer goes off, and whether there is one.
func (g *group) next(l *lot) (at int64, ok bool) {
	if g.later.len() > 0 {
		at, ok = l.at(g.later.items[0]).order, true
	}
	if g.timers.len() > 0 && (!ok || g.timers.first().wakes < at) {
		at, ok = g.timers.first().wakes, true
	}
	return at, ok
}
