package localbroker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// checkpoints begin where the log goes on after them.
type place struct {
	segment uint32
	offset  int64
	number  uint64 // of the newest frame before
	until   uint64 // of the newest frame when the checkpoint was done
	marks   uint64 // version of the table of marks then
	ledger  uint64 // and of the ledger
}

// recover reads checkpoint and log, begins a new life, and leaves the journal at the end of the log.
func (b *Broker) recover() error {
	segments, err := b.openSegments()
	if err != nil {
		return err
	}
	if err := b.limitSpares(); err != nil {
		return err
	}
	from, err := b.loadCheckpoint()
	if err != nil {
		return err
	}
	end, err := b.replayFrom(from, segments)
	if err != nil {
		return err
	}
	if end != nil {
		if err := b.mend(end); err != nil {
			return err
		}
	}
	b.frontier = b.journal.segment
	return b.begin()
}

// logEnd is where the replay came to in the newest segment.
type logEnd struct {
	file    File
	segment uint32
	offset  int64  // of data
	data    []byte // what was replayed, and what follows it
	last    int    // where the newest frame begins in data
	used    int    // where it ends
}

// listSegments are the numbers of the segments in the folder, in order.
func (b *Broker) listSegments() ([]uint32, error) {
	names, err := b.o.FS.ReadDir(b.o.Dir)
	if err != nil {
		return nil, errEngine(err)
	}
	var out []uint32
	for _, name := range names {
		if n, ok := segmentNumber(name); ok {
			out = append(out, n)
		}
	}
	return out, nil
}

// openSegments opens every segment for reading, and finds the spare files.
func (b *Broker) openSegments() ([]uint32, error) {
	segments, err := b.listSegments()
	if err != nil {
		return nil, err
	}
	names, err := b.o.FS.ReadDir(b.o.Dir)
	if err != nil {
		return nil, errEngine(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".spare") {
			b.journal.spares = append(b.journal.spares, name)
		}
	}
	for _, n := range segments {
		f, err := b.o.FS.OpenFile(filepath.Join(b.o.Dir, segmentName(n)), 0)
		if err != nil {
			return nil, errEngine(err)
		}
		b.cache.open(n, f)
		size, err := f.Size()
		if err != nil {
			return nil, errEngine(err)
		}
		b.journal.bytes.Add(size)
	}
	return segments, nil
}

// limitSpares removes spare files beyond the bound.
func (b *Broker) limitSpares() error {
	for len(b.journal.spares) > maxSpares {
		last := len(b.journal.spares) - 1
		if err := b.o.FS.Remove(filepath.Join(b.o.Dir, b.journal.spares[last])); err != nil {
			return errEngine(err)
		}
		b.journal.spares = b.journal.spares[:last]
	}
	return nil
}

// replayFrom brings the state of a checkpoint to the end of the log, and says where that is; nil where there is no log yet. It
// changes no file.
func (b *Broker) replayFrom(from place, segments []uint32) (*logEnd, error) {
	if from.segment == 0 { // no checkpoint yet: the whole log
		from.segment = 1
		if len(segments) > 0 && segments[0] != 1 {
			return nil, errDamaged(segmentName(1), 0, "the first segment is missing")
		}
	}
	if b.tables.marks.Version() < from.marks || b.tables.ledger.Version() < from.ledger {
		return nil, errDamaged(marksPrefix+", "+ledgerPrefix, 0, "they are older than the checkpoint")
	}
	end, err := b.replay(from, segments)
	if err != nil {
		return nil, err
	}
	if b.journal.number < from.until {
		return nil, errDamaged(segmentName(b.journal.segment), b.journal.offset,
			fmt.Sprintf("the log ends with frame %d, the checkpoint has seen frame %d", b.journal.number, from.until))
	}
	for n := range b.s.segments {
		if !slices.Contains(segments, n) {
			return nil, errDamaged(segmentName(n), 0, "the segment is missing and messages live in it")
		}
	}
	return end, nil
}

