package localbroker

import (
	"cmp"
	"encoding/binary"
	"path/filepath"
	"slices"
)

// The entries of a checkpoint, written and read.

const (
	flagSettled byte = 1 << iota
	flagExpired
	flagHeld
	flagBegun
	flagCounted
)

// indexWriter encodes the index.
type indexWriter struct{ buf []byte }

func (w *indexWriter) uint(v uint64)   { w.buf = binary.AppendUvarint(w.buf, v) }
func (w *indexWriter) int(v int64)     { w.buf = binary.AppendVarint(w.buf, v) }
func (w *indexWriter) string(s string) { w.buf = appendString(w.buf, s) }
func (w *indexWriter) fixed(v uint64)  { w.buf = binary.LittleEndian.AppendUint64(w.buf, v) }

func (w *indexWriter) loc(l loc) {
	w.uint(uint64(l.size))
	if l.size > 0 {
		w.uint(uint64(l.segment))
		w.uint(uint64(l.frame))
		w.uint(uint64(l.offset))
	}
}

func (w *indexWriter) kind(k entry) { w.buf = append(w.buf, byte(k)) }

func (w *indexWriter) log(l *eventLog) {
	w.kind(entryLog)
	w.string(l.name)
	w.uint(l.version)
	w.uint(l.base)
	shown := l.events[:l.shown-l.base]
	w.uint(uint64(len(shown)))
	for _, e := range shown {
		w.int(e.at)
		w.loc(e.data)
	}
}

func (w *indexWriter) producer(id string, p *producer) {
	w.kind(entryProducer)
	w.string(id)
	w.uint(p.seq)
	w.int(p.used)
}

func (w *indexWriter) counter(c *counter) {
	w.kind(entryCounter)
	w.string(c.key)
	w.int(c.shown)
	w.int(c.until)
}

func (w *indexWriter) parked(g *group, x *slot) {
	w.kind(entryParked)
	w.string(g.name)
	w.fixed(x.hash)
	for _, v := range [...]uint64{
		x.number, uint64(x.order), uint64(x.at), x.commit, uint64(x.segment), uint64(x.frame), uint64(x.message), uint64(x.delivery), uint64(x.bytes), //nolint:gosec // read back as int64
	} {
		w.uint(v)
	}
	w.buf = append(w.buf, x.priority, x.values)
	switch {
	case x.settled:
		w.buf = append(w.buf, flagSettled)
		w.int(x.ended)
		w.uint(x.seq)
	case x.delayed:
		w.buf = append(w.buf, flagHeld)
	default:
		w.buf = append(w.buf, 0)
	}
}

// message encodes what is visible of one.
func (w *indexWriter) message(m *message) {
	w.kind(entryMessage)
	w.string(m.id)
	w.fixed(m.hash)
	w.int(m.at)
	w.uint(m.commit)
	w.loc(m.body)
	w.loc(m.decision)
	w.int(m.idle)
	n := 0
	for _, d := range m.deliveries {
		if d.stage != staged {
			n++
		}
	}
	w.uint(uint64(n))
	for _, d := range m.deliveries {
		if d.stage != staged {
			w.delivery(d)
		}
	}
}

func (w *indexWriter) delivery(d *delivery) {
	var flags byte
	for _, f := range [...]struct {
		flag byte
		set  bool
	}{{flagSettled, d.stage == settled}, {flagExpired, d.stage == expired}, {flagHeld, d.held && d.stage == delayed}, {flagBegun, d.begun},
		{flagCounted, d.counted}} {
		if f.set {
			flags |= f.flag
		}
	}
	w.uint(d.number)
	seq := uint64(0)
	if d.stage == settled && !d.dropped {
		seq = d.seq
	}
	w.uint(seq)
	w.uint(d.version)
	w.buf = append(w.buf, flags, d.priority)
	w.string(d.group.name)
	w.string(d.key)
	w.string(d.session)
	w.loc(d.info)
	due := int64(0)
	if d.stage == delayed {
		due = d.due
	}
	for _, v := range [...]int64{d.order, due, d.ttl, d.at, d.ended, int64(d.attempt)} {
		w.int(v)
	}
	w.uint(uint64(len(d.errors)))
	for _, e := range d.errors {
		w.string(e)
	}
}

