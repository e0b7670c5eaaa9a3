package router

import "maps"

const shardCount = 256

// shards is a copy-on-write map: changing one key copies one of its parts, so readers keep what they have and a change
// costs the same few microseconds with ten keys and with a hundred thousand.
type shards[V any] struct {
	parts [shardCount]map[string]V
	size  int
}

func shardOf(key string) int {
	h := uint32(2166136261)
	for i := range len(key) {
		h = mix(h, uint32(key[i]))
	}
	return int(finish32(h) % shardCount)
}

func (s *shards[V]) get(key string) (V, bool) {
	v, ok := s.parts[shardOf(key)][key]
	return v, ok
}

// editor collects changes to a copy of a shards; parts it has not touched stay shared.
type editor[V any] struct {
	shards[V]
	own     [shardCount]bool
	changed bool
}

func (s *shards[V]) edit() *editor[V] { return &editor[V]{shards: *s} }

func (e *editor[V]) part(key string) map[string]V {
	i := shardOf(key)
	if !e.own[i] {
		e.parts[i] = maps.Clone(e.parts[i])
		if e.parts[i] == nil {
			e.parts[i] = map[string]V{}
		}
		e.own[i] = true
	}
	e.changed = true
	return e.parts[i]
}

func (e *editor[V]) put(key string, v V) {
	p := e.part(key)
	if _, known := p[key]; !known {
		e.size++
	}
	p[key] = v
}

func (e *editor[V]) remove(key string) {
	p := e.part(key)
	if _, known := p[key]; known {
		e.size--
		delete(p, key)
	}
}

// done is the result; the editor must not be used afterwards.
func (e *editor[V]) done() *shards[V] { s := e.shards; return &s }
