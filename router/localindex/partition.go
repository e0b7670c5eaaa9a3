package localindex

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/semabus/semabus/router/driver"
)

// state is one version of a partition, immutable.
type state struct {
	version uint64
	dim     int // 0 = no vector so far
	alive   int
	chunks  []*block
}

// place is where an entry stands.
type place struct {
	block *chunk
	row   int
}

// partition is a state for readers, and what its one writer at a time knows besides.
type partition struct {
	state atomic.Pointer[state]

	mu     sync.Mutex // guards the writer's side and every change of state
	places map[uint64]place
}

func newPartition() *partition {
	p := &partition{places: map[uint64]place{}}
	p.state.Store(&state{})
	return p
}

func (p *partition) update(version uint64, puts []driver.Entry, deletes []uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.state.Load()
	if version <= old.version {
		return nil
	}
	dim := old.dim
	for i := range puts {
		if err := checkVector("puts", i, puts[i].Vector, dim); err != nil {
			return err
		}
		dim = len(puts[i].Vector)
	}
	e := edit{p: p, dim: dim, chunks: slices.Clone(old.chunks), own: map[*chunk]*block{}}
	for _, id := range deletes {
		e.remove(id)
	}
	for i := range puts {
		e.remove(puts[i].ID)
		e.add(puts[i].ID, puts[i].Vector, len(puts)-i)
	}
	e.compact()
	p.state.Store(&state{version: version, dim: dim, alive: len(p.places), chunks: e.chunks})
	return nil
}

// edit is one update under way. It cannot fail.
type edit struct {
	p      *partition
	dim    int
	chunks []*block          // a copy; blocks not in own belong to older states
	own    map[*chunk]*block // blocks made by this edit
}

// block is this edit's own block of a chunk.
func (e *edit) block(c *chunk) *block {
	if b := e.own[c]; b != nil {
		return b
	}
	i := slices.IndexFunc(e.chunks, func(b *block) bool { return b.chunk == c })
	b := *e.chunks[i]
	b.dead = slices.Clone(b.dead)
	e.chunks[i], e.own[c] = &b, &b
	return &b
}

func (e *edit) remove(id uint64) {
	at, known := e.p.places[id]
	if !known {
		return
	}
	b := e.block(at.block)
	if b.dead == nil {
		b.dead = make([]uint64, (len(b.ids)+63)/64)
	}
	b.dead[at.row>>6] |= 1 << (at.row & 63)
	b.gone++
	delete(e.p.places, id)
}

// add appends an entry to the last chunk; coming is the number of entries that follow, itself included.
func (e *edit) add(id uint64, v []float32, coming int) {
	var b *block
	if n := len(e.chunks); n > 0 && e.chunks[n-1].n < len(e.chunks[n-1].ids) {
		b = e.block(e.chunks[n-1].chunk)
	} else {
		// Chunks of a small partition are small, so that many tenants with few intents cost little.
		rows := min(chunkRows, max(16, coming, len(e.p.places)))
		b = &block{chunk: newChunk(e.dim, rows)}
		e.chunks = append(e.chunks, b)
		e.own[b.chunk] = b
	}
	b.write(b.n, id, v)
	e.p.places[id] = place{b.chunk, b.n}
	b.n++
}

// compact rewrites chunks of which half is dead, and joins small ones: a partition of n entries has at most about
// 2n/chunkRows + log n chunks, and an entry is moved O(1) times for each that is removed.
func (e *edit) compact() {
	for i := 0; i < len(e.chunks); {
		b := e.chunks[i]
		if b.gone == 0 || 2*b.gone < b.n {
			i++
			continue
		}
		e.chunks = slices.Delete(e.chunks, i, i+1)
		for row := range b.n {
			if !b.isDead(row) {
				e.add(b.ids[row], b.vector(row), b.n-b.gone)
			}
		}
	}
}
