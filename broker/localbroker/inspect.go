package localbroker

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// Segment is what an inspection found in one segment.
type Segment struct {
	Name    string
	Bytes   int64  // of the file
	Used    int64  // up to the end of the newest frame
	Live    int64  // of values that something refers to
	Frames  uint64 // whole ones
	Records int    // applied batches in them
	First   time.Time
	Last    time.Time // of the commits; zero where there is none
}

// Inspection is what a folder holds.
type Inspection struct {
	Segments []Segment
	Spares   int

	CheckpointFrame uint64 // frame that the newest checkpoint begins behind; 0 = there is none
	NewestFrame     uint64
	Torn            string // where a write was cut off by a crash, which is in order; "" = nowhere

	Messages, Waiting, Logs, Events, Marks int
	Ledger                                 int64 // messages that it remembers, about
	Time                                   time.Time
}

// Inspect checks a folder that no engine has open, and changes nothing in it: every frame, every record, the checkpoint, every
// value that something refers to, and the tables. What is wrong is DATA_LOSS with DATA_DAMAGED that names file and offset, and
// the inspection holds what was found until then. Other errors are those of [Open].
func Inspect(ctx context.Context, o Options) (in *Inspection, err error) {
	o = o.withDefaults()
	in = &Inspection{}
	if err := o.validate(); err != nil {
		return in, err
	}
	b, err := openForReading(&o)
	if err != nil {
		return in, err
	}
	defer func() { err = errors.Join(err, b.release()) }()
	segments, err := b.openSegments()
	if err != nil {
		return in, err
	}
	in.Spares = len(b.journal.spares)
	for _, n := range segments {
		s, err := b.inspectSegment(n)
		in.Segments = append(in.Segments, s)
		if err != nil {
			return in, err
		}
	}
	from, err := b.loadCheckpoint()
	if err != nil {
		return in, err
	}
	in.CheckpointFrame = from.number
	if err := b.inspectState(in, from, segments); err != nil {
		return in, err
	}
	for _, t := range [...]interface {
		Verify(ctx context.Context) error
	}{b.tables.marks, b.tables.ledger} {
		if err := t.Verify(ctx); err != nil {
			return in, errTable(err)
		}
	}
	return in, nil
}

// openForReading takes the lock of a folder that is there and opens its tables.
func openForReading(o *Options) (*Broker, error) {
	data, err := readWhole(o.FS, filepath.Join(o.Dir, metaFile))
	if err != nil {
		return nil, errEngine(err)
	}
	if data == nil {
		return nil, errForeign(metaFile, o.Dir, "there is no log in this folder: name the broker's folder of a node")
	}
	m, err := decodeMeta(metaFile, data)
	if err != nil {
		return nil, err
	}
	lock, err := o.FS.Lock(filepath.Join(o.Dir, lockFile))
	if err != nil {
		if errors.Is(err, ErrLocked) {
			return nil, errInUse(o.Dir, err)
		}
		return nil, errEngine(err)
	}
	b := newBroker(*o, m, lock)
	if err := b.openTables(m.logID); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return b, nil
}

// release closes what openForReading and openSegments have opened.
func (b *Broker) release() error {
	return errors.Join(append(b.cache.closeAll(), b.closeTables(), b.lock.Close())...)
}

// inspectSegment reads every frame of a segment from its beginning.
func (b *Broker) inspectSegment(n uint32) (Segment, error) {
	s := Segment{Name: segmentName(n)}
	data, err := readFrom(b.cache.files[n], 0)
	if err != nil {
		return s, errEngine(err)
	}
	s.Bytes = int64(len(data))
	seed := frameSeed(b.journal.logID, n)
	var newest uint64
	for {
		payload, number, size, ok := openFrame(data[s.Used:], seed)
		if !ok || newest > 0 && number != newest+1 {
			break
		}
		if payload[0] == frameGroup {
			err := eachRecord(payload, func(at int64, _ uint64, _ string, _ *decoder) error {
				s.Records++
				if s.Last = fromNanos(at); s.First.IsZero() {
					s.First = s.Last
				}
				return nil
			})
			if err != nil {
				return s, errDamaged(s.Name, s.Used, err.Error())
			}
		}
		newest = number
		s.Frames++
		s.Used += int64(size)
	}
	if at, found := findFrame(data[s.Used:], seed, newest); found {
		return s, errDamaged(s.Name, s.Used, "frames from "+time.Duration(at).String()+" bytes later on are good, this one is not")
	}
	return s, nil
}

// inspectState replays the folder as a start would, and reads every value that something refers to.
func (b *Broker) inspectState(in *Inspection, from place, segments []uint32) error {
	end, err := b.replayFrom(from, segments)
	if err != nil {
		return err
	}
	in.NewestFrame, in.Time = b.journal.number, fromNanos(b.s.clock)
	if end != nil && end.torn(frameSeed(b.journal.logID, end.segment)) {
		in.Torn = segmentName(end.segment)
	}
	for i := range in.Segments {
		n, _ := segmentNumber(in.Segments[i].Name)
		in.Segments[i].Live = b.s.segments[n].bytes
	}
	in.Ledger = b.tables.ledger.Count(b.nanos())
	in.Marks = b.s.marksDue.len() + int(b.tables.marks.Count(b.nanos()))
	for i := range b.s.lot.used {
		x := b.s.lot.at(i)
		if x.commit == 0 {
			continue
		}
		if _, _, err := b.s.peek(i); err != nil {
			return err
		}
		in.Messages++
		if !x.settled {
			in.Waiting++
		}
	}
	for _, t := range b.s.tenants {
		if err := b.inspectTenant(in, t); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) inspectTenant(in *Inspection, t *tenant) error {
	for _, m := range t.messages {
		in.Messages++
		values := []loc{m.body, m.decision}
		for _, d := range m.deliveries {
			values = append(values, d.info)
			if d.stage < settled {
				in.Waiting++
			}
		}
		for _, l := range values {
			if _, err := b.cache.read(l); err != nil {
				return err
			}
		}
	}
	for _, l := range t.logs {
		in.Logs++
		in.Events += len(l.events)
		for _, e := range l.events {
			if _, err := b.cache.read(e.data); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachRecord calls do for each record of a group frame, with the decoder at its first item, and leaves the record behind.
func eachRecord(payload []byte, do func(at int64, commit uint64, tenant string, items *decoder) error) error {
	d := &decoder{buf: payload, off: 1}
	for !d.done() {
		at := int64(d.fixed64()) //nolint:gosec // written from an int64
		commit, tenant := d.uint(), d.string()
		if d.err != nil {
			return d.err
		}
		items := *d
		if err := do(at, commit, tenant, &items); err != nil {
			return err
		}
		for {
			k := tag(d.byte())
			if d.err != nil || k == tagEnd {
				break
			}
			if _, err := readItem(k, d); err != nil {
				return err
			}
		}
		if d.err != nil {
			return d.err
		}
	}
	return nil
}