// replay applies every frame from a place to the end of the log and leaves the journal there. It changes no file. The end is
// nil where the log has no segment yet.
func (b *Broker) replay(from place, segments []uint32) (*logEnd, error) {
	r := &replayer{stager: &b.stager}
	j := &b.journal
	j.number, b.looseUntil = from.number, from.until
	for n := from.segment; ; n++ {
		last := !slices.Contains(segments, n+1)
		if !slices.Contains(segments, n) {
			if n == from.segment && from.number > 0 {
				return nil, errDamaged(segmentName(n), from.offset, "the segment is missing and the log goes on in it")
			}
			return nil, nil // begin makes it
		}
		f := b.cache.files[n]
		offset := int64(0)
		if n == from.segment {
			offset = from.offset
		}
		data, err := readFrom(f, offset)
		if err != nil {
			return nil, errEngine(err)
		}
		end := &logEnd{file: f, segment: n, offset: offset, data: data}
		if err := b.replaySegment(r, end); err != nil {
			return nil, err
		}
		at := offset + int64(end.used)
		j.use(n, f, at, offset+int64(len(data)))
		if !last {
			if begins(b.cache.files[n+1], frameSeed(j.logID, n+1), j.number+1) {
				continue
			}
			if later, err := b.goesOn(segments, n+1); err != nil || later {
				return nil, errors.Join(err, errDamaged(segmentName(n), at, "frames after this place are good, this one is not"))
			}
		}
		return end, b.checkTail(end)
	}
}

// replaySegment applies the good frames at the beginning of the data and notes where they end.
func (b *Broker) replaySegment(r *replayer, end *logEnd) error {
	j, n := &b.journal, end.segment
	seed := frameSeed(j.logID, n)
	for {
		payload, number, size, ok := openFrame(end.data[end.used:], seed)
		if !ok || number != j.number+1 {
			return nil
		}
		at := end.offset + int64(end.used)
		switch payload[0] {
		case frameGroup:
			r.loose = number <= b.looseUntil
			if err := r.group(payload, n, at); err != nil {
				return errDamaged(segmentName(n), at, err.Error())
			}
		case frameEpoch:
			if len(payload) < 10 {
				return errDamaged(segmentName(n), at, "a short epoch frame")
			}
			b.epoch = binary.LittleEndian.Uint64(payload[1:])
			b.wasRelaxed = payload[9] != 0
		case frameClose:
		default:
			return errDamaged(segmentName(n), at, fmt.Sprintf("a frame of the unknown kind %d", payload[0]))
		}
		j.number = number
		j.written += int64(size)
		end.last, end.used = end.used, end.used+size
	}
}

// torn says that the beginning of another frame of this segment follows the newest whole one. Other bytes mean nothing: a file
// that was a segment before still holds what it held.
func (e *logEnd) torn(seed uint32) bool {
	rest := e.data[e.used:]
	return len(rest) >= frameHeader && binary.LittleEndian.Uint32(rest) == frameMagic && binary.LittleEndian.Uint32(rest[20:]) == checksum(seed, rest[:20])
}

// checkTail decides about what follows the newest frame: a torn write, or damage.
func (b *Broker) checkTail(e *logEnd) error {
	if b.wasRelaxed {
		return nil
	}
	if _, found := findFrame(e.data[e.used:], frameSeed(b.journal.logID, e.segment), b.journal.number); found {
		return errDamaged(segmentName(e.segment), e.offset+int64(e.used), "frames after this place are good, this one is not")
	}
	return nil
}

// mend makes the end of the log good to go on from. What follows the newest frame will be written over. That frame is written
// again, because the process before may have died between writing and syncing it, or of a sync that failed, after which
// another one says nothing. Of a relaxed log that is true for every frame of the segment. The next sync, of whatever follows,
// makes them durable.
func (b *Broker) mend(e *logEnd) error {
	at := e.offset + int64(e.used)
	if e.torn(frameSeed(b.journal.logID, e.segment)) {
		b.o.Logger.Warn("the end of the log was torn and is cut: nobody was told of it", "segment", segmentName(e.segment), "offset", at)
	}
	if b.wasRelaxed { // frames after a hole may be whole, and must not follow the new ones
		if _, err := e.file.WriteAt(make([]byte, len(e.data)-e.used), at); err != nil {
			return errEngine(err)
		}
		if err := e.file.Sync(); err != nil {
			return errEngine(err)
		}
	}
	from := e.last
	if b.wasRelaxed {
		from = 0
	}
	if _, err := e.file.WriteAt(e.data[from:e.used], e.offset+int64(from)); err != nil {
		return errEngine(err)
	}
	b.journal.unsynced = true
	return nil
}

