package localbroker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/semabus/semabus/broker/driver"
)

const (
	metaFile = "META"
	lockFile = "LOCK"

	// checkpointShare is how much log is written for each byte of a checkpoint: a large index is not written all the time.
	checkpointShare = 2

	precision    = time.Millisecond
	houseTime    = time.Second        // between two rounds of Run
	houseBatch   = 4096               // retained messages and marks dropped at once
	idleProducer = 7 * 24 * time.Hour // a producer's mark is forgotten then
)

// Broker is the embedded engine over one folder. It is safe for concurrent use.
type Broker struct {
	o      Options
	lock   io.Closer
	tokens tokens
	cache  *cache

	requests  sync.Pool // of *request that are done
	committer committer
	// The leader's own, one leader at a time.
	group   []*request
	planner planner
	journal journal

	minFree atomic.Uint64 // bytes, see Options.MinFreeBytes
	free    atomic.Uint64 // bytes, as of the last look
	closing chan struct{} // closed by Close

	checkpointSize atomic.Int64 // of the newest checkpoint, bytes

	checkpoints sync.Mutex   // held while one is written, and by Close; taken before all others
	reading     sync.RWMutex // read-held by whoever has taken a loc out of the state, until it is read; taken before mu

	mu     sync.Mutex // guards everything below; cache.mu is not taken under it
	tables tables

	s        *state
	frontier uint32 // segment that is written to
	stager   stager
	commits  int64
	epoch    uint64
	closed   bool
	broken   error // why the engine stopped writing

	wasRelaxed bool   // of the life before, while recovering
	looseUntil uint64 // frame up to which a replay meets a checkpoint that was taken meanwhile
}

