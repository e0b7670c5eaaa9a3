package indextest

import (
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/router/driver"
)

func concurrencyCases() []testCase {
	return []testCase{
		{"Concurrent/EachUpdateWholeOrNotAtAll", wholeUpdates},
		{"Concurrent/SmallUpdates", smallUpdates},
		{"Concurrent/ManyPartitions", manyPartitions},
	}
}

// wholeUpdates replaces all entries at once, under other ids and with the update's number as score, while searches run: a
// search may find one number only, and all entries of it.
func wholeUpdates(r *rig) {
	const each, updates, dim = 300, 150, 40
	put := func(n int) (puts []driver.Entry, deletes []uint64) {
		for i := range each {
			v := make([]float32, dim)
			v[0], v[1+i%(dim-2)] = float32(n), 1
			puts = append(puts, driver.Entry{ID: uint64(n*each + i), Vector: v})
			deletes = append(deletes, uint64((n-1)*each+i))
		}
		return puts, deletes
	}
	first, _ := put(1)
	r.update(first)
	query := driver.Query{Vector: make([]float32, dim), MinScore: minusInf, Max: 10 * each}
	query.Vector[0] = 1
	var done atomic.Bool
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			var hits [][]driver.Hit
			last := float32(0)
			for !done.Load() {
				var err error
				if hits, err = r.d.Search(r.t.Context(), home, []driver.Query{query}, hits); err != nil {
					return err
				}
				list := hits[0]
				if len(list) != each || list[0].Score != list[each-1].Score || list[0].Score < last {
					r.t.Errorf("%d entries after number %g: %v", len(list), last, list[:min(len(list), 2)])
					return nil
				}
				last = list[0].Score
			}
			return nil
		})
	}
	for n := 2; n <= updates; n++ {
		puts, deletes := put(n)
		r.update(puts, deletes...)
	}
	done.Store(true)
	if err := g.Wait(); err != nil {
		r.t.Error(err)
	}
	r.wantVersion(home, updates, each)
}

// smallUpdates replaces one entry at a time by another of another id: a search finds as many as there always are, the newest
// that was there when it began among them.
func smallUpdates(r *rig) {
	const alive, updates = 90, 3000
	entry := func(n uint64) []driver.Entry { return one(n, 1, float32(n)) }
	for n := range uint64(alive) {
		r.update(entry(n))
	}
	var newest atomic.Uint64
	newest.Store(alive - 1)
	var done atomic.Bool
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			query := []driver.Query{{Vector: []float32{0, 1}, MinScore: minusInf, Max: 2 * alive}}
			var hits [][]driver.Hit
			for !done.Load() {
				from := newest.Load()
				var err error
				if hits, err = r.d.Search(r.t.Context(), home, query, hits); err != nil {
					return err
				}
				if list := hits[0]; len(list) != alive || list[0].ID < from || list[alive-1].ID+alive-1 != list[0].ID {
					r.t.Errorf("%d entries after number %d was in, want %d: %v", len(list), from, alive, list[:min(len(list), 3)])
					return nil
				}
			}
			return nil
		})
	}
	for n := uint64(alive); n < updates; n++ {
		r.update(entry(n), n-alive)
		newest.Store(n)
	}
	done.Store(true)
	if err := g.Wait(); err != nil {
		r.t.Error(err)
	}
}

// manyPartitions has writers of their own partitions, one that is dropped again and again among them.
func manyPartitions(r *rig) {
	const writers, updates = 4, 60
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			p := driver.Partition{Tenant: string(rune('a' + w))}
			for n := uint64(1); n <= updates; n++ {
				if err := r.d.Update(r.t.Context(), p, n, one(n, float32(w), float32(n)), nil); err != nil {
					return err
				}
				hits, err := r.d.Search(r.t.Context(), p, []driver.Query{{Vector: []float32{0, 1}, Max: 1}}, nil)
				if err != nil {
					return err
				}
				if len(hits[0]) != 1 || hits[0][0].ID != n {
					r.t.Errorf("writer %d does not find its own update %d: %v", w, n, hits)
				}
				if w == 0 {
					if err := r.d.Drop(r.t.Context(), p); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	for w := 1; w < writers; w++ {
		r.wantVersion(driver.Partition{Tenant: string(rune('a' + w))}, updates, updates)
	}
}