// goesOn says whether any later segment holds a good frame that the log has not come to.
func (b *Broker) goesOn(segments []uint32, from uint32) (bool, error) {
	for _, n := range segments {
		if n < from || b.wasRelaxed {
			continue
		}
		data, err := readFrom(b.cache.files[n], 0)
		if err != nil {
			return false, errEngine(err)
		}
		if _, found := findFrame(data, frameSeed(b.journal.logID, n), b.journal.number); found {
			return true, nil
		}
	}
	return false, nil
}

// begins says whether a segment's first frame is the one with this number.
func begins(f File, seed uint32, number uint64) bool {
	var head [frameHeader]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return false
	}
	n, ok := frameLength(head[:])
	if !ok {
		return false
	}
	buf := make([]byte, frameHeader+n)
	if _, err := f.ReadAt(buf, 0); err != nil {
		return false
	}
	_, got, _, ok := openFrame(buf, seed)
	return ok && got == number
}

func readFrom(f File, offset int64) ([]byte, error) {
	size, err := f.Size()
	if err != nil || size <= offset {
		return nil, err
	}
	data := make([]byte, size-offset)
	_, err = f.ReadAt(data, offset)
	return data, err
}

// begin starts this life of the log: its epoch is durable before the first lease.
func (b *Broker) begin() error {
	if b.journal.file == nil {
		if err := b.journal.roll(max(b.journal.segment, 1)); err != nil {
			return errEngine(err)
		}
	}
	b.epoch++
	frame := make([]byte, frameHeader, frameHeader+16)
	frame = append(frame, frameEpoch)
	frame = binary.LittleEndian.AppendUint64(frame, b.epoch)
	relaxed := byte(0)
	if b.o.Relaxed {
		relaxed = 1
	}
	return b.mark(append(frame, relaxed))
}

// mark writes a frame of the engine's own and makes it durable.
func (b *Broker) mark(frame []byte) error {
	if err := b.journal.reserve(len(frame) + frameAlign); err != nil {
		return errEngine(err)
	}
	if err := b.journal.append(frame, true); err != nil {
		b.fault(err)
		return errEngine(err)
	}
	return nil
}

// meta is the content of META: the identity of the folder.
//
//	magic u32 | version u8 | log id 16 bytes | token key 16 bytes | cluster string | crc u32
const (
	metaMagic   = 0x53424d45 // "SBME"
	metaVersion = 1
)

type meta struct {
	logID    [16]byte
	tokenKey [16]byte
	cluster  string
}

func (m *meta) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, metaMagic)
	b = append(b, metaVersion)
	b = append(b, m.logID[:]...)
	b = append(b, m.tokenKey[:]...)
	b = appendString(b, m.cluster)
	return binary.LittleEndian.AppendUint32(b, checksum(0, b))
}

func decodeMeta(file string, b []byte) (*meta, error) {
	if len(b) < 5 || binary.LittleEndian.Uint32(b) != metaMagic {
		return nil, errForeign(file, "", "this is no data folder of semabus: name another one")
	}
	if b[4] != metaVersion {
		return nil, errForeign(file, fmt.Sprintf("format %d", b[4]), "open it with the version of semabus that wrote it, or a newer one")
	}
	if len(b) < 5+32+4 || binary.LittleEndian.Uint32(b[len(b)-4:]) != checksum(0, b[:len(b)-4]) {
		return nil, errDamaged(file, 0, "the checksum does not match")
	}
	m := &meta{}
	copy(m.logID[:], b[5:])
	copy(m.tokenKey[:], b[21:])
	d := decoder{buf: b[37 : len(b)-4]}
	if m.cluster = d.string(); d.err != nil {
		return nil, errDamaged(file, 0, d.err.Error())
	}
	return m, nil
}

// readWhole reads a small file; nil when there is none.
func readWhole(fs FS, name string) ([]byte, error) {
	f, err := fs.OpenFile(name, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := readFrom(f, 0)
	return data, errors.Join(err, f.Close())
}

// replaceFile writes a file whole: temporary name, sync, rename, sync of the folder.
func replaceFile(fs FS, dir, name string, fill func(File) error) error {
	final, temp := filepath.Join(dir, name), filepath.Join(dir, name+".tmp")
	if err := fs.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := fs.OpenFile(temp, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, fs.Remove(temp))
	}
	if err := fs.Rename(temp, final); err != nil {
		return err
	}
	return fs.SyncDir(dir)
}
