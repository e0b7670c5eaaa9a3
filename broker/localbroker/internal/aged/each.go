package aged

import (
	"context"
	"errors"
	"slices"
)

// Held is the table's files at one moment: they stay on the disk until Release, so that they can be copied while the table
// goes on. Copied under their names, with Manifest as the content of ManifestName, they are a table that Open takes.
type Held struct {
	Files        []string // names, without folder; they never change
	ManifestName string
	Manifest     []byte
	Version      uint64

	files []*file
}

// Hold holds the files; what is pending is in none. It fails with ErrClosed.
func (t *Table) Hold() (*Held, error) {
	for {
		v := t.view.Load()
		if v == nil {
			return nil, ErrClosed
		}
		h := &Held{ManifestName: t.o.Prefix + manifestName, Manifest: slices.Clone(v.manifest), Version: v.serial}
		for _, f := range v.files {
			if f.hold() {
				h.files = append(h.files, f)
				h.Files = append(h.Files, f.name)
			}
		}
		if len(h.files) == len(v.files) {
			return h, nil
		}
		h.Release()
	}
}

// Release lets the files go. It must be called once.
func (h *Held) Release() {
	for _, f := range h.files {
		f.release()
	}
	h.files = nil
}

// Each calls do with every key that is in files and has not ended at now, in no order that means anything, until its first
// error, which it returns. What is pending is left out: Flush before. Key and value are good until do returns. All bytes
// that it reads are checked.
func (t *Table) Each(ctx context.Context, now int64, do func(key, value []byte, until int64) error) error {
	h, err := t.Hold()
	if err != nil {
		return err
	}
	defer h.Release()
	return merged(ctx, h.files, func(e *entry) error {
		if now >= e.until {
			return nil
		}
		return do(e.key, e.value, e.until)
	})
}

// Verify reads all files and checks every byte of their entries, and that indexes and footers are true of them. Its error
// joins one for each damaged file.
func (t *Table) Verify(ctx context.Context) error {
	h, err := t.Hold()
	if err != nil {
		return err
	}
	defer h.Release()
	var errs []error
	for _, f := range h.files {
		err := f.verify(ctx)
		errs = append(errs, err)
		if err != nil && !errors.Is(err, ErrDamaged) {
			break
		}
	}
	return errors.Join(errs...)
}

func (f *file) verify(ctx context.Context) error {
	for c := (&cursor{f: f}); ; {
		if err := c.next(); err != nil || c.done {
			return err
		}
		if c.rank%1024 == 1 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		from, to := f.find(c.e.hash)
		if rank := c.rank - 1; rank < from || rank >= to || f.block(rank) != c.block-1 {
			return c.damage("the index does not lead to the entry of rank %d", rank)
		}
		if c.e.until < f.ends[0] || c.e.until > f.ends[endParts] {
			return c.damage("an entry ends outside of the range that the footer names")
		}
	}
}
