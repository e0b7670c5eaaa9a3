package localbroker

// What is parked moves as a whole record, so that a slot can stand for it at its new place as well.

// whole is a parked message with its delivery on its way to a new place.
type whole struct {
	slot     uint32 // where it was parked
	number   uint64
	from     slot
	message  *message // as read from the record; nil in a replay
	delivery *delivery
	old, to  [3]loc // of body, decision and info
	frame    frameKey
	items    [2]uint32 // offsets of the new record's items
}

// read takes the record of a slot out of the payload of its frame.
func (w *whole) read(payload []byte, g *group) (size int, err error) {
	m, d, err := w.from.read(payload, g)
	if err != nil {
		return 0, err
	}
	w.message, w.delivery, w.old = m, d, [3]loc{m.body, m.decision, d.info}
	return int(w.from.bytes) + 3*len(m.id) + len(m.tenant.name) + len(g.name) + len(d.session) + 128, nil
}

// write puts the item of the move into the frame: the two items of the record, as they stood in it.
func (w *whole) write(f *frameBuilder, payload []byte) error {
	m, d := w.message, w.delivery
	var values [3][]byte
	for i, l := range w.old {
		if l.size > 0 {
			var err error
			if values[i], err = valueIn(payload, l); err != nil {
				return err
			}
		}
	}
	f.tag(tagMove)
	f.byte(byte(movesWhole))
	f.string(m.tenant.name)
	f.uint(m.commit)
	f.uint(d.number)
	w.items[0] = f.offset()
	f.string(m.id)
	f.fixed(m.hash)
	w.to[0], w.to[1] = f.data(values[0]), f.data(values[1])
	w.items[1] = f.offset()
	f.uint(d.number)
	f.string(m.id)
	f.string(d.group.name)
	f.string(d.key)
	f.string(d.session)
	f.byte(d.priority)
	f.int(0) // due
	f.int(0) // ttl
	w.to[2] = f.data(values[2])
	w.frame = frameKey{f.segment, f.frame}
	return nil
}

// moveWhole stages the move of a parked message.
func (g *stager) moveWhole(w *whole) {
	for _, l := range w.to {
		g.s.refer(l, 1)
	}
	g.wholes = append(g.wholes, w)
}

// relocateWhole makes the move true: of the slot or, where it was brought back meanwhile, of the objects. What is gone takes its
// new place with it.
func (g *stager) relocateWhole(w *whole) {
	if x := g.s.lot.find(w.slot, w.number); x != nil {
		g.s.use(x.segment, -int(x.values), -int64(x.bytes))
		x.segment, x.frame, x.message, x.delivery = w.frame.segment, w.frame.frame, w.items[0], w.items[1]
		return
	}
	d := g.s.deliveries[w.number]
	for i, to := range w.to {
		var l *loc
		if d != nil && !d.message.gone {
			l = [...]*loc{&d.message.body, &d.message.decision, &d.info}[i]
		}
		if l == nil || *l != w.old[i] || i == 1 && d.message.deciding {
			g.s.refer(to, -1)
			continue
		}
		g.s.refer(*l, -1)
		*l = to
	}
	if d == nil {
		return
	}
	d.message.item, d.item = 0, 0
	if d.message.body == w.to[0] && d.message.decision == w.to[1] && d.info == w.to[2] {
		d.message.item, d.item, d.frame = w.items[0], w.items[1], w.frame
	}
}

// find is a slot that still holds a delivery, or nil.
func (l *lot) find(i uint32, number uint64) *slot {
	if i >= l.used {
		return nil
	}
	if x := l.at(i); x.number == number && x.commit != 0 {
		return x
	}
	return nil
}

// movedWhole replays the move of a parked message.
func (r *replayer) movedWhole() error {
	_, _ = r.string(), r.uint() // tenant and commit: for who reads the log
	w := &whole{number: r.uint(), frame: frameKey{r.segment, r.frame}, slot: ^uint32(0)}
	w.items[0] = uint32(r.off) //nolint:gosec // as written
	_, _ = r.string(), r.fixed64()
	w.to[0], w.to[1] = r.value(), r.value()
	w.items[1] = uint32(r.off) //nolint:gosec // as written
	_, _, _, _, _, _ = r.uint(), r.string(), r.string(), r.string(), r.string(), r.byte()
	_, _ = r.int(), r.int()
	w.to[2] = r.value()
	if r.err != nil {
		return r.err
	}
	if i, ok := r.s.lot.numbered(w.number); ok {
		w.slot = i
	} else if d := r.s.deliveries[w.number]; d != nil {
		w.old = [3]loc{d.message.body, d.message.decision, d.info}
	}
	r.moveWhole(w)
	return nil
}
