package aged

import (
	"context"
	"slices"
)

// Compact does one piece of the work that keeps the files few and free of what has ended: it drops what Expire would for
// having ended, then merges one run of neighbours, which is at most an eighth of the table or 64 MiB, whichever is more. more
// says that there is another piece. Get, Put and Flush go on meanwhile; the disk holds the run twice until the end. When ctx
// ends it gives up, and nothing has changed. Without Compact the files grow in number, and Get in cost, with each Flush.
//
// An entry that has ended is left out unless an older file, which is not merged with it, may have the key with a later end.
func (t *Table) Compact(ctx context.Context, now int64) (more bool, err error) {
	t.merging.Lock()
	defer t.merging.Unlock()
	if err := t.usable(); err != nil {
		return false, err
	}
	if t.view.Load().oldestEnded(now) {
		if _, err := t.expire(now); err != nil {
			return false, err
		}
	}
	v := t.view.Load()
	r, ok := t.policy.plan(v, now)
	if !ok {
		return false, nil
	}
	if err := t.merge(ctx, v.files, r, now); err != nil {
		return false, err
	}
	_, more = t.policy.plan(t.view.Load(), now)
	return more, nil
}

func (v *view) oldestEnded(now int64) bool { return len(v.files) > 0 && v.files[0].ended(now) }

// merge makes one file of a run, or none where nothing of it is left.
func (t *Table) merge(ctx context.Context, files []*file, r run, now int64) error {
	entries := 0
	for _, f := range files[r.from:r.to] {
		entries += int(f.entries)
	}
	w, err := t.create(entries)
	if err != nil {
		return err
	}
	f, err := w.merge(ctx, files, r, now)
	if err == nil {
		err = t.replace(files[r.from:r.to], f)
	}
	if err != nil || f == nil {
		return w.abort(err)
	}
	return nil
}

// merge writes a run; nil when nothing of it is left.
func (w *writer) merge(ctx context.Context, files []*file, r run, now int64) (*file, error) {
	var older []*file // with something in them that may have to be hidden
	for _, f := range files[:r.from] {
		if !f.ended(now) {
			older = append(older, f)
		}
	}
	err := merged(ctx, files[r.from:r.to], func(e *entry) error {
		if e.until <= now {
			if !slices.ContainsFunc(older, func(f *file) bool { return f.mayHold(e.hash) }) {
				return nil
			}
			e.value = nil
			w.shadows++
		}
		return w.add(e)
	})
	if err != nil || len(w.index.prints) == 0 {
		return nil, err
	}
	f, err := w.finish()
	if err != nil {
		return nil, err
	}
	w.t.merged.Add(uint64(f.size)) //nolint:gosec // a size
	return f, nil
}

// replace installs a file, or nothing, in the place of neighbours. Flush may have added others behind them meanwhile.
func (t *Table) replace(old []*file, by *file) error {
	return t.install(func(files []*file) []*file {
		at := slices.Index(files, old[0])
		if by == nil {
			return slices.Delete(files, at, at+len(old))
		}
		return slices.Replace(files, at, at+len(old), by)
	})
}
