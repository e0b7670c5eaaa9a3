package aged

import (
	"context"
	"slices"
)

// windowBytes is how much of a file a cursor reads at once.
const windowBytes = 256 << 10

// cursor reads a file from its beginning to its end, past the cache.
type cursor struct {
	f       *file
	window  []byte // some whole blocks
	base    uint64 // where they begin in the file
	block   int    // the next one to open
	entries []byte // the rest of the open block
	rank    uint32 // of the next entry
	hash    uint64 // of the last one
	crc     uint32 // of the blocks so far
	e       entry  // the entry it stands at; its parts are good until the next one
	done    bool   // it stands at the end
}

// next goes to the next entry, or to the end after the last one.
func (c *cursor) next() error {
	f := c.f
	if len(c.entries) == 0 {
		if c.block > 0 && c.rank != f.end(c.block-1) {
			return c.damage("the block has %d entries too few", f.end(c.block-1)-c.rank)
		}
		if c.block == len(f.firsts) {
			c.done = true
			if c.crc != f.blocksCRC {
				return c.damage("the blocks are not those that the footer means")
			}
			return nil
		}
		if err := c.open(); err != nil {
			return err
		}
	}
	e, rest, ok := cutEntry(c.entries)
	if !ok || c.rank == f.end(c.block-1) {
		return c.damage("the block has more than its entries")
	}
	e.hash = f.t.hash.sum(e.key)
	if e.hash < c.hash {
		return c.damage("the entries are not in order")
	}
	c.e, c.entries, c.hash = e, rest, e.hash
	c.rank++
	return nil
}

func (c *cursor) damage(format string, args ...any) error {
	return damaged(c.f.name, int64(c.f.offsets[c.block-1]), format, args...) //nolint:gosec // an offset
}

// open checks the next block.
func (c *cursor) open() error {
	f := c.f
	from, to := f.offsets[c.block], f.offsets[c.block+1]
	if to > c.base+uint64(len(c.window)) {
		if err := c.load(from); err != nil {
			return err
		}
	}
	c.block++
	b := c.window[from-c.base : to-c.base]
	c.crc = checksum(c.crc, b[:blockHeader])
	entries, ok := openBlock(b, f.seed, from)
	if !ok {
		return c.damage("the checksum of the block does not match")
	}
	c.entries = entries
	return nil
}

// load reads the blocks from this offset on, at least one.
func (c *cursor) load(from uint64) error {
	f, last := c.f, c.block+1
	for last < len(f.firsts) && f.offsets[last+1]-from <= windowBytes {
		last++
	}
	size := f.offsets[last] - from
	if uint64(cap(c.window)) < size {
		c.window = make([]byte, size, max(size, min(windowBytes, f.indexAt)))
	}
	c.window, c.base = c.window[:size], from
	return readFull(f.f, f.name, c.window, int64(from)) //nolint:gosec // an offset
}

// merged calls do with the newest entry of each key of some files, oldest first, in the order of files, up to the first
// error. The entry is good until do returns.
func merged(ctx context.Context, files []*file, do func(e *entry) error) error {
	open := make([]*cursor, len(files)) // at an entry each, oldest file first
	for i, f := range files {
		open[i] = &cursor{f: f}
		if err := open[i].next(); err != nil {
			return err
		}
	}
	for n := 0; ; n++ {
		open = slices.DeleteFunc(open, func(c *cursor) bool { return c.done })
		if len(open) == 0 {
			return nil
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		first, same := newest(open)
		lead := open[first]
		if err := do(&lead.e); err != nil {
			return err
		}
		for i := first - 1; same && i >= 0; i-- {
			if open[i].e.compare(&lead.e) == 0 {
				if err := open[i].next(); err != nil {
					return err
				}
			}
		}
		if err := lead.next(); err != nil {
			return err
		}
	}
}

// newest finds the first entry in order, that of the newest file where several have it; same says that they do.
func newest(open []*cursor) (first int, same bool) {
	for i := 1; i < len(open); i++ {
		switch c := open[i].e.compare(&open[first].e); {
		case c < 0:
			first, same = i, false
		case c == 0:
			first, same = i, true
		}
	}
	return first, same
}
