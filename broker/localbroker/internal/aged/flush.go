package aged

import "slices"

// Flush makes everything durable that was put before the call: it sets the memory table aside, writes it as one file and
// adds that to the table. Put and Get go on meanwhile. After an error everything is still pending and readable, and the next
// Flush writes it again, to a new file; only where the manifest is in doubt does every later change fail until the table is
// opened again, with both outcomes good.
func (t *Table) Flush() error {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	if err := t.usable(); err != nil {
		return err
	}
	if err := t.flushFrozen(); err != nil { // of a Flush that failed: older than what came since
		return err
	}
	t.memory.freeze()
	return t.flushFrozen()
}

// flushFrozen writes what is set aside.
func (t *Table) flushFrozen() error {
	n := t.memory.frozen()
	if n > 0 {
		w, err := t.create(n)
		if err != nil {
			return err
		}
		if err := t.flushTo(w); err != nil {
			return w.abort(err)
		}
	}
	t.memory.forget() // after the file is in the view: see Get
	return nil
}

func (t *Table) flushTo(w *writer) error {
	for i := range t.memory.shards {
		if err := t.memory.shards[i].old.sorted(w.add); err != nil {
			return err
		}
	}
	f, err := w.finish()
	if err != nil {
		return err
	}
	t.flushed.Add(uint64(f.size)) //nolint:gosec // a size
	return t.install(func(files []*file) []*file { return append(files, f) })
}

// Expire drops files whose entries have all ended, and the oldest ones while all together exceed Options.MaxBytes and are
// more than one. A file goes only after all older ones: it may hide entries of theirs that end later. Those that are left
// are for Compact.
func (t *Table) Expire(now int64) (dropped int, err error) {
	t.merging.Lock()
	defer t.merging.Unlock()
	if err := t.usable(); err != nil {
		return 0, err
	}
	return t.expire(now)
}

func (t *Table) expire(now int64) (dropped int, err error) {
	v := t.view.Load()
	bytes := v.bytes()
	for dropped < len(v.files) {
		f := v.files[dropped]
		tooMuch := t.o.MaxBytes > 0 && bytes > t.o.MaxBytes && dropped+1 < len(v.files)
		if !f.ended(now) && !tooMuch {
			break
		}
		bytes -= f.size
		dropped++
	}
	if dropped == 0 {
		return 0, nil
	}
	err = t.install(func(files []*file) []*file { return slices.Delete(files, 0, dropped) })
	if err != nil {
		return 0, err
	}
	return dropped, nil
}
