package aged

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	shardBits = 6
	shards    = 1 << shardBits
	// itemBytes is what an entry in memory occupies besides its key and value: an item and its place in the map.
	itemBytes = 64
)

// memory holds the entries that are in no file yet, by the highest bits of their hashes: shard after shard is in the order of
// files.
type memory struct {
	shards         [shards]shard
	entries, bytes atomic.Int64
}

type shard struct {
	mu  sync.RWMutex
	now *layer
	old *layer // what Flush writes: nobody changes it; nil when there is none
}

// layer is a map without pointers for the garbage collector to follow.
type layer struct {
	newest map[uint64]int32 // hash → number of an item
	items  []item
	data   []byte // keys and values
}

type item struct {
	hash       uint64
	until      int64
	at         int // of the key in data; the value follows
	key, value int32
	next       int32 // another key's item of the same hash; -1 when there is none
}

func newLayer() *layer { return &layer{newest: map[uint64]int32{}} }

func (m *memory) init() {
	for i := range m.shards {
		m.shards[i].now = newLayer()
	}
}

func (m *memory) shard(hash uint64) *shard { return &m.shards[hash>>(64-shardBits)] }

func (m *memory) put(e *entry) {
	s := m.shard(e.hash)
	s.mu.Lock()
	entries, size := s.now.put(e)
	s.mu.Unlock()
	m.entries.Add(int64(entries))
	m.bytes.Add(int64(size))
}

// get returns a copy of the value, where the entry lives at now.
func (m *memory) get(hash uint64, key []byte, now int64) (value []byte, until int64, known bool) {
	s := m.shard(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, l := range [...]*layer{s.now, s.old} {
		if l == nil {
			continue
		}
		if i := l.find(hash, key); i >= 0 {
			e := l.entry(i)
			if now < e.until {
				value = append(make([]byte, 0, len(e.value)), e.value...)
			}
			return value, e.until, true
		}
	}
	return nil, 0, false
}

// freeze sets aside what Flush is to write.
func (m *memory) freeze() {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		s.old, s.now = s.now, newLayer()
		s.mu.Unlock()
	}
}

// frozen is the number of entries that freeze has set aside. Only who flushes may ask.
func (m *memory) frozen() (n int) {
	for i := range m.shards {
		if old := m.shards[i].old; old != nil {
			n += len(old.items)
		}
	}
	return n
}

// forget drops what freeze has set aside.
func (m *memory) forget() {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		old := s.old
		s.old = nil
		s.mu.Unlock()
		if old != nil {
			m.entries.Add(-int64(len(old.items)))
			m.bytes.Add(-int64(len(old.data) + itemBytes*len(old.items)))
		}
	}
}

// put returns by how much the layer grew.
func (l *layer) put(e *entry) (entries, size int) {
	i := l.find(e.hash, e.key)
	if i < 0 {
		head, known := l.newest[e.hash]
		if !known {
			head = -1
		}
		i = int32(len(l.items))                                                                            //nolint:gosec // 2^31 items in one of 64 shards would be 300 TB
		l.items = append(l.items, item{hash: e.hash, at: len(l.data), key: int32(len(e.key)), next: head}) //nolint:gosec // a key
		l.newest[e.hash] = i
		l.data = append(append(l.data, e.key...), e.value...)
		entries, size = 1, itemBytes+len(e.key)+len(e.value)
	}
	it := &l.items[i]
	if entries == 0 && len(e.value) > int(it.value) { // a longer value needs a new place
		it.at = len(l.data)
		l.data = append(append(l.data, e.key...), e.value...)
		size = len(e.key) + len(e.value)
	} else if entries == 0 {
		copy(l.data[it.at+int(it.key):], e.value)
	}
	it.value, it.until = int32(len(e.value)), e.until //nolint:gosec // a value
	return entries, size
}

// find returns the number of a key's item, or -1.
func (l *layer) find(hash uint64, key []byte) int32 {
	i, known := l.newest[hash]
	if !known {
		return -1
	}
	for ; i >= 0; i = l.items[i].next {
		if it := &l.items[i]; bytes.Equal(l.data[it.at:it.at+int(it.key)], key) {
			break
		}
	}
	return i
}

func (l *layer) entry(i int32) entry {
	it := &l.items[i]
	value := it.at + int(it.key)
	return entry{it.hash, l.data[it.at:value:value], l.data[value : value+int(it.value)], it.until}
}

// sorted calls do with every entry in the order of files, up to its first error.
func (l *layer) sorted(do func(*entry) error) error {
	order := make([]int32, len(l.items))
	for i := range order {
		order[i] = int32(i) //nolint:gosec // see put
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := cmp.Compare(l.items[a].hash, l.items[b].hash); c != 0 {
			return c
		}
		x, y := l.entry(a), l.entry(b)
		return x.compare(&y)
	})
	for _, i := range order {
		e := l.entry(i)
		if err := do(&e); err != nil {
			return err
		}
	}
	return nil
}
