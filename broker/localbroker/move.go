package localbroker

// Values move when the cleaner rewrites a segment of which little lives. A move is in the log as an item of its own, so that a
// replay finds the value at its new place.

// movable is what kind of value moves.
type movable byte

const (
	movesBody     movable = 1 + iota // of a message: tenant, id, commit
	movesDecision                    // of a message: the same
	movesInfo                        // of a delivery: number
	movesEvent                       // of a log: tenant, log, position
	movesWhole                       // of a parked message: see whole
)

// relocation is one value on its way to a new place. Exactly one of message, delivery and log is set.
type relocation struct {
	what     movable
	message  *message
	delivery *delivery
	log      *eventLog
	tenant   string // of log
	place    uint64 // position of the event
	from, to loc
	whole    *whole // of movesWhole, and nothing else
}

// at is the place of the value as the state has it now; ok is false when it is gone, or about to be replaced.
func (x *relocation) at() (l *loc, ok bool) {
	switch x.what {
	case movesBody:
		return &x.message.body, !x.message.gone
	case movesDecision:
		return &x.message.decision, !x.message.gone && !x.message.deciding
	case movesInfo:
		return &x.delivery.info, !x.delivery.message.gone
	default:
		if e := x.log; x.place > e.base && x.place <= e.newest() {
			return &e.events[x.place-e.base-1].data, true
		}
	}
	return nil, false
}

// bound is what the item of a move takes beside its value, at most.
func (x *relocation) bound() int {
	const numbers = 32 // tags, lengths and integers
	switch x.what {
	case movesBody, movesDecision:
		return numbers + len(x.message.tenant.name) + len(x.message.id)
	case movesEvent:
		return numbers + len(x.tenant) + len(x.log.name)
	}
	return numbers
}

// write puts the item of a move into the frame, with the value.
func (x *relocation) write(f *frameBuilder, value []byte) {
	f.tag(tagMove)
	f.byte(byte(x.what))
	switch x.what {
	case movesBody, movesDecision:
		f.string(x.message.tenant.name)
		f.string(x.message.id)
		f.uint(x.message.commit)
	case movesInfo:
		f.uint(x.delivery.number)
	case movesEvent:
		f.string(x.tenant)
		f.string(x.log.name)
		f.uint(x.place)
	}
	x.to = f.data(value)
}

// move stages a relocation.
func (g *stager) move(x relocation) {
	g.s.refer(x.to, 1)
	g.moves = append(g.moves, x)
}

// relocate makes a move true. What went away since it was staged takes its new place with it.
func (g *stager) relocate(x *relocation) {
	l, ok := x.at()
	if !ok || l.size != x.to.size {
		g.s.refer(x.to, -1)
		return
	}
	g.s.refer(*l, -1)
	*l = x.to
	if x.message != nil {
		x.message.item = 0 // its record is not whole any more
	} else if x.delivery != nil {
		x.delivery.item = 0
	}
}

// moved replays a move. In the frames of a checkpoint's time the value may have gone, or moved on.
func (r *replayer) moved() error {
	x := relocation{what: movable(r.byte())}
	if x.what == movesWhole {
		return r.movedWhole()
	}
	known := false
	switch x.what {
	case movesBody, movesDecision:
		tenant, id, commit := r.string(), r.string(), r.uint()
		if t := r.s.tenants[tenant]; t != nil && r.err == nil {
			m, err := r.s.message(t, id)
			if err != nil {
				return err
			}
			x.message, known = m, m != nil && m.commit == commit
		}
	case movesInfo:
		d, err := r.numbered(r.uint())
		if err != nil {
			return err
		}
		x.delivery, known = d, d != nil
	case movesEvent:
		tenant, log := r.string(), r.string()
		x.place = r.uint()
		if t := r.s.tenants[tenant]; t != nil && t.logs[log] != nil {
			x.log = t.logs[log]
			known = true
		}
	default:
		r.fail()
	}
	if x.to = r.value(); known && r.err == nil {
		r.move(x)
	}
	return r.err
}
