package aged

// What tests see of the inside: the decoders, and sizes small enough to have every tier of files in a few kilobytes.

// SetSizes makes files up to first bytes the lowest tier, and full bytes the size that merges stop at.
func SetSizes(t *Table, first, full int64) { t.policy.first, t.policy.full = first, full }

// Sum is the hash of a key under a table's id.
func Sum(id [16]byte, key []byte) uint64 { return newHasher(id).sum(key) }

// MaxFiles is beyond how many files neighbours are merged whatever their sizes.
const MaxFiles = maxFiles

// PutHash is Put of a key that is taken to have this hash.
func PutHash(t *Table, hash uint64, key, value []byte, until int64) {
	t.memory.put(&entry{hash, key, value, until})
}

// GetHash is Get of a key that is taken to have this hash, at time 0.
func GetHash(t *Table, hash uint64, key []byte) (value []byte, ok bool, err error) {
	if value, until, known := t.memory.get(hash, key, 0); known {
		return value, until > 0, nil
	}
	e, found, err := t.view.Load().get(hash, key)
	return e.value, found, err
}

// FooterBytes is the length of a footer.
const FooterBytes = footerBytes

// DecodeFooter decodes the end of a file of this size.
func DecodeFooter(b []byte, size int64, number uint32) error {
	_, err := decodeFooter("file", b, size, [16]byte{}, fileSeed([16]byte{}, "", number), number)
	return err
}

// SealFooter puts the right magic, version, id and checksum into a footer.
func SealFooter(b []byte, number uint32) []byte {
	f := footer{}
	sealed := f.encode([16]byte{}, 0)
	copy(sealed, b[:min(len(b), footerBytes-25)])
	body := sealed[:footerBytes-4]
	sum := checksum(fileSeed([16]byte{}, "", number), body)
	return append(body, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
}

// DecodeManifest decodes a manifest and encodes it again.
func DecodeManifest(b []byte) ([]byte, error) {
	m, err := decodeManifest("MANIFEST", b)
	if err != nil {
		return nil, err
	}
	return m.encode(), nil
}

// SealManifest makes a body what follows the head of a manifest.
func SealManifest(body []byte) []byte {
	m := manifest{}
	b := append(m.encode()[:manifestHead], body...)
	sum := checksum(0, b)
	return append(b, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
}

// FindEntry looks for a key among the entries of a block, of which it has count.
func FindEntry(entries []byte, count uint32, key []byte) (value []byte, found, ok bool) {
	e, found, ok := findEntry(entries, 0, 0, count, key)
	return e.value, found, ok
}

// AppendEntry encodes an entry.
func AppendEntry(b, key, value []byte, until int64) []byte {
	return appendEntry(b, &entry{key: key, value: value, until: until})
}

// DecodeIndex decodes an index and asks it for every hash that is given; what it answers are ranks of blocks that exist.
func DecodeIndex(data []byte, entries, blocks, buckets uint32, end uint64, hashes ...uint64) (ok, sound bool) {
	x, ok := decodeIndex(data, entries, blocks, buckets, end)
	if !ok {
		return false, true
	}
	for _, h := range hashes {
		for from, to := x.find(h); from < to; from++ {
			if n := x.block(from); n < 0 || n >= int(blocks) || from < x.firsts[n] || from >= x.end(n) || x.offsets[n+1] > end {
				return true, false
			}
		}
	}
	return true, true
}

// BuildIndex makes an index of sorted hashes, of which more were expected, and of one block for 10 of them. It returns how
// many of the hashes it finds at their ranks, how many of the others it takes for its own, and its encoded form.
func BuildIndex(expected int, hashes, others []uint64) (found, taken int, data []byte, buckets, blocks uint32) {
	x := newIndexer(expected)
	var firsts []uint32
	var offsets []uint64
	for i, h := range hashes {
		if i%10 == 0 {
			firsts = append(firsts, uint32(i))
			offsets = append(offsets, uint64(100*len(offsets)))
		}
		x.add(h)
	}
	y := x.finish(firsts, append(offsets, uint64(100*len(offsets))))
	for i, h := range hashes {
		if from, to := y.find(h); int(from) <= i && i < int(to) && y.block(uint32(i)) == i/10 {
			found++
		}
	}
	for _, h := range others {
		if from, to := y.find(h); from < to {
			taken++
		}
	}
	return found, taken, y.encode(), uint32(len(y.starts) - 1), uint32(len(firsts))
}

// Ended estimates from a sample of ends which share of them has passed.
func Ended(untils []int64, now int64) float64 {
	s := newEndSampler(len(untils))
	for _, u := range untils {
		s.add(u)
	}
	e := s.finish()
	return e.before(now)
}