// indexReader decodes the index into a state.
type indexReader struct {
	decoder
	s              *state
	live, outlived []*delivery
	idle           []*message
	parked         []parkedEntry
}

// parkedEntry is a slot as it was read, with its group.
type parkedEntry struct {
	slot
	group *group
}

// slot reads one that is parked.
func (r *indexReader) slot(t *tenant) {
	x := parkedEntry{group: t.group(r.string())}
	x.hash, x.number = r.fixed64(), r.uint()
	x.order, x.at = int64(r.uint()), int64(r.uint()) //nolint:gosec // written from an int64
	x.commit = r.uint()
	for _, v := range [...]*uint32{&x.segment, &x.frame, &x.message, &x.delivery, &x.bytes} {
		*v = uint32(r.uint()) //nolint:gosec // written from a uint32
	}
	x.priority, x.values = r.byte(), r.byte()
	flags := r.byte()
	if x.settled, x.delayed = flags == flagSettled, flags == flagHeld; x.settled {
		x.ended, x.seq = r.int(), r.uint()
	}
	if r.err == nil {
		r.parked = append(r.parked, x)
	}
}

// park puts what was read into slots, by number. What was brought back while the checkpoint was taken is known already.
func (r *indexReader) park() {
	var rested []uint32
	slices.SortFunc(r.parked, func(a, b parkedEntry) int { return cmp.Compare(a.number, b.number) })
	for i := range r.parked {
		x := &r.parked[i]
		if r.s.deliveries[x.number] != nil || i > 0 && r.parked[i-1].number == x.number {
			continue
		}
		r.s.use(x.segment, int(x.values), int64(x.bytes))
		x.group.stored++
		at := r.s.lot.add(x.group, x.slot)
		if !x.settled {
			x.group.bytes += int64(x.bytes)
		} else {
			r.s.kept += x.keeps()
			rested = append(rested, at)
		}
	}
	slices.SortFunc(rested, func(a, b uint32) int { return cmp.Compare(r.s.lot.at(a).ended, r.s.lot.at(b).ended) })
	for _, i := range rested {
		r.s.rested.push(resting{i, r.s.lot.at(i).number})
	}
}

func (r *indexReader) loc() loc {
	l := loc{size: uint32(r.uint())} //nolint:gosec // written from a uint32, as are the others
	if l.size > 0 {
		l.segment, l.frame, l.offset = uint32(r.uint()), uint32(r.uint()), uint32(r.uint()) //nolint:gosec // see above
	}
	r.s.refer(l, 1)
	return l
}

// loadCheckpoint fills the state from the newest checkpoint; the zero place means that there is none.
func (b *Broker) loadCheckpoint() (place, error) {
	data, err := readWhole(b.o.FS, filepath.Join(b.o.Dir, checkpointFile))
	if err != nil {
		return place{}, errEngine(err)
	}
	if data == nil {
		return place{}, nil
	}
	b.checkpointSize.Store(int64(len(data)))
	return b.decodeCheckpoint(data)
}

func (b *Broker) decodeCheckpoint(data []byte) (place, error) {
	le := binary.LittleEndian
	if len(data) < checkpointHead+4 || le.Uint32(data) != checkpointMagic || le.Uint32(data[len(data)-4:]) != checksum(0, data[:len(data)-4]) {
		return place{}, errDamaged(checkpointFile, 0, "the checksum does not match")
	}
	if data[4] != checkpointVersion || [16]byte(data[5:checkpointHead]) != b.journal.logID {
		return place{}, errForeign(checkpointFile, "", "it belongs to another log or another version of semabus: restore the whole folder")
	}
	r := &indexReader{decoder: decoder{buf: data[checkpointHead : len(data)-4]}, s: b.s}
	p := place{segment: uint32(r.uint()), offset: r.int(), number: r.uint()} //nolint:gosec // written from a uint32
	var t *tenant
	for r.err == nil {
		k := entry(r.byte())
		if k == entryEnd {
			break
		}
		if k == entryTenant {
			t = r.s.tenant(r.string())
			continue
		}
		if t == nil {
			r.fail()
			break
		}
		r.entry(k, t)
	}
	p.until, b.epoch = r.uint(), r.uint()
	b.s.clock, b.s.commit, b.s.number = r.int(), r.uint(), r.uint()
	p.marks, p.ledger = r.uint(), r.uint()
	if r.err != nil {
		return place{}, errDamaged(checkpointFile, int64(checkpointHead+r.off), r.err.Error())
	}
	b.s.loading = true
	r.settle()
	b.s.loading = false
	return p, nil
}

