package aged

import "sync"

const (
	cacheShards = 16
	// leastCache is left to blocks when indexes need all of Options.CacheBytes, bytes.
	leastCache = 1 << 20
)

// footprint is the memory that a block in the cache occupies: besides its bytes a slot, a place in the map, and an eighth for
// what the allocator rounds up and leaves free between blocks as they come and go (measured by BenchmarkMemory).
func footprint(entries []byte) int64 { return int64(cap(entries) + cap(entries)/8 + 128) }

type blockKey struct{ file, block uint32 }

// cache holds the entries of blocks that were read lately: a clock over a table of slots, one in each shard.
type cache struct{ shards [cacheShards]cacheShard }

type cacheShard struct {
	mu          sync.Mutex
	places      map[blockKey]int
	slots       []slot
	hand        int
	size, limit int64
}

type slot struct {
	key     blockKey
	entries []byte // shared with readers, never written to
	used    bool   // since the hand came by
}

func newCache() *cache {
	c := &cache{}
	for i := range c.shards {
		c.shards[i].places = map[blockKey]int{}
	}
	return c
}

func (c *cache) shard(k blockKey) *cacheShard { return &c.shards[(k.file*7+k.block)%cacheShards] }

// get returns nil for a block that is not held.
func (c *cache) get(k blockKey) []byte {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.places[k]
	if !known {
		return nil
	}
	s.slots[i].used = true
	return s.slots[i].entries
}

func (c *cache) put(k blockKey, entries []byte) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.places[k]; known {
		return
	}
	s.size += footprint(entries)
	s.shrink()
	s.places[k] = len(s.slots)
	s.slots = append(s.slots, slot{key: k, entries: entries})
}

// limit bounds what is held, bytes.
func (c *cache) limit(n int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.limit = max(n, leastCache) / cacheShards
		s.shrink()
		s.mu.Unlock()
	}
}

// forget drops the blocks of a file.
func (c *cache) forget(file uint32) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for at := len(s.slots) - 1; at >= 0; at-- {
			if s.slots[at].key.file == file {
				s.drop(at)
			}
		}
		s.mu.Unlock()
	}
}

// bytes is what is held.
func (c *cache) bytes() (n int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.size
		s.mu.Unlock()
	}
	return n
}

// shrink makes room down to the limit; what was used since the hand came by stays for another round.
func (s *cacheShard) shrink() {
	for s.size > s.limit && len(s.slots) > 0 {
		if s.hand >= len(s.slots) {
			s.hand = 0
		}
		if at := &s.slots[s.hand]; at.used {
			at.used = false
			s.hand++
			continue
		}
		s.drop(s.hand)
	}
}

// drop puts the last slot in the place of another.
func (s *cacheShard) drop(at int) {
	last := len(s.slots) - 1
	s.size -= footprint(s.slots[at].entries)
	delete(s.places, s.slots[at].key)
	if at != last {
		s.slots[at] = s.slots[last]
		s.places[s.slots[at].key] = at
	}
	s.slots[last] = slot{}
	s.slots = s.slots[:last]
}
