package localbroker

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// The cleaner gives disk back that dead values hold. A segment goes as a whole, so one message that waits for years would keep
// all of its neighbours: where less than half of a segment lives, what lives is written once more at the end of the log, and
// the next checkpoint drops the segment. Each byte that dies causes at most one byte to be moved (write amplification ≤ 2),
// and all segments but the newest are at least half alive after a round.
const (
	cleanBelow = 0.5     // of a segment: it is cleaned when less lives
	cleanBatch = 1 << 20 // bytes of values moved in one frame

	// deadSegments is how many segments without anything in them wait for the next regular checkpoint; more are worth one.
	deadSegments = 8
)

// clean does one round: it moves what lives in mostly dead segments, at most rate bytes a second, and writes a checkpoint
// where that sets segments free. It returns how many bytes were moved.
func (b *Broker) clean(ctx context.Context, rate int64) (moved int64, err error) {
	victims, dead := b.victims()
	if len(victims) > 0 {
		if moved, err = b.empty(ctx, victims, rate); err != nil {
			return moved, err
		}
	}
	if len(victims) > 0 || dead >= deadSegments {
		return moved, b.checkpoint()
	}
	return 0, nil
}

// victims are the segments to be cleaned, and how many more hold nothing at all. A round is not worth its walk over the index
// for less than a whole segment of dead bytes.
func (b *Broker) victims() (victims map[uint32]bool, dead int) {
	files := b.cache.segments()
	b.mu.Lock()
	defer b.mu.Unlock()
	newest := b.frontier
	victims = map[uint32]bool{}
	var gain int64
	for n, size := range files {
		u := b.s.segments[n]
		switch {
		case n >= newest || size == 0:
		case u.values == 0:
			dead++
		case float64(u.bytes) < cleanBelow*float64(size):
			victims[n] = true
			gain += size - u.bytes
		}
	}
	if gain < b.o.SegmentBytes {
		clear(victims)
	}
	return victims, dead
}

// empty moves everything that lives in the victims.
func (b *Broker) empty(ctx context.Context, victims map[uint32]bool, rate int64) (moved int64, err error) {
	xs := b.living(victims)
	slices.SortFunc(xs, func(x, y relocation) int {
		a, c := x.from, y.from
		return cmp.Or(cmp.Compare(a.segment, c.segment), cmp.Compare(a.frame, c.frame), cmp.Compare(a.offset, c.offset))
	})
	var owed time.Duration
	for len(xs) > 0 {
		n, size := 0, int64(0)
		for n < len(xs) && (n == 0 || size < cleanBatch) {
			size += int64(xs[n].from.size)
			n++
		}
		if err := b.moveAll(xs[:n]); err != nil {
			return moved, err
		}
		xs, moved = xs[n:], moved+size
		if owed += time.Duration(float64(size) / float64(rate) * float64(time.Second)); owed < precision {
			continue
		}
		if err := b.await(ctx, nil, owed); err != nil {
			return moved, nil //nolint:nilerr // the end of ctx, or Close: the rest has time
		}
		owed = 0
	}
	return moved, nil
}

// living lists the values in some segments, a piece of the index under each lock.
func (b *Broker) living(in map[uint32]bool) (out []relocation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := 0
	pause := func(n int) {
		if held += n; held >= pieceEntries {
			held = 0
			b.yield()
		}
	}
	add := func(l loc, x relocation) {
		if l.size > 0 && in[l.segment] {
			x.from = l
			out = append(out, x)
		}
	}
	l := &b.s.lot
	for i := range l.used {
		if x := l.at(i); x.commit != 0 && in[x.segment] {
			w := &whole{slot: i, number: x.number, from: *x}
			out = append(out, relocation{what: movesWhole, whole: w, from: loc{x.segment, x.frame, x.message, x.bytes}})
		}
		pause(1)
	}
	for _, t := range b.s.tenants {
		for _, m := range t.messages {
			add(m.body, relocation{what: movesBody, message: m})
			add(m.decision, relocation{what: movesDecision, message: m})
			for _, d := range m.deliveries {
				add(d.info, relocation{what: movesInfo, delivery: d})
			}
			pause(1)
		}
		for _, l := range t.logs {
			for i, e := range l.events {
				add(e.data, relocation{what: movesEvent, log: l, tenant: t.name, place: l.base + uint64(i) + 1})
			}
			pause(1 + len(l.events))
		}
	}
	return out
}

// moveAll writes some values to the end of the log, in one frame; those that went away meanwhile stay.
func (b *Broker) moveAll(xs []relocation) error {
	b.reading.RLock()
	defer b.reading.RUnlock()
	payloads := make([][]byte, len(xs))
	size := 0
	for i := range xs {
		k := frameKey{xs[i].from.segment, xs[i].from.frame}
		if i > 0 && k == (frameKey{xs[i-1].from.segment, xs[i-1].from.frame}) {
			payloads[i] = payloads[i-1]
		} else {
			var err error
			if payloads[i], err = b.cache.look(k); err != nil {
				return err
			}
		}
		more, err := b.sizeOf(&xs[i], payloads[i])
		if err != nil {
			return err
		}
		size += more
	}
	return b.exclusive(func() error {
		if err := b.usable(); err != nil {
			return err
		}
		return b.commitFrame(size, func() { b.planner.moves(xs, payloads) })
	})
}

// sizeOf bounds what a move takes in its frame.
func (b *Broker) sizeOf(x *relocation, payload []byte) (int, error) {
	if x.what != movesWhole {
		return int(x.from.size) + x.bound(), nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.s.lot.find(x.whole.slot, x.whole.number) == nil { // brought back meanwhile: the next round moves its parts
		return 0, nil
	}
	return x.whole.read(payload, b.s.lot.groups[x.whole.from.group])
}

// moves writes the items of values that are still where they were, and stages them.
func (p *planner) moves(xs []relocation, payloads [][]byte) {
	f, begun := &p.frame, false
	for i := range xs {
		x := &xs[i]
		var value []byte
		if x.what == movesWhole {
			if x.whole.message == nil || p.b.s.lot.find(x.whole.slot, x.whole.number) == nil {
				continue
			}
		} else if l, ok := x.at(); !ok || *l != x.from {
			continue
		} else if v, err := valueIn(payloads[i], x.from); err == nil {
			value = v
		} else {
			continue // what is damaged stays where it is, for who asks for it to see
		}
		if !begun {
			begun = true
			p.aside()
		}
		if x.what != movesWhole {
			x.write(f, value)
			p.b.stager.move(*x)
		} else if x.whole.write(f, payloads[i]) == nil {
			p.b.stager.moveWhole(x.whole)
		}
	}
	if begun {
		f.tag(tagEnd)
	}
}

// aside begins a record of the engine's own, of no tenant and no commit.
func (p *planner) aside() {
	p.frame.fixed(uint64(p.b.s.clock)) //nolint:gosec // read back as int64
	p.frame.uint(p.b.s.commit)
	p.frame.string("")
}
