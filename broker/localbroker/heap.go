package localbroker

// placed is an element of a heap: it knows which of two comes first and may remember its place.
type placed[T any] interface {
	before(other T) bool
	moved(place int) // −1 = left the heap
}

// heap is a binary heap with the first element at place 0.
type heap[T placed[T]] struct{ items []T }

func (h *heap[T]) len() int { return len(h.items) }

// first is the element that comes before all others; the heap must not be empty.
func (h *heap[T]) first() T { return h.items[0] }

func (h *heap[T]) push(x T) {
	h.items = append(h.items, x)
	h.up(len(h.items) - 1)
}

func (h *heap[T]) pop() T { return h.remove(0) }

func (h *heap[T]) remove(i int) T {
	var none T
	x, last := h.items[i], len(h.items)-1
	h.items[i] = h.items[last]
	h.items[last] = none
	h.items = h.items[:last]
	if i < last {
		h.fix(i)
	}
	if cap(h.items) > 1024 && len(h.items) < cap(h.items)/4 {
		h.items = append(make([]T, 0, cap(h.items)/2), h.items...)
	}
	x.moved(-1)
	return x
}

// fix restores the order after the element at i changed.
func (h *heap[T]) fix(i int) {
	if !h.down(i) {
		h.up(i)
	}
}

func (h *heap[T]) up(i int) {
	x := h.items[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !x.before(h.items[parent]) {
			break
		}
		h.set(i, h.items[parent])
		i = parent
	}
	h.set(i, x)
}

func (h *heap[T]) down(i int) (changed bool) {
	x, start := h.items[i], i
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			break
		}
		if r := child + 1; r < len(h.items) && h.items[r].before(h.items[child]) {
			child = r
		}
		if !h.items[child].before(x) {
			break
		}
		h.set(i, h.items[child])
		i = child
	}
	h.set(i, x)
	return i > start
}

func (h *heap[T]) set(i int, x T) {
	h.items[i] = x
	x.moved(i)
}
