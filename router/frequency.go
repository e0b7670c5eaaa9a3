package router

import (
	"math"
	"sync/atomic"
)

// frequencyTable counts, for each feature of a tenant, the intents whose texts have it. One writer at a time (the holder of
// the tenant's lock); any number of readers without a lock. A reader beside a writer may see some of an intent's features
// counted and some not, which moves a weight by at most 1/N; once the writer is done all readers agree.
type frequencyTable struct {
	cells []frequencyCell // open addressing, size a power of two
	used  int             // writer only
	total atomic.Int64    // intents counted
}

type frequencyCell struct {
	key   atomic.Uint32 // 0 marks a free cell; feature 0 is stored as 1
	count atomic.Uint32
}

func newFrequencyTable(size int) *frequencyTable {
	n := 1024
	for n < size*2 {
		n *= 2
	}
	return &frequencyTable{cells: make([]frequencyCell, n)}
}

func (t *frequencyTable) find(h uint32) *frequencyCell {
	h = max(h, 1)
	mask := uint32(len(t.cells) - 1)
	for p := h & mask; ; p = (p + 1) & mask {
		c := &t.cells[p]
		if k := c.key.Load(); k == h || k == 0 {
			return c
		}
	}
}

// count is the number of intents that have the feature.
func (t *frequencyTable) count(h uint32) uint32 {
	c := t.find(h)
	if c.key.Load() == 0 {
		return 0
	}
	return c.count.Load()
}

// add counts delta (±1) for each feature and returns the table to use from now on: t, or a larger copy.
func (t *frequencyTable) add(features []uint32, delta int32) *frequencyTable {
	if (t.used+len(features))*2 > len(t.cells) {
		t = t.grow(t.used + len(features))
	}
	for _, h := range features {
		c := t.find(h)
		c.count.Store(uint32(int32(c.count.Load()) + delta))
		if c.key.Load() == 0 {
			c.key.Store(max(h, 1))
			t.used++
		}
	}
	t.total.Add(int64(delta))
	return t
}

func (t *frequencyTable) grow(size int) *frequencyTable {
	n := newFrequencyTable(2 * size)
	for i := range t.cells {
		k, v := t.cells[i].key.Load(), t.cells[i].count.Load()
		if k == 0 || v == 0 {
			continue
		}
		c := n.find(k)
		c.count.Store(v)
		c.key.Store(k)
		n.used++
	}
	n.total.Store(t.total.Load())
	return n
}

// rarity is the inverse document frequency of a feature that count of total intents have, as a share of the largest
// possible: 1 for a feature of one intent, falling with the logarithm of its spread.
func rarity(count uint32, total int64) float32 {
	if total < 1 {
		return 1
	}
	n := float64(max(total, int64(count)))
	return float32(math.Log1p(n/float64(max(count, 1))) / math.Log1p(n))
}
