package localbroker

import (
	"encoding/binary"
	"maps"
	"runtime"

	semabus "github.com/semabus/semabus"
)

// A checkpoint is the index as of the time between two frames of the log, so that only what follows the first of them must be
// replayed and segments that nothing refers to can go. It is taken a piece at a time while commits go on: see replayer for
// what makes the pieces one state again. It holds places of values, not the values. Marks are not in it: those from before are in
// their table, made durable first; those from after are in the log.
//
//	magic u32 | version u8 | log id 16 bytes | where the log goes on | entries … | entryEnd, numbers | crc u32
const (
	checkpointMagic   = 0x53424350 // "SBCP"
	checkpointVersion = 4
	checkpointFile    = "CHECKPOINT"
	checkpointHead    = 5 + 16

	pieceBytes = 1 << 20 // written at once
)

// pieceEntries is how many entries are encoded under one lock; tests take fewer.
var pieceEntries = 512

// entry tells the entries of a checkpoint apart.
type entry byte

const (
	entryEnd      entry = iota // frame, epoch, clock, commit, delivery number and versions of the tables at the end
	entryTenant                // name: of the entries that follow
	entryMessage               // with its deliveries
	entryLog                   // with its events
	entryProducer              //
	entryCounter               //
	entryParked                // a slot
)

// checkpoint writes the index down and drops the segments that nothing needs any more.
func (b *Broker) checkpoint() error {
	b.checkpoints.Lock()
	defer b.checkpoints.Unlock()
	return b.writeCheckpoint()
}

// writeCheckpoint is checkpoint for who holds the lock of that.
func (b *Broker) writeCheckpoint() error {
	w := &checkpointWriter{b: b}
	var from place
	var needed map[uint32]usage
	var written int64
	var marks []*mark
	err := b.exclusive(func() error {
		if err := b.settleDisk(); err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		j := &b.journal
		from, needed = place{segment: j.segment, offset: j.offset, number: j.number}, maps.Clone(b.s.segments)
		written, j.written = j.written, 0
		marks = append(marks, b.s.marksDue.items...)
		return nil
	})
	if err != nil {
		return err
	}
	err = b.flushTables(marks)
	if err == nil {
		err = w.write(from)
	}
	if err != nil {
		_ = b.exclusive(func() error { b.journal.written += written; return nil }) // Run tries again
		if _, known := semabus.AsError(err); !known {
			err = errEngine(err)
		}
		return err
	}
	b.checkpointSize.Store(w.at)
	b.dropMarks(marks)
	return b.dropSegments(from.segment, needed)
}

// settleDisk makes everything that was written durable; the log is held exclusively.
func (b *Broker) settleDisk() error {
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
	return nil
}

// checkpointWriter writes the pieces of one checkpoint.
type checkpointWriter struct {
	indexWriter
	b    *Broker
	file File
	at   int64
	sum  uint32
	held int // entries encoded since the lock was taken
	err  error
}

// write makes the file whole and puts it in the place of the one before.
func (w *checkpointWriter) write(from place) error {
	return replaceFile(w.b.o.FS, w.b.o.Dir, checkpointFile, func(f File) error {
		w.file = f
		w.buf = binary.LittleEndian.AppendUint32(w.buf, checkpointMagic)
		w.buf = append(w.buf, checkpointVersion)
		w.buf = append(w.buf, w.b.journal.logID[:]...)
		w.uint(uint64(from.segment))
		w.int(from.offset)
		w.uint(from.number)
		w.b.mu.Lock()
		w.b.s.walking = true
		w.entries()
		w.b.s.compactDeferred()
		w.b.mu.Unlock()
		// The groups that were under way are through after this, or the engine is broken and the checkpoint void.
		err := w.b.exclusive(func() error {
			if err := w.b.settleDisk(); err != nil {
				return err
			}
			w.b.mu.Lock()
			defer w.b.mu.Unlock()
			w.kind(entryEnd)
			w.uint(w.b.journal.number)
			w.uint(w.b.epoch)
			w.int(w.b.s.clock)
			w.uint(w.b.s.commit)
			w.uint(w.b.s.number)
			w.uint(w.b.tables.marks.Version())
			w.uint(w.b.tables.ledger.Version())
			return nil
		})
		if err != nil {
			return err
		}
		w.flush()
		w.buf = binary.LittleEndian.AppendUint32(w.buf, w.sum)
		w.flush()
		return w.err
	})
}

// entries encodes the state. Broker.mu is held, and given up between entries: a map that changes while it is ranged over
// shows every key that was there all the time.
//
// What is parked comes first: what is brought back meanwhile is among the messages then, at worst twice.
func (w *checkpointWriter) entries() {
	l := &w.b.s.lot
	var of *tenant
	for i := range l.used {
		x := l.at(i)
		if x.commit == 0 {
			continue
		}
		g := l.groups[x.group]
		if of != g.tenant {
			of = g.tenant
			w.kind(entryTenant)
			w.string(of.name)
		}
		w.parked(g, x)
		w.pause()
	}
	for _, t := range w.b.s.tenants {
		w.tenant(t)
	}
}

func (w *checkpointWriter) tenant(t *tenant) {
	w.kind(entryTenant)
	w.string(t.name)
	for _, m := range t.messages {
		if m.shown {
			w.message(m)
			w.pause()
		}
	}
	for _, l := range t.logs {
		if l.shown > 0 {
			w.log(l)
			w.held += len(l.events)
			w.pause()
		}
	}
	for id, p := range t.producers {
		w.producer(id, p)
		w.pause()
	}
	for _, c := range t.counters {
		w.counter(c)
		w.pause()
	}
}

// pause lets others have the lock, and writes what has gathered.
func (w *checkpointWriter) pause() {
	if w.held++; w.held < pieceEntries {
		return
	}
	w.held = 0
	if len(w.buf) >= pieceBytes {
		w.b.mu.Unlock()
		w.flush()
		w.b.mu.Lock()
	}
	w.b.yield()
}

// yield lets others have mu, which is held, between two pieces of a long walk.
func (b *Broker) yield() {
	b.mu.Unlock()
	runtime.Gosched() // who waits comes first
	b.mu.Lock()
}

func (w *checkpointWriter) flush() {
	if w.err == nil {
		_, w.err = w.file.WriteAt(w.buf, w.at)
	}
	w.sum = checksum(w.sum, w.buf)
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
}

// dropSegments removes the segments before the checkpoint's that nothing referred to when it was encoded. What is let go of
// later still has its place in that checkpoint; and whoever found a loc earlier is waited for.
func (b *Broker) dropSegments(before uint32, needed map[uint32]usage) error {
	segments, err := b.listSegments()
	if err != nil {
		return err
	}
	b.reading.Lock()
	b.reading.Unlock() //nolint:staticcheck // a barrier: readers from now on find only what is needed
	for _, n := range segments {
		if n >= before || needed[n].values > 0 {
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
		if err := b.journal.retire(n); err != nil {
			return errEngine(err)
		}
	}
	return nil
}
