package localbroker

// stager applies the effects of the group under way to the state: first so that only later commits see them, and once the
// group is durable, by reveal, for everybody. Both the commit path and the replay of the log go through it, so what a crash
// leaves is what was there.
type stager struct {
	s     *state
	touch func(*group) // hears of each group whose deliveries changed, at reveal

	frame frameKey // of the group under way

	// Of the group under way, in commit order.
	messages   []*message
	decisions  []*message
	settles    []settlement
	deliveries []*delivery
	logs       []*eventLog
	trims      []trim
	moves      []relocation
	wholes     []*whole
	counters   []*counter
}

// trim is a part of a log that is on its way out.
type trim struct {
	log     *eventLog
	through uint64
}

// settlement is a settle on its way.
type settlement struct {
	delivery *delivery
	due      int64 // of a requeue, ns; 0 = now
	at       int64 // commit time, ns
	requeue  bool
	attempt  bool
	dropped  bool // without a lease
	cause    string
}

// message stores a message. One of the same id is replaced: a replay may bring back what retention had forgotten.
func (g *stager) message(t *tenant, id string, hash uint64, at int64, commit uint64, body, decision loc) *message {
	m := &message{tenant: t, place: -1, id: id, hash: hash, at: at, commit: commit, body: body, decision: decision}
	t.messages[id] = m
	g.s.refer(body, 1)
	g.s.refer(decision, 1)
	g.messages = append(g.messages, m)
	return m
}

func (g *stager) decide(m *message, decision loc) {
	g.s.refer(m.staged, -1) // a second decision in one group
	m.staged = decision
	g.s.refer(decision, 1)
	if !m.deciding {
		m.deciding = true
		g.decisions = append(g.decisions, m)
	}
}

// enqueue makes a delivery. The caller has seen that none is live; on replay one that outlived its TTL may still be there.
func (g *stager) enqueue(d *delivery) {
	m := d.message
	if old := m.find(d.group, d.key, 0); old != nil {
		g.expire(old)
	}
	g.s.revive(m)
	m.live++
	m.deliveries = append(m.deliveries, d)
	d.group.stored++
	d.group.bytes += d.bytes()
	g.s.deliveries[d.number] = d
	g.s.refer(d.info, 1)
	g.s.number = max(g.s.number, d.number)
	g.deliveries = append(g.deliveries, d)
}

func (g *stager) settle(x settlement) {
	x.delivery.ending, x.delivery.leaving = true, !x.requeue
	g.settles = append(g.settles, x)
}

func (g *stager) append(l *eventLog, at int64, data loc) (position uint64) {
	l.events = append(l.events, logged{at, data})
	g.s.refer(data, 1)
	g.logs = append(g.logs, l)
	return l.newest()
}

// drop ends a delivery without its lease. One that outlived its TTL stays expired and is accounted for.
func (g *stager) drop(d *delivery, at int64, outlived bool, cause string) {
	if outlived && d.stage != expired {
		g.expire(d)
	}
	d.ending, d.leaving, d.dropped = true, true, true
	g.settles = append(g.settles, settlement{delivery: d, at: at, dropped: true, cause: cause})
}

// trim forgets the events of a log up to a position, or the log: whoever appends next begins a new one.
func (g *stager) trim(t *tenant, l *eventLog, through uint64, forget bool) {
	if forget {
		through = l.newest()
		delete(t.logs, l.name)
		if l.waiting > 0 {
			t.logs[l.name] = &eventLog{name: l.name, waiting: l.waiting, changed: l.changed}
			l.waiting, l.changed = 0, nil
		}
	}
	g.trims = append(g.trims, trim{l, through})
}

// tally sets a counter.
func (g *stager) tally(t *tenant, key string, value, until int64) {
	c := t.counter(key)
	c.value = value
	if until != c.until {
		if c.place >= 0 {
			g.s.fading.remove(c.place)
		}
		if c.until = until; until != 0 {
			g.s.fading.push(c)
		}
	}
	g.counters = append(g.counters, c)
}

func (g *stager) mark(t *tenant, key string, hash uint64, until int64, value []byte) {
	if old := t.marks[key]; old != nil { // its window is over
		g.s.marksDue.remove(old.place)
	}
	m := &mark{tenant: t, key: key, hash: hash, until: until, value: value}
	t.marks[key] = m
	g.s.marksDue.push(m)
}

// produce sets a producer's mark: it rises, but for a mark that was given up, which the check before has seen.
func (g *stager) produce(t *tenant, id string, seq uint64, at int64) {
	p := t.producers[id]
	if p == nil {
		p = &producer{}
		t.producers[id] = p
	}
	p.seq, p.used = seq, at
}

// expire ends a delivery whose TTL ran out before its first lease.
func (g *stager) expire(d *delivery) {
	if d.stage != staged {
		d.group.leave(d)
	}
	g.outlived(d)
}

// outlived is the rest of expire for a delivery that has left its group. It ended with its TTL, whenever that is noticed, and
// keeps its message alive until a drop accounts for it.
func (g *stager) outlived(d *delivery) {
	d.stage, d.ended = expired, d.ttl
	d.group.bytes -= d.bytes()
	g.s.outlived.push(d)
}

