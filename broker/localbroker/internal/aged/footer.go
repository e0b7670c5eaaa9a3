package aged

import (
	"encoding/binary"
	"fmt"
)

// A file is blocks of entries, the index of them, and this footer, which is read first:
//
//	blocks | index | number u32 | entries u32 | shadows u32 | blocks u32 | buckets u32 | index offset u64 | index crc u32 |
//	ends 33 × i64 | table id 16 bytes | version u8 | magic u32 | crc u32
//
// All numbers are little-endian, all checksums CRC32C, seeded with table id, prefix and the file's number, so that a part of
// another file is never valid.
const (
	fileMagic   = 0x53424154 // "SBAT"
	fileVersion = 1
	footerBytes = 5*4 + 8 + 4 + 8*(endParts+1) + 16 + 1 + 4 + 4
)

type footer struct {
	number   uint32
	entries  uint32
	shadows  uint32 // entries that had ended when Compact wrote the file and hide older ones
	blocks   uint32
	buckets  uint32
	indexAt  uint64
	indexCRC uint32
	ends     ends
}

// fileSeed is the start value of all checksums of one file.
func fileSeed(id [16]byte, prefix string, number uint32) uint32 {
	b := binary.LittleEndian.AppendUint32(id[:], number)
	return checksum(0, append(b, prefix...))
}

func (f *footer) encode(id [16]byte, seed uint32) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, footerBytes)
	for _, v := range [...]uint32{f.number, f.entries, f.shadows, f.blocks, f.buckets} {
		b = le.AppendUint32(b, v)
	}
	b = le.AppendUint64(b, f.indexAt)
	b = le.AppendUint32(b, f.indexCRC)
	for _, v := range f.ends {
		b = le.AppendUint64(b, uint64(v)) //nolint:gosec // the bits
	}
	b = append(b, id[:]...)
	b = append(b, fileVersion)
	b = le.AppendUint32(b, fileMagic)
	return le.AppendUint32(b, checksum(seed, b))
}

// decodeFooter takes the last footerBytes of a file of this size.
func decodeFooter(name string, b []byte, size int64, id [16]byte, seed, number uint32) (f footer, err error) {
	le := binary.LittleEndian
	at := size - footerBytes
	if len(b) != footerBytes || at < 0 {
		return f, damaged(name, max(at, 0), "the file has %d bytes, its footer alone has %d", size, footerBytes)
	}
	const tail = footerBytes - 4
	if le.Uint32(b[tail:]) != checksum(seed, b[:tail]) {
		return f, damaged(name, at, "the checksum of the footer does not match")
	}
	if b[tail-5] != fileVersion || le.Uint32(b[tail-4:]) != fileMagic || [16]byte(b[tail-21:]) != id {
		return f, fmt.Errorf("%s: format %d: %w", name, b[tail-5], ErrForeign)
	}
	for i, p := range [...]*uint32{&f.number, &f.entries, &f.shadows, &f.blocks, &f.buckets} {
		*p = le.Uint32(b[4*i:])
	}
	f.indexAt, f.indexCRC = le.Uint64(b[20:]), le.Uint32(b[28:])
	for i := range f.ends {
		f.ends[i] = int64(le.Uint64(b[32+8*i:])) //nolint:gosec // the bits
	}
	length := indexBytes(f.entries, f.blocks, f.buckets)
	if f.number != number || f.indexAt > uint64(at) || uint64(at)-f.indexAt != length { //nolint:gosec // at ≥ 0
		return f, damaged(name, at, "the footer does not fit the file")
	}
	return f, nil
}
