package localbroker

import (
	"context"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/semabus/semabus/broker/driver"
)

// maxGroupBytes bounds the batches that one write takes together; a single larger batch goes alone.
const maxGroupBytes = 8 << 20

// maxGroupBatches bounds how long a group is planned under the lock, and with it how long the next one waits.
const maxGroupBatches = 2048

// request is one call of Commit on its way, or work that must have the log for itself.
type request struct {
	batches []*driver.Batch
	alone   func() error // instead of batches
	urgent  bool         // it settles: see committer
	size    int
	results []driver.Result
	err     error
	wake    chan bool // true = lead the next group, false = done
}

// committer lets one of its callers at a time lead: plan, write and reveal a group of those that wait. Settlements go first:
// each of them ends work that is done already and makes room for more, and under a flood of publishes they would otherwise
// wait for all of it.
type committer struct {
	mu      sync.Mutex
	urgent  fifo[*request]
	waiting fifo[*request]
	leading bool
}

// next is who leads next, and leaves its queue.
func (c *committer) next() *request {
	switch {
	case c.urgent.len() > 0:
		return c.urgent.pop()
	case c.waiting.len() > 0:
		return c.waiting.pop()
	}
	return nil
}

// fill adds to a group what waits, as far as it fits, settlements first. Work that must be alone leads its own group.
func (c *committer) fill(group []*request) ([]*request, int) {
	size, n := group[0].size, len(group[0].batches)
	for _, q := range [...]*fifo[*request]{&c.urgent, &c.waiting} {
		for q.len() > 0 {
			r := q.items[q.head]
			if r.alone != nil || size+r.size > maxGroupBytes || n+len(r.batches) > maxGroupBatches {
				break
			}
			size, n = size+r.size, n+len(r.batches)
			group = append(group, q.pop())
		}
	}
	return group, size
}

// newRequest makes one, or takes one that is done.
func (b *Broker) newRequest() *request {
	if r, ok := b.requests.Get().(*request); ok {
		return r
	}
	return &request{wake: make(chan bool, 1)}
}

// Commit implements driver.Driver.
func (b *Broker) Commit(ctx context.Context, batches []*driver.Batch) ([]driver.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(batches) == 0 {
		return nil, nil
	}
	var results []driver.Result
	for len(batches) > 0 {
		n, size := share(batches)
		r := b.newRequest()
		r.batches, r.size, r.urgent = batches[:n], size, len(batches[0].Settles) > 0
		b.enter(r)
		some, err := r.results, r.err
		*r = request{wake: r.wake}
		b.requests.Put(r)
		if results == nil {
			results = some
		} else {
			results = append(results, some...)
		}
		if err != nil {
			return results, err
		}
		batches = batches[n:]
	}
	return results, nil
}

// share is how many of the batches go into one frame, and their size. What is too large is refused later and takes no room.
func share(batches []*driver.Batch) (n, size int) {
	for _, b := range batches {
		more := batchBytes(b)
		if more > maxBatchBytes {
			more = 0
		}
		if n > 0 && (size+more > maxGroupBytes || n == maxGroupBatches) {
			break
		}
		n, size = n+1, size+more
	}
	return n, size
}

// exclusive runs f while no group is under way; everything committed before is durable, or durable as promised.
func (b *Broker) exclusive(f func() error) error {
	r := b.newRequest()
	r.alone = f
	b.enter(r)
	return r.err
}

// enter queues a request and returns when it is done; the caller may have led groups meanwhile.
func (b *Broker) enter(r *request) {
	c := &b.committer
	c.mu.Lock()
	lead := !c.leading
	c.leading = true
	switch {
	case lead:
	case r.urgent:
		c.urgent.push(r)
	default:
		c.waiting.push(r)
	}
	c.mu.Unlock()
	if lead {
		runtime.Gosched() // whoever is about to commit joins the group: one sync serves them all
	} else if !<-r.wake {
		return
	}
	b.lead(r)
}

// lead does one group, own first, and hands the lead on.
func (b *Broker) lead(own *request) {
	c := &b.committer
	b.group = append(b.group[:0], own)
	if own.alone != nil {
		own.err = own.alone()
	} else {
		c.mu.Lock()
		var size int
		b.group, size = c.fill(b.group)
		c.mu.Unlock()
		b.commitGroup(b.group, size)
	}
	for _, r := range b.group[1:] {
		r.wake <- false
	}
	clear(b.group)
	c.mu.Lock()
	next := c.next()
	c.leading = next != nil
	c.mu.Unlock()
	if next != nil {
		next.wake <- true
	}
}

// commitGroup plans, writes and reveals one group. An error of the engine concerns all of it.
func (b *Broker) commitGroup(group []*request, size int) {
	fail := func(err error) {
		for _, r := range group {
			r.results, r.err = nil, err
		}
	}
	if err := b.usable(); err != nil {
		fail(err)
		return
	}
	lapses := b.lapseRoom()
	err := b.commitFrame(size+lapses, func() {
		b.s.lapse(b.planner.now, 64)
		b.planner.lapses(lapses / lapseBytes)
		b.planGroup(group)
	})
	if err != nil {
		fail(err)
	}
}

