package localbroker

import (
	"cmp"
	"encoding/binary"
	"maps"
	"path/filepath"
	"slices"
)

// A checkpoint is the whole index as of one place of the log, so that only what follows must be replayed and segments that
// nothing refers to can go. It holds places of values, not the values; those of marks are the exception.
//
//	magic u32 | version u8 | log id 16 bytes | body | crc u32
const (
	checkpointMagic   = 0x53424350 // "SBCP"
	checkpointVersion = 2
	checkpointFile    = "CHECKPOINT"
)

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

// encodeCheckpoint writes the state as it is; Broker.mu is held and no group is under way.
func (b *Broker) encodeCheckpoint() []byte {
	j := &b.journal
	w := &indexWriter{buf: binary.LittleEndian.AppendUint32(nil, checkpointMagic)}
	w.buf = append(w.buf, checkpointVersion)
	w.buf = append(w.buf, j.logID[:]...)
	w.uint(uint64(j.segment))
	w.int(j.offset)
	w.uint(j.number)
	w.uint(b.epoch)
	w.int(b.s.clock)
	w.uint(b.s.commit)
	w.uint(b.s.number)
	w.uint(uint64(len(b.s.tenants)))
	for _, t := range b.s.tenants {
		w.tenant(t)
	}
	return binary.LittleEndian.AppendUint32(w.buf, checksum(0, w.buf))
}

func (w *indexWriter) tenant(t *tenant) {
	w.string(t.name)
	w.uint(uint64(len(t.messages)))
	for _, m := range t.messages {
		w.message(m)
	}
	w.uint(uint64(len(t.logs)))
	for _, l := range t.logs {
		w.string(l.name)
		w.uint(l.base)
		w.uint(uint64(len(l.events)))
		for _, e := range l.events {
			w.int(e.at)
			w.loc(e.data)
		}
	}
	w.uint(uint64(len(t.marks)))
	for _, m := range t.marks {
		w.string(m.key)
		w.fixed(m.hash)
		w.int(m.until)
		w.buf = appendData(w.buf, m.value)
	}
	w.uint(uint64(len(t.producers)))
	for id, p := range t.producers {
		w.string(id)
		w.uint(p.seq)
		w.int(p.used)
	}
	w.uint(uint64(len(t.counters)))
	for key, c := range t.counters {
		w.string(key)
		w.int(c.value)
		w.int(c.until)
	}
}

func (w *indexWriter) message(m *message) {
	w.string(m.id)
	w.fixed(m.hash)
	w.int(m.at)
	w.uint(m.commit)
	w.loc(m.body)
	w.loc(m.decision)
	w.int(m.idle)
	w.uint(uint64(len(m.deliveries)))
	for _, d := range m.deliveries {
		w.delivery(d)
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
	if d.stage == settled {
		seq = d.seq
	}
	w.uint(seq)
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
	return b.decodeCheckpoint(data)
}

func (b *Broker) decodeCheckpoint(data []byte) (place, error) {
	const head = 5 + 16
	le := binary.LittleEndian
	if len(data) < head+4 || le.Uint32(data) != checkpointMagic || le.Uint32(data[len(data)-4:]) != checksum(0, data[:len(data)-4]) {
		return place{}, errDamaged(checkpointFile, 0, "the checksum does not match")
	}
	if data[4] != checkpointVersion || [16]byte(data[5:head]) != b.journal.logID {
		return place{}, errForeign(checkpointFile, "", "it belongs to another log or another version of semabus: restore the whole folder")
	}
	r := &indexReader{decoder: decoder{buf: data[head : len(data)-4]}, s: b.s}
	p := place{segment: uint32(r.uint()), offset: r.int(), number: r.uint()} //nolint:gosec // written from a uint32
	b.epoch = r.uint()
	b.s.clock, b.s.commit, b.s.number = r.int(), r.uint(), r.uint()
	for range r.count() {
		r.tenant()
	}
	if r.err != nil {
		return place{}, errDamaged(checkpointFile, int64(head+r.off), r.err.Error())
	}
	r.settle()
	return p, nil
}

func (r *indexReader) tenant() {
	t := r.s.tenant(r.string())
	for range r.count() {
		r.message(t)
	}
	for range r.count() {
		name, base, n := r.string(), r.uint(), r.count()
		if base == 0 && n == 0 { // somebody waited for its first event
			continue
		}
		l := t.log(name)
		l.events = make([]logged, n)
		for i := range l.events {
			l.events[i] = logged{r.int(), r.loc()}
		}
		l.base = base
		l.shown = l.newest()
	}
	for range r.count() {
		m := &mark{tenant: t, key: r.string(), hash: r.fixed64(), until: r.int(), value: clone(r.data())}
		t.marks[m.key] = m
		r.s.marksDue.push(m)
	}
	for range r.count() {
		id := r.string()
		t.producers[id] = &producer{seq: r.uint(), used: r.int()}
	}
	for range r.count() {
		key := r.string()
		v := r.int()
		c := &counter{tenant: t, key: key, value: v, shown: v, until: r.int(), place: -1}
		t.counters[key] = c
		if c.until != 0 {
			r.s.fading.push(c)
		}
	}
}

func (r *indexReader) message(t *tenant) {
	m := &message{tenant: t, place: -1, id: r.string(), hash: r.fixed64(), at: r.int(), commit: r.uint(), shown: true}
	m.body, m.decision, m.idle = r.loc(), r.loc(), r.int()
	t.messages[m.id] = m
	for range r.count() {
		r.delivery(t, m)
	}
	if m.live == 0 {
		r.idle = append(r.idle, m)
	}
}

func (r *indexReader) delivery(t *tenant, m *message) {
	d := &delivery{message: m, number: r.uint(), seq: r.uint(), place: -1, timer: -1}
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
		r.live = append(r.live, d)
	}
}

