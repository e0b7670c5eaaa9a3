package aged

import (
	"errors"
	"path/filepath"
	"sync/atomic"
)

// file is one immutable file of entries. Its footer and index are in memory.
type file struct {
	footer
	index
	t    *Table
	name string // without folder
	size int64
	crc  uint32 // of the footer, so of the whole file
	seed uint32
	f    File

	refs atomic.Int64 // the table's, while the file is a part of it, and those of readers
	gone atomic.Bool  // no part of the table any more: who lets go of it last removes it
}

// errRetired says that the file is closed, because the table has others by now.
var errRetired = errors.New("the file is no part of the table any more")

// openFile opens what a manifest names and reads footer and index.
func (t *Table) openFile(l listed) (*file, error) {
	f := &file{t: t, name: fileName(t.o.Prefix, l.number), size: l.size, crc: l.crc, seed: t.seed(l.number)}
	var err error
	if f.f, err = t.openNamed(f.name); err != nil {
		return nil, err
	}
	if err := f.load(l.number); err != nil {
		return nil, errors.Join(err, f.f.Close())
	}
	f.refs.Store(1)
	return f, nil
}

func (f *file) load(number uint32) error {
	size, err := f.f.Size()
	if err != nil {
		return err
	}
	if size != f.size {
		return damaged(f.name, min(size, f.size), "the file has %d bytes, the manifest says %d", size, f.size)
	}
	b := make([]byte, footerBytes)
	if err := readFull(f.f, f.name, b, size-footerBytes); err != nil {
		return err
	}
	if f.footer, err = decodeFooter(f.name, b, size, f.t.id, f.seed, number); err != nil {
		return err
	}
	if f.crc != footerCRC(b) {
		return damaged(f.name, size-footerBytes, "this is not the file that the manifest means")
	}
	at := int64(f.indexAt) //nolint:gosec // less than the size
	data := make([]byte, size-footerBytes-at)
	if err := readFull(f.f, f.name, data, at); err != nil {
		return err
	}
	if checksum(f.seed, data) != f.indexCRC {
		return damaged(f.name, at, "the checksum of the index does not match")
	}
	x, ok := decodeIndex(data, f.entries, f.blocks, f.buckets, f.indexAt)
	if !ok {
		return damaged(f.name, at, "the index does not fit the file")
	}
	f.index = x
	return nil
}

// hold keeps a file open until release; false when it is closed already.
func (f *file) hold() bool {
	for {
		n := f.refs.Load()
		if n == 0 {
			return false
		}
		if f.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (f *file) release() {
	if f.refs.Add(-1) > 0 {
		return
	}
	err := f.f.Close()
	if f.gone.Load() {
		err = errors.Join(err, f.t.o.FS.Remove(filepath.Join(f.t.o.Dir, f.name)))
	}
	if err != nil {
		f.t.o.Logger.Warn("a file that is not needed any more stays until the next start", "file", f.name, "error", err)
	}
}

// ended says whether every entry has ended.
func (f *file) ended(now int64) bool { return f.ends[endParts] <= now }

// dead estimates how many entries have ended.
func (f *file) dead(now int64) int64 { return int64(f.ends.before(now) * float64(f.entries)) }

// mayHold asks the index about a key's hash.
func (f *file) mayHold(hash uint64) bool {
	from, to := f.find(hash)
	return from < to
}

// get looks for a key. What it returns is a part of a cached block.
func (f *file) get(hash uint64, key []byte) (e entry, found bool, err error) {
	from, to := f.find(hash)
	if from == to {
		return entry{}, false, nil
	}
	for n := f.block(from); from < to; n++ {
		entries, err := f.read(n)
		if err != nil {
			return entry{}, false, err
		}
		end := min(to, f.end(n))
		e, found, ok := findEntry(entries, f.firsts[n], from, end, key)
		if !ok {
			return entry{}, false, damaged(f.name, int64(f.offsets[n]), "the block has less than its %d entries", f.end(n)-f.firsts[n]) //nolint:gosec // an offset
		}
		if found {
			return e, true, nil
		}
		from = end
	}
	f.t.misled.Add(1)
	return entry{}, false, nil
}

// read returns the entries of a block.
func (f *file) read(n int) ([]byte, error) {
	k := blockKey{f.number, uint32(n)} //nolint:gosec // a number of a block
	if entries := f.t.cache.get(k); entries != nil {
		return entries, nil
	}
	if !f.hold() {
		return nil, errRetired
	}
	defer f.release()
	f.t.reads.Add(1)
	at := f.offsets[n]
	b := make([]byte, f.offsets[n+1]-at)
	if err := readFull(f.f, f.name, b, int64(at)); err != nil { //nolint:gosec // an offset
		return nil, err
	}
	entries, ok := openBlock(b, f.seed, at)
	if !ok {
		return nil, damaged(f.name, int64(at), "the checksum of the block does not match") //nolint:gosec // an offset
	}
	f.t.cache.put(k, entries)
	return entries, nil
}