// commitFrame writes and reveals what plan puts into one frame of at most size bytes. An error before anything was written
// leaves the engine as it was: the next frame may find room.
func (b *Broker) commitFrame(size int, plan func()) error {
	if err := b.reserve(size + frameHeader + frameAlign); err != nil {
		return err
	}
	p := &b.planner
	b.mu.Lock()
	p.now = b.nanos()
	p.frame.begin(b.journal.segment, b.journal.offset, size)
	b.stager.frame = frameKey{p.frame.segment, p.frame.frame}
	plan()
	b.mu.Unlock()
	frame := p.frame
	if frame.empty() {
		return nil
	}
	if err := b.journal.append(frame.buf, !b.o.Relaxed); err != nil {
		b.fault(err)
		return errEngine(err)
	}
	b.cache.put(frameKey{frame.segment, frame.frame}, append([]byte(nil), frame.buf[frameHeader:]...))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stager.reveal(b.nanos())
	b.s.forget(b.nanos()-int64(b.o.KeepSettled), b.o.KeepSettledBytes, 64)
	return nil
}

// planGroup checks every batch of the group and fills the frame with what passed.
func (b *Broker) planGroup(group []*request) {
	for _, r := range group {
		r.results = make([]driver.Result, len(r.batches))
		for i := range r.batches {
			r.results[i] = b.planner.batch(r.batches[i])
			if r.results[i].Applied {
				b.commits++
			}
		}
	}
}

// reserve makes room for a frame. A sync that failed meanwhile ends all writing.
func (b *Broker) reserve(size int) error {
	err := b.journal.reserve(size)
	if err == nil {
		return nil
	}
	if b.journal.lost {
		b.fault(err)
	}
	return errEngine(err)
}

// usable says whether the engine may write.
func (b *Broker) usable() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return errClosed()
	case b.broken != nil:
		return errEngine(b.broken)
	}
	return nil
}

// fault stops all writing for good: what the disk holds after a failed write is not known.
func (b *Broker) fault(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken == nil {
		b.broken = err
		b.o.Logger.Error("the log cannot be written any more; reading goes on", "dir", b.o.Dir, "error", err)
		for _, t := range b.s.tenants {
			for _, g := range t.groups {
				g.rouse() // who waits for work hears that none will come
			}
		}
	}
}

// nanos is the wall clock.
func (b *Broker) nanos() int64 { return b.o.Clock.Now().UnixNano() }

// nanosOf is a moment in nanoseconds, or the nearest one that an int64 can hold.
func nanosOf(t time.Time) int64 {
	switch s := t.Unix(); {
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	case s <= math.MinInt64/int64(time.Second):
		return math.MinInt64
	}
	return t.UnixNano()
}

// after is the moment d ≥ 0 after another, or the last one that an int64 can hold.
func after(ns int64, d time.Duration) int64 {
	if ns > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return ns + int64(d)
}

func fromNanos(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// roomFor refuses new messages while the disk is nearly full.
func (b *Broker) roomFor() error {
	if free, need := b.free.Load(), b.minFree.Load(); free < need {
		return errLowDisk(free, need)
	}
	return nil
}

// holder is the delivery that a token settles, if it is the newest of a running lease.
func (b *Broker) holder(t *tenant, token []byte, now int64) *delivery {
	number, seq, ok := b.tokens.open(token)
	if !ok {
		return nil
	}
	d := b.s.deliveries[number]
	if d == nil || d.ending || d.group.tenant != t {
		return nil
	}
	if acceptStale && d.stage < settled && d.stage != staged {
		if d.stage != leased {
			d.group.take(d)
		}
		return d
	}
	if d.stage != leased || d.seq != seq || now >= d.expires {
		return nil
	}
	return d
}

// refusal says why a token settles nothing.
func (b *Broker) refusal(t *tenant, token []byte) error {
	number, seq, ok := b.tokens.open(token)
	if i, rests := b.s.lot.rested[number]; ok && rests {
		if x := b.s.lot.at(i); x.seq == seq && b.s.lot.groups[x.group].tenant == t {
			return errSettled()
		}
	}
	if d := b.s.deliveries[number]; ok && d != nil && d.group.tenant == t && d.seq == seq && !d.dropped && (d.stage == settled || d.leaving) {
		return errSettled()
	}
	return errStale()
}

var _ driver.Driver = (*Broker)(nil)

// grantSeq is the sequence of a delivery's next grant: the epoch of this life above a counter of its own, which 32 bits hold
// for as long as a process lives.
func (b *Broker) grantSeq(d *delivery) uint64 { return max(d.seq, b.epochBase()) + 1 }

func (b *Broker) epochBase() uint64 { return b.epoch << 32 }
