package blobtest

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
)

// How hard the concurrent cases try.
const (
	workers = 8
	rounds  = 15
)

func concurrencyCases() []testCase {
	return []testCase{
		{"concurrency/one content many times", sameContent},
		{"concurrency/deletion beside everything", deletions},
		{"concurrency/a touched blob stays", touchedStays},
	}
}

// sameContent puts and reads one content from everywhere.
func sameContent(r *rig) {
	b := content(1, 150_000)
	h := hashOf(b)
	var g errgroup.Group
	for range workers {
		g.Go(func() error {
			for range rounds {
				if err := r.d.Put(r.t.Context(), tenant, h, int64(len(b)), bytes.NewReader(b)); err != nil {
					return err
				}
				if got, _, err := r.get(tenant, h, 0); err != nil || !bytes.Equal(got, b) {
					return fmt.Errorf("%d bytes, %w", len(got), err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Error(err)
	}
	if list, err := r.d.List(r.t.Context(), tenant, "", 10); err != nil || len(list) != 1 {
		r.t.Errorf("List: %v, %v", list, err)
	}
}

// deletions deletes what is put, touched and read at the same time.
func deletions(r *rig) {
	var g errgroup.Group
	for w := range workers {
		b := content(uint64(w%2), 100_000)
		h := hashOf(b)
		g.Go(func() error {
			for range rounds {
				if err := r.d.Put(r.t.Context(), tenant, h, int64(len(b)), bytes.NewReader(b)); err != nil {
					return err
				}
				if _, err := r.d.Touch(r.t.Context(), tenant, []string{h}); err != nil {
					return err
				}
				if _, err := r.d.Delete(r.t.Context(), tenant, r.clock.Now().Add(time.Second), []string{h}); err != nil {
					return err
				}
				rd, _, err := r.d.Open(r.t.Context(), tenant, h, 0)
				if semabus.CodeOf(err) == semabus.CodeNotFound {
					continue
				}
				if err != nil {
					return err
				}
				got, err := io.ReadAll(rd)
				rd.Close()
				if err != nil || !bytes.Equal(got, b) {
					return fmt.Errorf("half a blob: %d bytes, %w", len(got), err)
				}
				if _, err := r.d.List(r.t.Context(), tenant, "", 10); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Error(err)
	}
}

// touchedStays deletes by a time before the last touch.
func touchedStays(r *rig) {
	b := []byte("referred to again and again")
	h := r.put(tenant, b)
	var g errgroup.Group
	limit := r.clock.Now().Add(time.Second)
	r.clock.add(time.Minute)
	if _, err := r.d.Touch(r.t.Context(), tenant, []string{h}); err != nil {
		r.t.Fatal(err)
	}
	for w := range workers {
		g.Go(func() error {
			for range rounds {
				if w%2 == 0 {
					if _, err := r.d.Delete(r.t.Context(), tenant, limit, []string{h}); err != nil {
						return err
					}
				} else if _, err := r.d.Touch(r.t.Context(), tenant, []string{h}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Error(err)
	}
	r.holds(tenant, b)
}