func (r *indexReader) entry(k entry, t *tenant) {
	switch k {
	case entryMessage:
		r.message(t)
	case entryLog:
		l := t.log(r.string())
		l.version, l.base = r.uint(), r.uint()
		l.events = make([]logged, r.count())
		for i := range l.events {
			l.events[i] = logged{r.int(), r.loc()}
		}
		l.shown = l.newest()
	case entryProducer:
		id := r.string()
		t.producers[id] = &producer{seq: r.uint(), used: r.int()}
	case entryCounter:
		c := &counter{tenant: t, key: r.string(), value: r.int(), until: r.int(), place: -1}
		c.shown = c.value
		t.counters[c.key] = c
		if c.until != 0 {
			r.s.fading.push(c)
		}
	case entryParked:
		r.slot(t)
	default:
		r.fail()
	}
}

func (r *indexReader) message(t *tenant) {
	m := &message{tenant: t, place: -1, id: r.string(), hash: r.fixed64(), at: r.int(), commit: r.uint(), shown: true}
	m.body, m.decision, m.idle = r.loc(), r.loc(), r.int()
	if old := t.messages[m.id]; old != nil { // forgotten while the checkpoint was taken, and its id used again
		r.forget(old)
	}
	t.messages[m.id] = m
	for range r.count() {
		r.delivery(t, m)
	}
	if m.live == 0 {
		r.idle = append(r.idle, m)
	}
}

// forget takes a message back that was read.
func (r *indexReader) forget(m *message) {
	m.gone = true
	r.s.refer(m.body, -1)
	r.s.refer(m.decision, -1)
	for _, d := range m.deliveries {
		r.s.refer(d.info, -1)
		d.group.stored--
		if d.stage < settled {
			d.group.bytes -= d.bytes()
		}
		delete(r.s.deliveries, d.number)
	}
}

func (r *indexReader) delivery(t *tenant, m *message) {
	d := &delivery{message: m, number: r.uint(), seq: r.uint(), version: r.uint(), place: -1, timer: -1}
	flags := r.byte()
	d.priority = r.byte()
	d.group = t.group(r.string())
	d.key, d.session, d.info = r.string(), r.string(), r.loc()
	d.order, d.due, d.ttl, d.at, d.ended = r.int(), r.int(), r.int(), r.int(), r.int()
	d.attempt = int(r.int())
	for range r.count() {
		d.errors = append(d.errors, r.string())
	}
	d.held, d.begun = flags&flagHeld != 0, flags&flagBegun != 0
	m.deliveries = append(m.deliveries, d)
	d.group.stored++
	r.s.deliveries[d.number] = d
	switch {
	case flags&flagSettled != 0:
		d.stage = settled
	case flags&flagExpired != 0:
		d.stage, d.counted = expired, flags&flagCounted != 0
		if !d.counted {
			m.live++
			r.outlived = append(r.outlived, d)
		}
	default:
		m.live++
		d.group.bytes += d.bytes()
		r.live = append(r.live, d)
	}
}

// settle puts what was read into groups, in the order of their numbers, and into retention.
func (r *indexReader) settle() {
	slices.SortFunc(r.live, func(a, b *delivery) int { return cmp.Compare(a.number, b.number) })
	gone := func(d *delivery) bool { return d.message.gone }
	r.live, r.outlived = slices.DeleteFunc(r.live, gone), slices.DeleteFunc(r.outlived, gone)
	r.idle = slices.DeleteFunc(r.idle, func(m *message) bool { return m.gone })
	for _, d := range r.live {
		held := d.held
		d.held = false
		d.group.link(d)
		if held {
			d.group.queue.hold(d)
		}
		d.group.enter(d, d.due, min(r.s.clock, max(d.due-1, 0))) // what was delayed is, until its timer says otherwise
	}
	slices.SortFunc(r.outlived, func(a, b *delivery) int { return cmp.Compare(a.ttl, b.ttl) })
	for _, d := range r.outlived {
		r.s.outlived.push(d)
	}
	r.park()
	for _, m := range r.idle {
		r.s.rest(m)
	}
}
