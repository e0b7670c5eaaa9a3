package blob

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob/driver"
)

// sweepPage is the number of blobs a sweep looks at before it lists the next ones.
const sweepPage = 100

// Swept says what a Sweep did.
type Swept struct {
	Seen    int   // blobs looked at
	Deleted int   // of them
	Bytes   int64 // that the deleted ones held
}

// Sweep deletes the blobs of a tenant that were last touched earlier than before and that nothing refers to; the zero time
// means Options.Grace ago. Referenced is asked once for each old blob; its error ends the sweep and is returned with what was
// done so far. A sweep may be interrupted and repeated, and may run beside everything else: a blob touched meanwhile stays.
func (s *Store) Sweep(ctx context.Context, tenant string, before time.Time, referenced func(ctx context.Context, hash string) (bool, error)) (Swept, error) {
	const op = "blob.Sweep"
	var f faults
	f.tenant(tenant)
	if referenced == nil {
		f.add(semabus.ReasonRequired, "referenced", "", "", "say what is still referred to")
	}
	if err := f.err(op); err != nil {
		return Swept{}, err
	}
	if before.IsZero() {
		before = s.o.Clock.Now().Add(-s.o.Grace)
	}
	var done Swept
	for after := ""; ; {
		page, err := s.d.List(ctx, tenant, after, sweepPage)
		if err != nil {
			return done, errDriver(op, err)
		}
		if len(page) == 0 {
			return done, nil
		}
		done.Seen += len(page)
		after = page[len(page)-1].Hash
		if err := s.mark(ctx, op, tenant, before, page, referenced, &done); err != nil {
			return done, err
		}
	}
}

// mark asks for each old blob of a page whether it is referred to, and deletes those that are not.
func (s *Store) mark(ctx context.Context, op, tenant string, before time.Time, page []driver.Info,
	referenced func(ctx context.Context, hash string) (bool, error), done *Swept,
) error {
	for _, b := range page {
		if !b.Touched.Before(before) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return errContext(op, err)
		}
		kept, err := referenced(ctx, b.Hash)
		if err != nil {
			return err
		}
		if kept {
			continue
		}
		// One by one: the shorter the time between mark and deletion, the less the driver's own check has to catch.
		n, err := s.d.Delete(ctx, tenant, before, []string{b.Hash})
		if err != nil {
			return errDriver(op, err)
		}
		if n > 0 {
			done.Deleted += n
			done.Bytes += b.Size
		}
	}
	return nil
}
