package localbroker

import "time"

// group is one consumer group: its live deliveries, the queue of those that are due, and what will happen to the others.
type group struct {
	tenant     *tenant
	name       string
	head, tail *delivery // live and shown, by number
	queue      queue
	timers     heap[timer]
	waiters    []*waiter // lease calls that found nothing, oldest first
	alarm      int64     // when the alarm goes off, ns; 0 = not set
	stopAlarm  func() bool

	ready, delayed, leased int64 // deliveries by stage
	settled                int64 // since the engine was opened
}

// timer is something that happens to a delivery at a time. It is stale, and ignored, when the delivery moved on since.
type timer struct {
	at       int64
	delivery *delivery
	kind     timerKind
}

type timerKind uint8

const (
	timerDue     timerKind = iota // a delayed delivery comes due
	timerLease                    // a lease runs out
	timerOutlive                  // a TTL runs out
)

func (a timer) before(b timer) bool { return a.at < b.at }
func (timer) moved(int)             {}

// waiter is one lease call that waits.
type waiter struct {
	wake  chan struct{} // one token: look again
	woken bool
}

// link adds a delivery to the live ones.
func (g *group) link(d *delivery) {
	d.prev, d.next = g.tail, nil
	if g.tail != nil {
		g.tail.next = d
	} else {
		g.head = d
	}
	g.tail = d
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
		g.timers.push(timer{due, d, timerDue})
	} else {
		d.stage, d.due = ready, 0
		g.ready++
		g.queue.push(d)
	}
	if d.ttl != 0 && !d.begun {
		g.timers.push(timer{d.ttl, d, timerOutlive})
	}
}

// grant leases the next delivery, which the caller has seen to be there.
func (g *group) grant(member string, seq uint64, expires int64) *delivery {
	d := g.queue.take()
	d.stage, d.member, d.seq, d.expires, d.begun = leased, member, seq, expires, true
	g.ready--
	g.leased++
	g.timers.push(timer{expires, d, timerLease})
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
	d.stage, d.begun = leased, true
	g.leased++
}

// extend changes the end of a running lease.
func (g *group) extend(d *delivery, expires int64) {
	d.expires = expires
	g.timers.push(timer{expires, d, timerLease})
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
	g.unlink(d)
}

// tick lets happen what is due by now; done is called for each delivery that left because its TTL ran out.
func (g *group) tick(now int64, done func(*delivery)) {
	for g.timers.len() > 0 && g.timers.first().at <= now {
		t := g.timers.pop()
		d := t.delivery
		switch {
		case d.ending: // its settlement is being written
		case t.kind == timerDue && d.stage == delayed && d.due == t.at:
			g.delayed--
			g.queue.release(d)
			d.stage, d.due = ready, 0
			g.ready++
			g.queue.push(d)
		case t.kind == timerLease && d.stage == leased && d.expires == t.at:
			g.giveBack(d, 0, now)
		case t.kind == timerOutlive && (d.stage == ready || d.stage == delayed) && d.outlived(now):
			g.leave(d)
			done(d)
		}
	}
}

// order sets the shape of the queue.
func (g *group) order(ordered bool) {
	if g.queue.ordered != ordered {
		g.queue.reshape(ordered, g.head)
	}
}

// notify wakes as many waiters as there are deliveries to take.
func (g *group) notify() {
	n := g.queue.len()
	for _, w := range g.waiters {
		if n == 0 {
			return
		}
		if !w.woken {
			w.woken = true
			w.wake <- struct{}{}
		}
		n--
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
func (g *group) next() (at int64, ok bool) {
	if g.timers.len() == 0 {
		return 0, false
	}
	return g.timers.first().at, true
}

// untilNext is the time from now to the next timer, at least a moment.
func untilNext(at, now int64) time.Duration { return max(time.Duration(at-now), time.Microsecond) }
