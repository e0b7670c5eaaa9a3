package localbroker

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

// What is asked for rarely and long after is kept in tables on disk (package aged), beside the log: the marks that are older
// than the newest checkpoint, and the ledger, which knows what became of messages that are forgotten. Entries of both are in
// memory, or follow from the log, until a checkpoint has made them durable.
const (
	marksPrefix  = "marks-"
	ledgerPrefix = "ledger-"

	ledgerCache   = 8 << 20
	ledgerPending = 8 << 20 // bytes of entries in memory from which they are flushed without a checkpoint
	ledgerDrain   = 4096    // entries taken under one lock
)

// tables are those of one engine.
type tables struct {
	marks, ledger *aged.Table
	oldMarks      int64 // in marks, about; under Broker.mu
	newest        int64 // wall clock that the tables have seen; under Broker.mu: it does not go back
}

// openTables opens both. The id of their hashes is the folder's own.
func (b *Broker) openTables(id [16]byte) error {
	open := func(prefix string, cacheBytes, maxBytes int64) (*aged.Table, error) {
		t, err := aged.Open(aged.Options{
			FS: aged.Adapt(b.o.FS), Dir: b.o.Dir, Prefix: prefix, ID: id, CacheBytes: cacheBytes, MaxBytes: maxBytes, Logger: b.o.Logger,
		})
		return t, errTable(err)
	}
	var err error
	if b.tables.marks, err = open(marksPrefix, b.o.MarkCacheBytes, 0); err != nil {
		return err
	}
	if b.tables.ledger, err = open(ledgerPrefix, ledgerCache, b.o.LedgerBytes); err != nil {
		return errors.Join(err, b.tables.marks.Close())
	}
	return nil
}

func (b *Broker) closeTables() error {
	return errors.Join(b.tables.marks.Close(), b.tables.ledger.Close())
}

// errTable is what a fault of a table means for the engine.
func errTable(err error) error {
	var d *aged.DamageError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &d):
		return errDamaged(d.File, d.Offset, d.What)
	case errors.Is(err, aged.ErrForeign):
		return errForeign(marksPrefix+", "+ledgerPrefix, "", "they belong to another log or another version of semabus: restore the whole folder")
	case errors.Is(err, aged.ErrClosed):
		return errClosed()
	}
	return errEngine(err)
}

// tableNow is the wall clock for the tables, which must not see it go back. Broker.mu is held.
func (b *Broker) tableNow() int64 {
	b.tables.newest = max(b.tables.newest, b.nanos())
	return b.tables.newest
}

// oldMark looks for a mark among those that are not in memory any more; nil when it is not known, or over.
func (b *Broker) oldMark(t *tenant, key string) (*mark, error) {
	value, until, ok, err := b.tables.marks.Get(nameKey(t.name, key), b.tableNow())
	if err != nil || !ok {
		return nil, errTable(err)
	}
	d := decoder{buf: value}
	m := &mark{tenant: t, key: key, hash: d.fixed64(), until: until}
	m.value = value[d.off:]
	return m, nil
}

// nameKey is the key of something of a tenant.
func nameKey(tenant, name string) []byte {
	return appendString(appendString(make([]byte, 0, len(tenant)+len(name)+4), tenant), name)
}

// flushTables makes durable what is about to leave the log's keeping: marks, which are returned, and what the ledger is told.
func (b *Broker) flushTables(marks []*mark) error {
	var buf []byte
	for _, m := range marks {
		buf = binary.LittleEndian.AppendUint64(buf[:0], m.hash)
		b.tables.marks.Put(nameKey(m.tenant.name, m.key), append(buf, m.value...), m.until)
	}
	if err := b.tables.marks.Flush(); err != nil {
		return errTable(err)
	}
	if err := b.drainLedger(); err != nil {
		return err
	}
	return errTable(b.tables.ledger.Flush())
}

