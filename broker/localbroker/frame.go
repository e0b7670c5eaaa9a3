package localbroker

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame is what one write puts into a segment: one whole group of commits, or a mark of the engine's own life. Frames
// start at multiples of frameAlign. The checksums are seeded with the log id and the segment's sequence, so a frame of
// another log, or of a recycled segment's former life, is never valid.
//
//	magic u32 | length u32 | number u64 | payload crc u32 | header crc u32 | payload
const (
	frameMagic  = 0x53424631 // "SBF1"
	frameHeader = 24
	frameAlign  = 8
)

// Kinds of frames: the first byte of the payload.
const (
	frameGroup byte = 1 + iota // records, back to back
	frameEpoch                 // u64: the epoch of the life that begins here
	frameRoll                  // the log goes on in the next segment
	frameClose                 // a clean end: whatever is missing before it was lost, not torn
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(seed uint32, p []byte) uint32 { return crc32.Update(seed, castagnoli, p) }

// frameSeed is the start value of all checksums of one segment.
func frameSeed(logID [16]byte, segment uint32) uint32 {
	var b [20]byte
	copy(b[:], logID[:])
	binary.LittleEndian.PutUint32(b[16:], segment)
	return checksum(0, b[:])
}

// sealFrame fills in the header of buf, which holds room for one and the payload behind it, and pads buf to the alignment.
func sealFrame(buf []byte, seed uint32, number uint64) []byte {
	payload := buf[frameHeader:]
	le := binary.LittleEndian
	le.PutUint32(buf[0:], frameMagic)
	le.PutUint32(buf[4:], uint32(len(payload))) //nolint:gosec // bounded by maxGroupBytes + one batch
	le.PutUint64(buf[8:], number)
	le.PutUint32(buf[16:], checksum(seed, payload))
	le.PutUint32(buf[20:], checksum(seed, buf[:20]))
	for len(buf)%frameAlign != 0 {
		buf = append(buf, 0)
	}
	return buf
}

// openFrame checks the frame at the beginning of data and returns its payload, number and padded size; ok is false for
// anything but a whole valid frame.
func openFrame(data []byte, seed uint32) (payload []byte, number uint64, size int, ok bool) {
	le := binary.LittleEndian
	if len(data) < frameHeader || le.Uint32(data) != frameMagic || le.Uint32(data[20:]) != checksum(seed, data[:20]) {
		return nil, 0, 0, false
	}
	n := int(le.Uint32(data[4:]))
	if n == 0 || n > len(data)-frameHeader {
		return nil, 0, 0, false
	}
	payload = data[frameHeader : frameHeader+n]
	if le.Uint32(data[16:]) != checksum(seed, payload) {
		return nil, 0, 0, false
	}
	size = frameHeader + n
	size += -size & (frameAlign - 1)
	return payload, le.Uint64(data[8:]), min(size, len(data)), true
}

// findFrame looks for a valid frame with a number above after at any aligned offset of data: the proof that a bad frame
// before it is damage and not a torn tail.
func findFrame(data []byte, seed uint32, after uint64) (offset int, found bool) {
	for off := 0; off+frameHeader <= len(data); off += frameAlign {
		if binary.LittleEndian.Uint32(data[off:]) != frameMagic {
			continue
		}
		if _, n, _, ok := openFrame(data[off:], seed); ok && n > after {
			return off, true
		}
	}
	return 0, false
}

// frameLength reads the payload's length out of a header that was not checked yet.
func frameLength(head []byte) (n int, ok bool) {
	if len(head) < frameHeader || binary.LittleEndian.Uint32(head) != frameMagic {
		return 0, false
	}
	n = int(binary.LittleEndian.Uint32(head[4:]))
	return n, n > 0 && n <= maxBatchBytes+maxGroupBytes
}
