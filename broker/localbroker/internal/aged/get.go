package aged

import "errors"

// Put sets a key's value, and the end of both: from until on, unix nanoseconds, the key is unknown again; math.MaxInt64 is no
// end. It replaces what was put under the key before, also where that had a later end, so an end in the past removes the key.
// It touches memory only and cannot fail: the entry is durable after the next Flush, and until then its owner's to put again
// after a restart. Key and value are copied. It is made for keys up to 1 KiB and values up to 64 KiB and takes them up to
// 1 GiB together.
func (t *Table) Put(key, value []byte, until int64) {
	t.memory.put(&entry{t.hash.sum(key), key, value, until})
}

// Get returns the newest value of a key that has not ended at now, as a copy, and its end. now must not fall below what
// Expire and Compact were called with: they forget what has ended. A key that is not in the table is found out without the
// disk but for about 1 in 4,000 calls per file; one that is there takes one read of 4 KiB or a hit in the cache, rarely two.
// It fails with ErrDamaged, ErrClosed or the file system's error, and never takes a key for absent when it could not look.
func (t *Table) Get(key []byte, now int64) (value []byte, until int64, ok bool, err error) {
	hash := t.hash.sum(key)
	// Memory before files: what Flush moves from here to there is in the files before it leaves memory.
	if value, until, known := t.memory.get(hash, key, now); known {
		return live(value, until, now)
	}
	for {
		v := t.view.Load()
		if v == nil {
			return nil, 0, false, ErrClosed
		}
		e, found, err := v.get(hash, key)
		switch {
		case errors.Is(err, errRetired): // the table has other files by now
			continue
		case err != nil:
			return nil, 0, false, err
		case !found || now >= e.until:
			return nil, 0, false, nil
		}
		return append(make([]byte, 0, len(e.value)), e.value...), e.until, true, nil
	}
}

func live(value []byte, until, now int64) ([]byte, int64, bool, error) {
	if now >= until {
		return nil, 0, false, nil
	}
	return value, until, true, nil
}

// get asks the newest file first.
func (v *view) get(hash uint64, key []byte) (e entry, found bool, err error) {
	for i := len(v.files) - 1; i >= 0 && !found && err == nil; i-- {
		e, found, err = v.files[i].get(hash, key)
	}
	return e, found, err
}

// Pending is the number of entries that are in no file yet, and about the memory that they occupy, bytes.
func (t *Table) Pending() (entries, bytes int64) {
	return t.memory.entries.Load(), t.memory.bytes.Load()
}

// Count is about the number of entries that have not ended at now. Of the entries in files it knows a sample of ends, which
// is a few in a hundred off; pending ones all count; a key that was put again after a Flush counts twice until Compact finds
// both. So it is rather too high than too low.
func (t *Table) Count(now int64) int64 {
	n := t.memory.entries.Load()
	if v := t.view.Load(); v != nil {
		for _, f := range v.files {
			n += int64(f.entries) - f.dead(now)
		}
	}
	return n
}

// Bytes is the size of all files.
func (t *Table) Bytes() int64 {
	if v := t.view.Load(); v != nil {
		return v.bytes()
	}
	return 0
}

// Version rises with every change of the files. An owner who notes it down after a Flush finds out after Open whether the
// table is an older one than it should be.
func (t *Table) Version() uint64 {
	if v := t.view.Load(); v != nil {
		return v.serial
	}
	return 0
}

// ID is the table's id: Options.ID, or what was made up for it.
func (t *Table) ID() [16]byte { return t.id }

// Stats are figures of a table; counters begin at Open.
type Stats struct {
	Files   int
	Entries int64  // in files, those included that have ended and were not dropped yet
	Bytes   int64  // of files
	Index   int64  // memory of filters and fences, bytes
	Cache   int64  // memory of cached blocks, bytes
	Reads   uint64 // blocks that Get read from files
	Misled  uint64 // files in which Get looked for a key that was not there, in the cache or by a read
	Flushed uint64 // bytes that Flush wrote
	Merged  uint64 // bytes that Compact wrote; write amplification is 1 + Merged / Flushed
}

// Stats returns figures of the table as it is.
func (t *Table) Stats() Stats {
	s := Stats{
		Cache: t.cache.bytes(), Reads: t.reads.Load(), Misled: t.misled.Load(),
		Flushed: t.flushed.Load(), Merged: t.merged.Load(),
	}
	if v := t.view.Load(); v != nil {
		s.Files, s.Bytes, s.Index = len(v.files), v.bytes(), v.memory()
		for _, f := range v.files {
			s.Entries += int64(f.entries)
		}
	}
	return s
}
