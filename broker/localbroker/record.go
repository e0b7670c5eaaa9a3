package localbroker

import "encoding/binary"

// A record is the effect of one applied batch, as it stands in a frame: every check has passed and every no-op is left out,
// so that a replay decides nothing.
//
//	time fixed64 | commit uvarint | tenant string | items … | tagEnd
type tag byte

const (
	tagEnd      tag = iota
	tagMark         // key, hash, until, value
	tagProducer     // id, seq
	tagSettle       // delivery number, lease sequence, flags, due, cause
	tagMessage      // id, hash, body, decision
	tagDecision     // message id, decision
	tagEnqueue      // number, message id, group, key, session, priority, deliver-at, ttl end, info
	tagAppend       // log, position, data
	tagCounter      // key, value, until
	tagDrop         // delivery number, flags, cause
	tagTrim         // log, through, flags
	tagLapse        // delivery number, attempt, cause
	tagMove         // what, whose, value: see relocation
)

const (
	flagRequeue byte = 1 << iota
	flagAttempt
)

const flagOutlived byte = 1 // of tagDrop

const flagForget byte = 1 // of tagTrim

// frameBuilder writes the records of one group and knows where their values will lie.
type frameBuilder struct {
	buf     []byte // frame header, then the payload so far
	segment uint32
	frame   uint32
}

// begin starts a frame at a place of the log, with room for size bytes of payload. The room is used again for the next one.
func (f *frameBuilder) begin(segment uint32, offset int64, size int) {
	if size += frameHeader + frameAlign; cap(f.buf) < size || cap(f.buf) > max(8*size, 1<<20) {
		f.buf = make([]byte, 0, size)
	}
	f.buf = append(f.buf[:0], make([]byte, frameHeader)...)
	f.buf = append(f.buf, frameGroup)
	f.segment, f.frame = segment, uint32(offset/frameAlign) //nolint:gosec // a segment stays under 32 GiB
}

func (f *frameBuilder) empty() bool { return len(f.buf) <= frameHeader+1 }

// tag begins an item and returns the offset in the payload of what follows.
func (f *frameBuilder) tag(t tag) (item uint32) {
	f.buf = append(f.buf, byte(t))
	return f.offset()
}

// offset is where in the payload the next value comes.
func (f *frameBuilder) offset() uint32 { return uint32(len(f.buf) - frameHeader) } //nolint:gosec // a frame is under 4 GiB

func (f *frameBuilder) byte(b byte)     { f.buf = append(f.buf, b) }
func (f *frameBuilder) string(s string) { f.buf = appendString(f.buf, s) }
func (f *frameBuilder) uint(v uint64)   { f.buf = binary.AppendUvarint(f.buf, v) }
func (f *frameBuilder) int(v int64)     { f.buf = binary.AppendVarint(f.buf, v) }
func (f *frameBuilder) fixed(v uint64)  { f.buf = binary.LittleEndian.AppendUint64(f.buf, v) }

// data writes a value and returns where it lies.
func (f *frameBuilder) data(p []byte) loc {
	f.buf = appendData(f.buf, p)
	if len(p) == 0 {
		return loc{}
	}
	return loc{f.segment, f.frame, uint32(len(f.buf) - len(p) - frameHeader), uint32(len(p))} //nolint:gosec // a frame is under 4 GiB
}
