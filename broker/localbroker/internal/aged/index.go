package aged

import (
	"encoding/binary"
	"math/bits"
	"sort"
)

// perBucket is how many entries share a bucket of an index on average. A key that is not in the file is taken for one that
// may be with a probability of perBucket / 2^16 = 0.024 %.
const perBucket = 16

// index says of a hash whether a file may hold it, and where. The entries of a file are sorted by their hashes, and
// hash × buckets, a number of 128 bits, rises with the hash: its high half is the entry's bucket, the 16 bits below are its
// print. starts[b] is the rank of bucket b's first entry, prints[r] the print of the entry of rank r, so the same few bytes
// are filter and directory: 18 bits a key, and 12 bytes a block to get from the rank to the block.
type index struct {
	starts  []uint32 // one more than there are buckets
	prints  []uint16 // one for each entry
	firsts  []uint32 // rank of each block's first entry
	offsets []uint64 // where each block begins in the file, and where the last one ends
}

// find returns the ranks that the entries of a hash may have; from == to says that there are none. The prints of a bucket are
// in order, yet all of them are looked at: comparing for less is guessed wrong by the processor once a bucket, and costs twice
// the time.
func (x *index) find(hash uint64) (from, to uint32) {
	bucket, rest := bits.Mul64(hash, uint64(len(x.starts)-1))
	want := uint16(rest >> 48)
	start := x.starts[bucket]
	prints := x.prints[start:x.starts[bucket+1]]
	for i, p := range prints {
		if p != want {
			continue
		}
		n := i + 1
		for n < len(prints) && prints[n] == want {
			n++
		}
		return start + uint32(i), start + uint32(n) //nolint:gosec // ranks are 32 bits: see writer.add
	}
	return start, start
}

// block is the number of the block that holds the entry of a rank.
func (x *index) block(rank uint32) int {
	return sort.Search(len(x.firsts), func(i int) bool { return x.firsts[i] > rank }) - 1
}

// end is one more than the rank of the last entry of a block.
func (x *index) end(block int) uint32 {
	if block+1 < len(x.firsts) {
		return x.firsts[block+1]
	}
	return uint32(len(x.prints)) //nolint:gosec // ranks are 32 bits: see writer.add
}

// memory is what an index occupies, bytes.
func (x *index) memory() int64 {
	return int64(4*cap(x.starts) + 2*cap(x.prints) + 4*cap(x.firsts) + 8*cap(x.offsets))
}

// indexBytes is the length of an encoded index.
func indexBytes(entries, blocks, buckets uint32) uint64 {
	return 4*(uint64(buckets)+1) + 2*uint64(entries) + 12*uint64(blocks) + 8
}

// indexer makes an index of hashes that are added in order.
type indexer struct {
	index
	buckets uint64
}

// newIndexer expects at most this number of entries.
func newIndexer(entries int) *indexer {
	buckets := max(uint64(entries+perBucket-1)/perBucket, 1) //nolint:gosec // a number of entries
	if buckets >= 64 {
		buckets = (buckets + 63) &^ 63 // so that finish can halve it
	}
	x := &indexer{buckets: buckets}
	x.starts = make([]uint32, 0, buckets+1)
	x.prints = make([]uint16, 0, entries)
	return x
}

func (x *indexer) add(hash uint64) {
	bucket, rest := bits.Mul64(hash, x.buckets)
	for uint64(len(x.starts)) <= bucket {
		x.starts = append(x.starts, uint32(len(x.prints))) //nolint:gosec // ranks are 32 bits: see writer.add
	}
	x.prints = append(x.prints, uint16(rest>>48))
}

// finish returns the index once all entries are in.
func (x *indexer) finish(firsts []uint32, offsets []uint64) index {
	for uint64(len(x.starts)) <= x.buckets {
		x.starts = append(x.starts, uint32(len(x.prints))) //nolint:gosec // see add
	}
	n := uint64(len(x.prints))
	for x.buckets%2 == 0 && n <= x.buckets*perBucket/2 {
		x.halve()
	}
	// Of fewer entries than expected the rest of the memory is given back.
	x.starts, x.prints = tight(x.starts), tight(x.prints)
	x.firsts, x.offsets = tight(firsts), tight(offsets)
	return x.index
}

// halve makes one bucket of two: the product is halved, so the bucket's lowest bit becomes the print's highest.
func (x *indexer) halve() {
	for b := range x.buckets {
		for r := x.starts[b]; r < x.starts[b+1]; r++ {
			x.prints[r] = uint16(b&1)<<15 | x.prints[r]>>1
		}
	}
	x.buckets /= 2
	for b := range x.buckets + 1 {
		x.starts[b] = x.starts[2*b]
	}
	x.starts = x.starts[:x.buckets+1]
}

func tight[T any](s []T) []T {
	if cap(s)-len(s) <= cap(s)/16 {
		return s
	}
	return append(make([]T, 0, len(s)), s...)
}

func (x *index) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, 4*len(x.starts)+2*len(x.prints)+4*len(x.firsts)+8*len(x.offsets))
	for _, v := range x.starts {
		b = le.AppendUint32(b, v)
	}
	for _, v := range x.prints {
		b = le.AppendUint16(b, v)
	}
	for _, v := range x.firsts {
		b = le.AppendUint32(b, v)
	}
	for _, v := range x.offsets {
		b = le.AppendUint64(b, v)
	}
	return b
}

// decodeIndex takes exactly indexBytes of data, of a file whose blocks end at this offset. ok is false where the parts do not
// fit each other, so that find and block never leave their arrays.
func decodeIndex(data []byte, entries, blocks, buckets uint32, end uint64) (x index, ok bool) {
	if uint64(len(data)) != indexBytes(entries, blocks, buckets) || buckets == 0 || blocks == 0 || entries < blocks {
		return index{}, false
	}
	le := binary.LittleEndian
	x = index{make([]uint32, buckets+1), make([]uint16, entries), make([]uint32, blocks), make([]uint64, blocks+1)}
	ok = true
	for i := range x.starts {
		x.starts[i] = le.Uint32(data[4*i:])
		ok = ok && (i == 0 || x.starts[i] >= x.starts[i-1])
	}
	data = data[4*len(x.starts):]
	for i := range x.prints {
		x.prints[i] = le.Uint16(data[2*i:])
	}
	data = data[2*len(x.prints):]
	for i := range x.firsts {
		x.firsts[i] = le.Uint32(data[4*i:])
		ok = ok && (i == 0 || x.firsts[i] > x.firsts[i-1])
	}
	data = data[4*len(x.firsts):]
	for i := range x.offsets {
		x.offsets[i] = le.Uint64(data[8*i:])
		ok = ok && (i == 0 || x.offsets[i-1] < end && x.offsets[i] > x.offsets[i-1]+blockHeader)
	}
	ok = ok && x.starts[0] == 0 && x.starts[buckets] == entries && x.firsts[0] == 0 && x.firsts[blocks-1] < entries &&
		x.offsets[0] == 0 && x.offsets[blocks] == end
	return x, ok
}
