package aged

import (
	"bytes"
	"encoding/binary"
)

const (
	// blockBytes is the size that a block does not exceed unless one entry does: what a Get reads.
	blockBytes = 4096
	// blockHeader is the checksum of a block, over its offset and its entries, seeded with table and file.
	blockHeader = 4
)

// entry is a key with its value and its end. In a block:
//
//	key length uvarint | value length uvarint | until u64 | key | value
type entry struct {
	hash       uint64 // of the key; not stored
	key, value []byte
	until      int64
}

// compare orders entries as they are in files.
func (e *entry) compare(o *entry) int {
	switch {
	case e.hash < o.hash:
		return -1
	case e.hash > o.hash:
		return 1
	}
	return bytes.Compare(e.key, o.key)
}

func appendEntry(b []byte, e *entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.key)))
	b = binary.AppendUvarint(b, uint64(len(e.value)))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.until)) //nolint:gosec // the bits
	b = append(b, e.key...)
	return append(b, e.value...)
}

// entryBytes is an upper bound of an entry's length in a block.
func entryBytes(e *entry) int { return 2*binary.MaxVarintLen32 + 8 + len(e.key) + len(e.value) }

// cutEntry takes the first entry of b, without its hash; its parts are parts of b. ok is false where b does not begin with a
// whole entry.
func cutEntry(b []byte) (e entry, rest []byte, ok bool) {
	k, n := binary.Uvarint(b)
	if n <= 0 {
		return entry{}, nil, false
	}
	b = b[n:]
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return entry{}, nil, false
	}
	b = b[n:]
	if size := uint64(len(b)); size < 8 || k > size-8 || v > size-8-k {
		return entry{}, nil, false
	}
	e.until = int64(binary.LittleEndian.Uint64(b)) //nolint:gosec // the bits
	b = b[8:]
	e.key, b = b[:k:k], b[k:]
	e.value, b = b[:v:v], b[v:]
	return e, b, true
}

// sealBlock fills in the header of a block, which is to stand at this offset.
func sealBlock(b []byte, seed uint32, offset uint64) {
	binary.LittleEndian.PutUint32(b, checksum(blockSeed(seed, offset), b[blockHeader:]))
}

// openBlock checks a block that was read at this offset and returns its entries.
func openBlock(b []byte, seed uint32, offset uint64) (entries []byte, ok bool) {
	if len(b) <= blockHeader || binary.LittleEndian.Uint32(b) != checksum(blockSeed(seed, offset), b[blockHeader:]) {
		return nil, false
	}
	return b[blockHeader:], true
}

func blockSeed(seed uint32, offset uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], offset)
	return checksum(seed, b[:])
}

// findEntry looks for a key among the entries of a block that have ranks from ≤ r < to; first is the rank of the block's
// first one. ok is false where the block ends before.
func findEntry(entries []byte, first, from, to uint32, key []byte) (e entry, found, ok bool) {
	for r := first; r < to; r++ {
		if e, entries, ok = cutEntry(entries); !ok {
			return entry{}, false, false
		}
		if r >= from && bytes.Equal(e.key, key) {
			return e, true, true
		}
	}
	return entry{}, false, true
}