// dropMarks takes marks out of memory that are in the table by now.
func (b *Broker) dropMarks(marks []*mark) {
	count := b.tables.marks.Count(b.nanos())
	for piece := range slices.Chunk(marks, 512) {
		b.mu.Lock()
		for _, m := range piece {
			if m.place >= 0 {
				b.s.marksDue.remove(m.place)
			}
			if m.tenant.marks[m.key] == m {
				delete(m.tenant.marks, m.key)
			}
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	b.tables.oldMarks = count
	b.mu.Unlock()
}

// told is what the ledger is to be told of a message that came to rest.
type told struct {
	key      []byte
	head     []byte // all but the decision
	decision loc
	until    int64
}

// tell notes what became of a message, for the ledger. The values are taken now: the message may live on.
func (s *state) tell(m *message) {
	if s.loading || s.ledgerFor == 0 {
		return
	}
	x := told{key: nameKey(m.tenant.name, m.id), decision: m.decision}
	b := binary.AppendVarint(make([]byte, 0, 96), m.at)
	b = binary.AppendUvarint(b, m.commit)
	b = binary.LittleEndian.AppendUint64(b, m.hash)
	b = binary.AppendUvarint(b, uint64(len(m.deliveries)))
	rested := m.at
	for _, d := range m.deliveries {
		b = appendString(appendString(b, d.group.name), d.key)
		b = append(b, byte(d.stage))
		b = binary.AppendUvarint(b, uint64(max(d.attempt, 0))) //nolint:gosec // not negative
		b = binary.AppendVarint(b, d.ended-m.at)
		last := ""
		if n := len(d.errors); n > 0 {
			last = semabus.Shorten(d.errors[n-1])
		}
		b = appendString(b, last)
		rested = max(rested, d.ended)
	}
	x.head, x.until = b, after(rested, s.ledgerFor)
	s.told = append(s.told, x)
}

// drainLedger moves what the ledger is to be told into its table.
func (b *Broker) drainLedger() error {
	for {
		b.reading.RLock()
		b.mu.Lock()
		n := min(len(b.s.told), ledgerDrain)
		piece := append([]told(nil), b.s.told[:n]...)
		if b.s.told = b.s.told[n:]; len(b.s.told) == 0 {
			b.s.told = nil
		}
		b.mu.Unlock()
		err := b.putLedger(piece)
		b.reading.RUnlock()
		if err != nil || n < ledgerDrain {
			return err
		}
	}
}

// putLedger reads the decisions, whose neighbours are mostly in the same frame, and puts the entries.
func (b *Broker) putLedger(piece []told) error {
	var last frameKey
	var payload []byte
	for _, x := range piece {
		entry := x.head
		if x.decision.size > 0 {
			if k := (frameKey{x.decision.segment, x.decision.frame}); payload == nil || k != last {
				var err error
				if payload, err = b.cache.look(k); err != nil {
					return err
				}
				last = k
			}
			decision, err := valueIn(payload, x.decision)
			if err != nil {
				return err
			}
			entry = append(entry, decision...)
		}
		b.tables.ledger.Put(x.key, entry, x.until)
	}
	return nil
}

// remembered answers for a message that is forgotten, as far as the ledger knows; the message is nil where it does not.
func (b *Broker) remembered(t string, id string) (*driver.Stored, []driver.Delivery, error) {
	b.mu.Lock()
	now := b.tableNow()
	b.mu.Unlock()
	value, _, ok, err := b.tables.ledger.Get(nameKey(t, id), now)
	if err != nil || !ok {
		return nil, nil, errTable(err)
	}
	return decodeRemembered(t, id, value)
}

func decodeRemembered(t, id string, value []byte) (*driver.Stored, []driver.Delivery, error) {
	r := decoder{buf: value}
	at := r.int()
	m := &driver.Stored{ID: id, Time: fromNanos(at), Position: position(r.uint()), Hash: r.fixed64(), Gone: true}
	var ds []driver.Delivery
	for range r.count() {
		d := driver.Delivery{Tenant: t, MessageID: id, Group: r.string(), Key: r.string(), Enqueued: fromNanos(at)}
		if d.State = driver.StateSettled; stage(r.byte()) == expired {
			d.State = driver.StateExpired
		}
		d.Attempt = int(r.uint()) //nolint:gosec // written from an int
		d.Settled = fromNanos(at + r.int())
		if e := r.string(); e != "" {
			d.Errors = []string{e}
		}
		ds = append(ds, d)
	}
	if r.err != nil {
		return nil, nil, errDamaged(ledgerPrefix, 0, "an entry is cut off")
	}
	m.Decision = clone(value[r.off:])
	return m, ds, nil
}

// tidyTables does the tables' background work.
func (b *Broker) tidyTables(ctx context.Context) error {
	if err := b.drainLedger(); err != nil {
		return err
	}
	b.mu.Lock()
	now := b.tableNow()
	b.mu.Unlock()
	if _, bytes := b.tables.ledger.Pending(); bytes > ledgerPending {
		if err := b.tables.ledger.Flush(); err != nil {
			return errTable(err)
		}
	}
	for _, t := range [...]*aged.Table{b.tables.marks, b.tables.ledger} {
		if _, err := t.Expire(now); err != nil {
			return errTable(err)
		}
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = t.Compact(ctx, now); err != nil && ctx.Err() == nil {
				return errTable(err)
			}
		}
	}
	count := b.tables.marks.Count(now)
	b.mu.Lock()
	b.tables.oldMarks = count
	b.mu.Unlock()
	return nil
}

// defaultLedger is how long the ledger remembers a message after its last delivery ended.
const defaultLedger = 7 * 24 * time.Hour