// let releases a message from one of its deliveries.
func (g *stager) let(d *delivery) {
	if d.message.live--; d.message.live == 0 {
		g.s.rest(d.message)
	}
}

// reveal makes the group under way visible and wakes whom it concerns.
func (g *stager) reveal(now int64) {
	for _, m := range g.decisions {
		if m.place >= 0 {
			g.s.kept += int64(m.staged.size) - int64(m.decision.size)
		}
		g.s.refer(m.decision, -1)
		for _, d := range m.deliveries {
			if d.stage < settled {
				d.group.bytes += int64(m.staged.size) - int64(m.decision.size)
			}
		}
		m.decision, m.staged, m.deciding, m.item = m.staged, loc{}, false, 0
	}
	for _, m := range g.messages {
		m.shown = true
	}
	for _, d := range g.deliveries {
		if d.stage == staged { // a replay may have expired it already
			if d.frame = g.frame; !g.s.replaying && d.group.parks(d, now) {
				g.s.park(d, now)
				continue
			}
			d.group.link(d)
			d.group.enter(d, d.due, now)
		}
	}
	for i := range g.settles {
		g.end(&g.settles[i], now)
	}
	for _, m := range g.messages {
		if m.live == 0 && m.place < 0 && m.tenant.messages[m.id] == m { // it never had a delivery
			g.s.rest(m)
		}
	}
	for _, l := range g.logs {
		l.shown, l.version = l.newest(), g.s.commit
		if l.changed != nil {
			close(l.changed)
			l.changed = nil
		}
	}
	for _, t := range g.trims {
		t.log.version = g.s.commit
		g.s.trim(t.log, t.through)
	}
	for i := range g.moves {
		g.relocate(&g.moves[i])
	}
	for _, w := range g.wholes {
		g.relocateWhole(w)
	}
	for _, c := range g.counters {
		c.shown = c.value
	}
	for i := range g.settles {
		g.touch(g.settles[i].delivery.group)
	}
	for _, d := range g.deliveries {
		g.touch(d.group)
	}
	g.reset()
}

// end makes one settlement true.
func (g *stager) end(x *settlement, now int64) {
	d := x.delivery
	d.ending, d.leaving, d.version = false, false, g.s.commit
	switch {
	case d.stage == expired && x.dropped && !d.counted:
		d.counted = true
		d.fail(x.cause)
		g.let(d)
		return
	case d.stage >= settled:
		return
	}
	d.fail(x.cause)
	if x.attempt {
		d.attempt++
	}
	if x.requeue || reviveSettled {
		d.begun = true
		if d.stage != leased { // a replay: grants are not in the log
			d.group.take(d)
		}
		d.group.giveBack(d, x.due, now)
		return
	}
	d.group.leave(d)
	if !x.dropped {
		d.group.settled++
	}
	d.stage, d.ended = settled, x.at
	d.group.bytes -= d.bytes()
	g.let(d)
}

// reset forgets the group under way and keeps its room.
func (g *stager) reset() {
	clear(g.messages)
	clear(g.decisions)
	clear(g.settles)
	clear(g.deliveries)
	clear(g.logs)
	clear(g.trims)
	clear(g.moves)
	clear(g.wholes)
	clear(g.counters)
	g.messages, g.decisions, g.settles = g.messages[:0], g.decisions[:0], g.settles[:0]
	g.deliveries, g.logs, g.counters = g.deliveries[:0], g.logs[:0], g.counters[:0]
	g.trims, g.moves, g.wholes = g.trims[:0], g.moves[:0], g.wholes[:0]
}

// group finds or makes a group of a tenant.
func (t *tenant) group(name string) *group {
	g := t.groups[name]
	if g == nil {
		g = &group{tenant: t, name: name, later: parkedHeap{byTime: true}}
		t.groups[name] = g
	}
	return g
}

func (t *tenant) log(name string) *eventLog {
	l := t.logs[name]
	if l == nil {
		l = &eventLog{name: name}
		t.logs[name] = l
	}
	return l
}

func (t *tenant) counter(key string) *counter {
	c := t.counters[key]
	if c == nil {
		c = &counter{tenant: t, key: key, place: -1}
		t.counters[key] = c
	}
	return c
}

// trim forgets the events of a log up to a position.
func (s *state) trim(l *eventLog, through uint64) {
	n := min(max(through, l.base)-l.base, uint64(len(l.events)))
	for _, e := range l.events[:n] {
		s.refer(e.data, -1)
	}
	l.events = append([]logged(nil), l.events[n:]...)
	l.base += n
}

// time assigns the next commit its time and number.
func (s *state) time(wall int64) (at int64, commit uint64) {
	s.clock = max(wall, s.clock+1)
	s.commit++
	return s.clock, s.commit
}

// orderOf is where a delivery stands in its queue: at its commit, or where deliver-at lets it in.
func orderOf(at, deliverAt int64) int64 { return max(at, deliverAt) }
