package client

import (
	"slices"

	semabus "github.com/semabus/semabus"
)

// entry is one message on its way.
type entry struct {
	body      []byte // the encoded message
	number    uint64 // order of handing over
	seq       uint64 // within the lane's producer; 0 = not sent yet
	keyed     bool   // it has a deduplication key of its own
	abandoned bool   // it was sent and nobody waits for the answer any more; under the publisher's mu

	done    func(semabus.Receipt, error) // nil: somebody waits for answer
	answer  chan struct{}                // one token: receipt and err are there
	receipt semabus.Receipt
	err     error
}

// fifo is a queue of entries.
type fifo struct {
	items []*entry
	head  int
}

func (f *fifo) len() int            { return len(f.items) - f.head }
func (f *fifo) at(i int) *entry     { return f.items[f.head+i] }
func (f *fifo) from(i int) []*entry { return f.items[f.head+i:] }
func (f *fifo) push(e *entry)       { f.items = append(f.items, e) }

// drop forgets the first n.
func (f *fifo) drop(n int) {
	clear(f.items[f.head : f.head+n])
	f.head += n
	switch {
	case f.head == len(f.items):
		f.items, f.head = f.items[:0], 0
	case f.head > 1024 && f.head > len(f.items)/2:
		k := copy(f.items, f.items[f.head:])
		clear(f.items[k:])
		f.items, f.head = f.items[:k], 0
	}
}

// remove takes one entry out, wherever it is; false = it is not there.
func (f *fifo) remove(e *entry) bool {
	i := slices.Index(f.items[f.head:], e)
	if i < 0 {
		return false
	}
	f.items = slices.Delete(f.items, f.head+i, f.head+i+1)
	return true
}

// takeAll empties the queue.
func (f *fifo) takeAll() []*entry {
	out := append([]*entry(nil), f.items[f.head:]...)
	f.drop(f.len())
	return out
}
