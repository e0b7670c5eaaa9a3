package aged

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

const (
	// writeBytes is how much is written at once.
	writeBytes = 1 << 20
	// syncBytes is after how much a file that is still being written is synced, so that the last sync, and with it whatever
	// else is synced on that disk at the time, does not wait for all of it.
	syncBytes = 8 << 20
)

// writer makes a file of entries that are added in order.
type writer struct {
	t       *Table
	file    *file
	buf     []byte // what is not written yet
	at      uint64 // where buf goes
	unsaved uint64 // bytes written since the last sync
	block   int    // where the open block begins in buf; -1 when none is open
	index   *indexer
	firsts  []uint32
	offsets []uint64
	ends    endSampler
	shadows uint32
}

// create begins a file of at most this number of entries.
func (t *Table) create(entries int) (*writer, error) {
	number := t.next.Add(1) - 1
	f := &file{t: t, name: fileName(t.o.Prefix, number), seed: t.seed(number)}
	f.number = number
	var err error
	if f.f, err = t.o.FS.OpenFile(filepath.Join(t.o.Dir, f.name), os.O_CREATE|os.O_EXCL); err != nil {
		return nil, err
	}
	blocks := entries/32 + 1
	return &writer{
		t: t, file: f, block: -1, buf: make([]byte, 0, min(entries*64, writeBytes)+2*blockBytes),
		index: newIndexer(entries), ends: newEndSampler(entries),
		firsts: make([]uint32, 0, blocks), offsets: make([]uint64, 0, blocks),
	}, nil
}

// add copies the entry.
func (w *writer) add(e *entry) error {
	if len(w.index.prints) == math.MaxUint32 {
		return fmt.Errorf("%s: more than 2^32 entries in one file", w.file.name)
	}
	if w.block >= 0 && len(w.buf)-w.block+entryBytes(e) > blockBytes {
		if err := w.seal(); err != nil {
			return err
		}
	}
	if w.block < 0 {
		w.block = len(w.buf)
		w.firsts = append(w.firsts, uint32(len(w.index.prints))) //nolint:gosec // checked above
		w.offsets = append(w.offsets, w.at+uint64(len(w.buf)))
		w.buf = append(w.buf, make([]byte, blockHeader)...)
	}
	w.buf = appendEntry(w.buf, e)
	w.index.add(e.hash)
	w.ends.add(e.until)
	return nil
}

// seal ends the open block.
func (w *writer) seal() error {
	if w.block < 0 {
		return nil
	}
	b := w.buf[w.block:]
	sealBlock(b, w.file.seed, w.at+uint64(w.block)) //nolint:gosec // not negative
	w.file.blocksCRC = checksum(w.file.blocksCRC, b[:blockHeader])
	w.block = -1
	if len(w.buf) < writeBytes {
		return nil
	}
	return w.write()
}

func (w *writer) write() error {
	if _, err := w.file.f.WriteAt(w.buf, int64(w.at)); err != nil { //nolint:gosec // an offset
		return fmt.Errorf("write %s at %d: %w", w.file.name, w.at, err)
	}
	w.at += uint64(len(w.buf))
	w.unsaved += uint64(len(w.buf))
	w.buf = w.buf[:0]
	if w.unsaved < syncBytes {
		return nil
	}
	return w.sync()
}

func (w *writer) sync() error {
	w.unsaved = 0
	if err := w.file.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", w.file.name, err)
	}
	return nil
}

// finish makes the file durable, of at least one entry. It is no part of the table yet.
func (w *writer) finish() (*file, error) {
	if err := w.seal(); err != nil {
		return nil, err
	}
	f, end := w.file, w.at+uint64(len(w.buf))
	f.index = w.index.finish(w.firsts, append(w.offsets, end))
	data := f.index.encode()
	f.entries, f.shadows = uint32(len(f.prints)), w.shadows              //nolint:gosec // see add
	f.blocks, f.buckets = uint32(len(f.firsts)), uint32(len(f.starts)-1) //nolint:gosec // at most the entries
	f.indexAt, f.indexCRC, f.ends = end, checksum(f.seed, data), w.ends.finish()
	foot := f.footer.encode(w.t.id, f.seed)
	f.crc = footerCRC(foot)
	w.buf = append(append(w.buf, data...), foot...)
	if err := w.write(); err != nil {
		return nil, err
	}
	if err := w.sync(); err != nil {
		return nil, err
	}
	if err := w.t.o.FS.SyncDir(w.t.o.Dir); err != nil {
		return nil, err
	}
	f.size = int64(w.at) //nolint:gosec // a size
	f.refs.Store(1)
	return f, nil
}

// abort gives up a file that was not finished, or was and could not be installed. It stays where the manifest on the disk may
// name it; if it does not, the next Open removes it.
func (w *writer) abort(err error) error {
	err = errors.Join(err, w.file.f.Close())
	if w.t.usable() != nil {
		return err
	}
	return errors.Join(err, w.t.o.FS.Remove(filepath.Join(w.t.o.Dir, w.file.name)))
}
