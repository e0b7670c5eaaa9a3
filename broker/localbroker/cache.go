package localbroker

import (
	"fmt"
	"sync"
)

// frameKey names a frame: its segment and its offset there, in units of frameAlign.
type frameKey struct{ segment, frame uint32 }

// cache reads values of the log. It keeps the newest frames in memory, because what was just written is what is read next,
// and checks every frame that it reads back from the disk.
type cache struct {
	logID [16]byte
	limit int64

	mu    sync.Mutex
	held  map[frameKey][]byte // payloads; shared with readers, never written to
	order fifo[frameKey]
	size  int64
	files map[uint32]File
	ended bool // closed: what is not in memory cannot be read any more
}

func newCache(logID [16]byte, limit int64) *cache {
	return &cache{logID: logID, limit: limit, held: map[frameKey][]byte{}, files: map[uint32]File{}}
}

// put keeps the payload of a frame.
func (c *cache) put(k frameKey, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.held[k]; known {
		return
	}
	c.held[k] = payload
	c.order.push(k)
	c.size += int64(len(payload))
	for c.size > c.limit && c.order.len() > 1 {
		old := c.order.pop()
		c.size -= int64(len(c.held[old]))
		delete(c.held, old)
	}
}

// open makes a segment readable; a file of it that was open before is closed.
func (c *cache) open(segment uint32, f File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.files[segment]; old != nil {
		_ = old.Close() // nothing was written through it
	}
	c.files[segment] = f
}

// drop ends the reading of a segment and returns its file.
func (c *cache) drop(segment uint32) File {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files[segment]
	delete(c.files, segment)
	return f
}

// closeAll closes every segment.
func (c *cache) closeAll() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	var errs []error
	for n, f := range c.files {
		if err := f.Close(); err != nil {
			errs = append(errs, err)
		}
		delete(c.files, n)
	}
	return errs
}

// read returns the value at l: a slice that nobody writes to again.
func (c *cache) read(l loc) ([]byte, error) {
	if l.size == 0 {
		return nil, nil
	}
	payload, err := c.keep(frameKey{l.segment, l.frame})
	if err != nil {
		return nil, err
	}
	return valueIn(payload, l)
}

// keep reads a frame and keeps it for the next one who asks.
func (c *cache) keep(k frameKey) ([]byte, error) {
	payload, known, err := c.frame(k)
	if err == nil && !known {
		c.put(k, payload)
	}
	return payload, err
}

// look reads a frame without keeping it.
func (c *cache) look(k frameKey) ([]byte, error) {
	payload, _, err := c.frame(k)
	return payload, err
}

// frame is the payload of a frame, from memory where it is known there.
func (c *cache) frame(k frameKey) (payload []byte, known bool, err error) {
	c.mu.Lock()
	payload, known = c.held[k]
	f, ended := c.files[k.segment], c.ended
	c.mu.Unlock()
	switch {
	case known:
		return payload, true, nil
	case ended:
		return nil, false, errClosed()
	case f == nil:
		return nil, false, errDamaged(segmentName(k.segment), int64(k.frame)*frameAlign, "the segment is gone")
	}
	payload, err = c.load(f, k)
	return payload, false, err
}

// segments are the sizes of all segments, in bytes.
func (c *cache) segments() map[uint32]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[uint32]int64, len(c.files))
	for n, f := range c.files {
		if size, err := f.Size(); err == nil {
			out[n] = size
		}
	}
	return out
}

// valueIn is a value in the payload of its frame.
func valueIn(payload []byte, l loc) ([]byte, error) {
	end := uint64(l.offset) + uint64(l.size)
	if end > uint64(len(payload)) {
		return nil, errDamaged(segmentName(l.segment), int64(l.frame)*frameAlign, "the frame is shorter than its index says")
	}
	return payload[l.offset:end:end], nil
}

// load reads a frame back and checks it.
func (c *cache) load(f File, k frameKey) ([]byte, error) {
	offset := int64(k.frame) * frameAlign
	var head [frameHeader]byte
	if _, err := f.ReadAt(head[:], offset); err != nil {
		return nil, errEngine(fmt.Errorf("read %s at %d: %w", segmentName(k.segment), offset, err))
	}
	n, ok := frameLength(head[:])
	if !ok {
		return nil, errDamaged(segmentName(k.segment), offset, "no frame where the index says one is")
	}
	buf := make([]byte, frameHeader+n)
	if _, err := f.ReadAt(buf, offset); err != nil {
		return nil, errEngine(fmt.Errorf("read %s at %d: %w", segmentName(k.segment), offset, err))
	}
	payload, _, _, ok := openFrame(buf, frameSeed(c.logID, k.segment))
	if !ok {
		return nil, errDamaged(segmentName(k.segment), offset, "the frame's checksum does not match")
	}
	return payload, nil
}
