package aged

import (
	"encoding/binary"
	"fmt"
)

// A file is blocks of entries, the index of them, and this footer, which is read first:
//
//	blocks | index | number, entries, shadows, blocks, buckets, blocks crc, index crc u32 | index offset u64 | ends 33 × i64 |
//	table id 16 bytes | version u8 | magic u32 | crc u32
//
// All numbers are little-endian, all checksums CRC32C, seeded with table id, prefix and the file's number, so that a part of
// another file is never valid. That of the blocks is over their own checksums, so the footer's is one of the whole file, and
// the manifest, which has it, knows the file from one of the same name.
const (
	fileMagic   = 0x53424154 // "SBAT"
	fileVersion = 1
	footerBytes = 7*4 + 8 + 8*(endParts+1) + 16 + 1 + 4 + 4
)

type footer struct {
	number    uint32
	entries   uint32
	shadows   uint32 // entries that had ended when Compact wrote the file and hide older ones
	blocks    uint32
	buckets   uint32
	blocksCRC uint32
	indexCRC  uint32
	indexAt   uint64
	ends      ends
}

// fileSeed is the start value of all checksums of one file.
func fileSeed(id [16]byte, prefix string, number uint32) uint32 {
	b := binary.LittleEndian.AppendUint32(id[:], number)
	return checksum(0, append(b, prefix...))
}

func (f *footer) encode(id [16]byte, seed uint32) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, footerBytes)
	for _, v := range [...]uint32{f.number, f.entries, f.shadows, f.blocks, f.buckets, f.blocksCRC, f.indexCRC} {
		b = le.AppendUint32(b, v)
	}
	b = le.AppendUint64(b, f.indexAt)
	for _, v := range f.ends {
		b = le.AppendUint64(b, uint64(v)) //nolint:gosec // the bits
	}
	b = append(b, id[:]...)
	b = append(b, fileVersion)
	b = le.AppendUint32(b, fileMagic)
	return le.AppendUint32(b, checksum(seed, b))
}

// footerCRC is the checksum that a footer ends with.
func footerCRC(b []byte) uint32 { return binary.LittleEndian.Uint32(b[footerBytes-4:]) }

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
	for i, p := range [...]*uint32{&f.number, &f.entries, &f.shadows, &f.blocks, &f.buckets, &f.blocksCRC, &f.indexCRC} {
		*p = le.Uint32(b[4*i:])
	}
	f.indexAt = le.Uint64(b[28:])
	for i := range f.ends {
		f.ends[i] = int64(le.Uint64(b[36+8*i:])) //nolint:gosec // the bits
	}
	length := indexBytes(f.entries, f.blocks, f.buckets)
	if f.number != number || f.indexAt > uint64(at) || uint64(at)-f.indexAt != length { //nolint:gosec // at ≥ 0
		return f, damaged(name, at, "the footer does not fit the file")
	}
	return f, nil
}