// settle puts what was read into groups, in the order of their numbers, and into retention.
func (r *indexReader) settle() {
	slices.SortFunc(r.live, func(a, b *delivery) int { return cmp.Compare(a.number, b.number) })
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
	for _, m := range r.idle {
		r.s.rest(m)
	}
}

// checkpoint writes the index down and drops the segments that nothing needs any more.
func (b *Broker) checkpoint() error {
	b.checkpoints.Lock()
	defer b.checkpoints.Unlock()
	return b.writeCheckpoint()
}

// writeCheckpoint is checkpoint for who holds the lock of that.
func (b *Broker) writeCheckpoint() error {
	var data []byte
	var at uint32
	var needed map[uint32]int
	var written int64
	err := b.exclusive(func() error {
		if err := b.usable(); err != nil {
			return err
		}
		if b.journal.unsynced {
			if err := b.journal.file.Sync(); err != nil {
				b.fault(err)
				return errEngine(err)
			}
			b.journal.unsynced = false
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		data, at, needed = b.encodeCheckpoint(), b.journal.segment, maps.Clone(b.s.segments)
		written, b.journal.written = b.journal.written, 0
		return nil
	})
	if err != nil {
		return err
	}
	if err := replaceFile(b.o.FS, b.o.Dir, checkpointFile, data); err != nil {
		_ = b.exclusive(func() error { b.journal.written += written; return nil }) // Run tries again
		return errEngine(err)
	}
	return b.dropSegments(at, needed)
}

// dropSegments removes the segments before the checkpoint's that nothing referred to when it was encoded. What is let go of
// later still has its place in that checkpoint; and whoever found a loc earlier is waited for.
func (b *Broker) dropSegments(before uint32, needed map[uint32]int) error {
	segments, err := b.listSegments()
	if err != nil {
		return err
	}
	b.reading.Lock()
	b.reading.Unlock() //nolint:staticcheck // a barrier: readers from now on find only what is needed
	for _, n := range segments {
		if n >= before || needed[n] > 0 {
			continue
		}
		if f := b.cache.drop(n); f != nil {
			if size, err := f.Size(); err == nil {
				b.journal.bytes.Add(-size)
			}
			if err := f.Close(); err != nil {
				return errEngine(err)
			}
		}
		if err := b.o.FS.Remove(filepath.Join(b.o.Dir, segmentName(n))); err != nil {
			return errEngine(err)
		}
	}
	return nil
}