// Open opens the folder of an engine, or makes one, and replays what it holds. Errors: INVALID_ARGUMENT for a bad option,
// FAILED_PRECONDITION with DATA_IN_USE or DATA_FOREIGN, DATA_LOSS with DATA_DAMAGED naming file and offset, UNAVAILABLE where
// the disk fails. Nothing is changed in a folder that is refused.
func Open(o Options) (b *Broker, err error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, errEngine(err)
	}
	lock, err := o.FS.Lock(filepath.Join(o.Dir, lockFile))
	if err != nil {
		if errors.Is(err, ErrLocked) {
			return nil, errInUse(o.Dir, err)
		}
		return nil, errEngine(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	m, err := openMeta(&o)
	if err != nil {
		return nil, err
	}
	b = newBroker(o, m, lock)
	if err := b.look(); err != nil {
		return nil, err
	}
	if err := b.openTables(m.logID); err != nil {
		return nil, err
	}
	if err := b.recover(); err != nil {
		return nil, errors.Join(append([]error{err, b.closeTables()}, b.cache.closeAll()...)...)
	}
	b.tables.oldMarks = b.tables.marks.Count(b.nanos())
	b.s.replayed(b.nanos())
	b.stager.touch = b.touch
	for _, t := range b.s.tenants {
		for _, g := range t.groups {
			g.settled = 0 // what the replay counted was another life's work
		}
	}
	b.house()
	return b, nil
}

// newBroker is an engine that holds nothing yet.
func newBroker(o Options, m *meta, lock io.Closer) *Broker {
	b := &Broker{o: o, lock: lock, tokens: newTokens(m.tokenKey), cache: newCache(m.logID, o.CacheBytes), s: newState(), closing: make(chan struct{})}
	b.planner.b = b
	b.s.lot.load, b.s.lot.hash, b.s.replaying = b.cache.keep, b.tokens.hash, true
	b.stager = stager{s: b.s, touch: func(*group) {}} // nobody waits while the log is replayed
	b.journal = journal{fs: o.FS, dir: o.Dir, logID: m.logID, ahead: minAhead, full: o.SegmentBytes, opened: b.opened}
	b.s.ledgerFor = o.LedgerFor
	return b
}

// opened hears of the segment that the log goes on in.
func (b *Broker) opened(segment uint32, f File) {
	b.cache.open(segment, f)
	b.mu.Lock()
	b.frontier = segment
	b.mu.Unlock()
}

// openMeta reads the identity of the folder, or gives it one.
func openMeta(o *Options) (*meta, error) {
	name := filepath.Join(o.Dir, metaFile)
	data, err := readWhole(o.FS, name)
	if err != nil {
		return nil, errEngine(err)
	}
	if data != nil {
		m, err := decodeMeta(metaFile, data)
		if err == nil && m.cluster != o.ClusterID {
			err = errForeign("cluster_id", m.cluster, "open the folder with its own cluster id, or name another folder")
		}
		return m, err
	}
	names, err := o.FS.ReadDir(o.Dir)
	if err != nil {
		return nil, errEngine(err)
	}
	for _, n := range names {
		if _, ok := segmentNumber(n); ok || n == checkpointFile {
			return nil, errDamaged(metaFile, 0, "the file is missing and the folder holds "+n)
		}
	}
	m := &meta{cluster: o.ClusterID}
	_, _ = rand.Read(m.logID[:])    // never fails
	_, _ = rand.Read(m.tokenKey[:]) // never fails
	write := func(f File) error {
		_, err := f.WriteAt(m.encode(), 0)
		return err
	}
	if err := replaceFile(o.FS, o.Dir, metaFile, write); err != nil {
		return nil, errEngine(err)
	}
	return m, nil
}

// look asks the file system how much room is left.
func (b *Broker) look() error {
	free, total, err := b.o.FS.Space(b.o.Dir)
	if err != nil {
		return errEngine(fmt.Errorf("ask for free space: %w", err))
	}
	b.free.Store(free)
	b.minFree.CompareAndSwap(0, max(1, orTenth(b.o.MinFreeBytes, total)))
	return nil
}

// orTenth is a wanted bound, or a tenth of the disk and at most 1 GiB where none is.
func orTenth(wanted, total uint64) uint64 {
	if wanted > 0 {
		return wanted
	}
	return min(total/10, 1<<30)
}

// Caps implements driver.Driver.
func (b *Broker) Caps() driver.Caps {
	return driver.Caps{
		Engine: "local", Durable: !b.o.Relaxed, Conditions: true, Counters: true, SessionOrder: true, PriorityAcrossSessions: true,
		DeliverAt: true, Precision: precision, MaxBatchBytes: maxBatchBytes,
	}
}

// Run implements driver.Driver: once a second it drops what is past its retention, lets timers of groups that nobody asks
// about happen, and writes a checkpoint where one is due.
func (b *Broker) Run(ctx context.Context) error {
	for {
		if err := b.await(ctx, nil, houseTime); err != nil {
			return nil //nolint:nilerr // the end of ctx, or Close: both are the end of Run
		}
		if err := b.look(); err != nil {
			b.o.Logger.Warn("cannot see how much disk is left", "error", err)
		}
		b.house()
		if err := b.writeLapses(); err != nil {
			b.o.Logger.Warn("attempts of leases that ran out are not written down yet", "error", err)
		}
		b.tidy(ctx)
	}
}

// tidy writes a checkpoint where one is due, and cleans.
func (b *Broker) tidy(ctx context.Context) {
	b.mu.Lock()
	over := b.closed || b.broken != nil
	b.mu.Unlock()
	if over {
		return
	}
	if b.journalWritten() >= max(b.o.CheckpointBytes, checkpointShare*b.checkpointSize.Load()) {
		if err := b.checkpoint(); err != nil {
			b.o.Logger.Error("no checkpoint could be written", "error", err)
			return
		}
	}
	if err := b.tidyTables(ctx); err != nil {
		b.o.Logger.Error("old marks and the ledger wait for the disk", "error", err)
	}
	if moved, err := b.clean(ctx, b.o.CleanBytes); err != nil {
		b.o.Logger.Error("dead values keep their disk: the cleaner could not go on", "moved", moved, "error", err)
	}
}

// journalWritten is how much a replay would have to read.
func (b *Broker) journalWritten() (n int64) {
	_ = b.exclusive(func() error { n = b.journal.written; return nil })
	return n
}

// house does what time demands, a bounded part of it under each lock.
func (b *Broker) house() {
	now := b.nanos()
	b.mu.Lock()
	for _, t := range b.s.tenants {
		for _, g := range t.groups {
			b.tick(g, now)
			b.touch(g)
		}
	}
	b.mu.Unlock()
	for more := true; more; {
		b.mu.Lock()
		before := b.s.retained.len() + b.s.marksDue.len()
		b.s.forget(now-int64(b.o.KeepSettled), b.o.KeepSettledBytes, houseBatch)
		b.s.lapse(now, houseBatch)
		more = before-b.s.retained.len()-b.s.marksDue.len() >= houseBatch
		b.mu.Unlock()
	}
	b.dropNames(now)
}

// dropNames forgets producers that were idle for too long, and groups and tenants that hold nothing.
func (b *Broker) dropNames(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for tenantName, t := range b.s.tenants {
		for name, g := range t.groups {
			if g.stored == 0 && len(g.waiters) == 0 {
				delete(t.groups, name)
			}
		}
		for id, p := range t.producers {
			if p.idle(now) {
				delete(t.producers, id)
			}
		}
		if t.empty() {
			delete(b.s.tenants, tenantName)
		}
	}
}

// Close ends every waiting call, lets the group under way finish, marks the log as cleanly closed and gives the folder back.
func (b *Broker) Close() error {
	b.checkpoints.Lock()
	defer b.checkpoints.Unlock()
	b.mu.Lock()
	closed, broken := b.closed, b.broken != nil
	b.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	if !broken {
		errs = append(errs, b.writeLapses())
		if b.journalWritten() > b.o.CheckpointBytes/8 {
			errs = append(errs, b.writeCheckpoint())
		}
		errs = append(errs, b.exclusive(func() error { return b.mark(append(make([]byte, frameHeader, frameHeader+8), frameClose)) }))
	}
	b.mu.Lock()
	b.closed = true
	close(b.closing)
	for _, t := range b.s.tenants {
		for _, g := range t.groups {
			if g.stopAlarm != nil {
				g.stopAlarm()
			}
		}
	}
	b.mu.Unlock()
	_ = b.exclusive(func() error {
		b.reading.Lock()
		defer b.reading.Unlock()
		errs = append(append(errs, b.closeTables()), b.cache.closeAll()...)
		return nil
	})
	return errors.Join(append(errs, b.lock.Close())...)
}
