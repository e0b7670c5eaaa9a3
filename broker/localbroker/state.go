package localbroker

import (
	"encoding/binary"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// state is the index of everything that lives, in memory. Big values stay in the log and are reached by their loc.
type state struct {
	tenants    map[string]*tenant
	deliveries map[uint64]*delivery // of retained messages, by number
	segments   map[uint32]usage     // of each segment that something refers to
	marksDue   heap[*mark]          // all marks, by their end
	retained   heap[*message]       // those without live deliveries, by when that became so
	kept       int64                // bytes of retained
	fading     heap[*counter]       // counters with an end
	outlived   fifo[*delivery]      // expired ones, until a drop accounts for them
	lot        lot                  // deliveries that wait in compact form, and their messages
	rested     fifo[resting]        // slots of what is settled, the oldest first
	replaying  bool                 // nothing is put into slots
	walking    bool                 // a checkpoint ranges over the messages
	deferred   []*message           // to be put into slots after it
	told       []told               // for the ledger
	ledgerFor  time.Duration        // how long that remembers; 0 = there is none
	loading    bool                 // a checkpoint is read: the ledger knows
	lapses     []lapse              // leases that ran out and that the log does not know of

	clock  int64  // time of the newest commit, ns
	commit uint64 // number of the newest commit
	number uint64 // of the newest delivery
}

func newState() *state {
	return &state{tenants: map[string]*tenant{}, deliveries: map[uint64]*delivery{}, segments: map[uint32]usage{}}
}

// tenant is everything of one tenant.
type tenant struct {
	name      string
	messages  map[string]*message
	groups    map[string]*group
	logs      map[string]*eventLog
	marks     map[string]*mark
	producers map[string]*producer
	counters  map[string]*counter
	slots     int // messages in slots
}

// tenant finds or makes one.
func (s *state) tenant(name string) *tenant {
	t := s.tenants[name]
	if t == nil {
		t = &tenant{
			name: name, messages: map[string]*message{}, groups: map[string]*group{}, logs: map[string]*eventLog{},
			marks: map[string]*mark{}, producers: map[string]*producer{}, counters: map[string]*counter{},
		}
		s.tenants[name] = t
	}
	return t
}

// loc is where a value lies in the log: in the payload of one frame. The zero loc is an empty value.
type loc struct {
	segment uint32
	frame   uint32 // offset of the frame in its segment, in units of frameAlign
	offset  uint32 // in the payload
	size    uint32 // bytes
}

// message is a retained message.
type message struct {
	tenant     *tenant
	id         string
	hash       uint64
	at         int64 // commit time, ns
	commit     uint64
	body       loc
	decision   loc
	staged     loc // decision that becomes true with the group under way
	deliveries []*delivery
	live       int    // deliveries that are neither settled nor expired
	idle       int64  // when live became 0, ns
	place      int    // among the retained; −1 = it lives
	shown      bool   // durable: readers may see it
	deciding   bool   // staged is part of the group under way
	item       uint32 // offset of its record's item, while nothing of it has changed; 0 = something has
	gone       bool   // forgotten: nothing refers to it any more
}

func (m *message) before(o *message) bool { return m.idle < o.idle }
func (m *message) moved(place int)        { m.place = place }

// indexBytes is what the index of one message with one delivery takes in memory, about.
const indexBytes = 512

// size is what keeping the message costs, in bytes: its values on disk and its index in memory.
func (m *message) size() int64 { return indexBytes + int64(m.body.size) + int64(m.decision.size) }

// find returns the live delivery for a group and key, or nil.
func (m *message) find(g *group, key string, now int64) *delivery {
	for _, d := range m.deliveries {
		if d.group == g && d.key == key && d.alive() && !d.outlived(now) {
			return d
		}
	}
	return nil
}

// stage is where a delivery stands in the engine.
type stage uint8

const (
	staged  stage = iota // part of the group under way
	ready                // in the group's queue
	delayed              // in the group's timers
	leased
	settled
	expired // its TTL ran out before the first lease
)

// delivery is one message for one group.
type delivery struct {
	message *message
	group   *group
	number  uint64
	key     string
	session string
	member  string // of the newest lease
	info    loc
	errors  []string // newest maxErrors
	order   int64    // place in the queue: commit time or deliver-at, ns
	due     int64    // when delayed
	ttl     int64    // end of the time for the first lease, ns; 0 = none
	expires int64    // of the lease, ns
	at      int64    // when it was enqueued, ns
	ended   int64    // when it was settled or expired, ns
	seq     uint64   // newest grant of this life, or the one that settled it; 0 = none
	item    uint32   // offset of its record's item
	frame   frameKey // of its record
	version uint64   // commit that changed it last: a replay skips what is older

	prev, next *delivery // live deliveries of the group, by number
	lane       *lane     // of an ordered queue
	place      int       // in the heap that holds it
	wakes      int64     // when its timer goes off, ns
	timer      int       // place among the group's timers; −1 = none
	attempt    int
	stage      stage
	priority   uint8
	held       bool // was leased and not settled since: it keeps its session's place
	begun      bool // was leased or returned at least once: its TTL has no more to say
	counted    bool // expired, and a drop accounted for it
	ending     bool // a settlement is part of the group under way
	leaving    bool // … and it is final
	dropped    bool // … without its lease, which is no settlement
}

// bytes is what the delivery and its message hold in the log.
func (d *delivery) bytes() int64 {
	return int64(d.message.body.size) + int64(d.message.decision.size) + int64(d.info.size)
}

// alive says that the delivery still waits or is worked on, after what is under way.
func (d *delivery) alive() bool { return d.stage < settled && !d.leaving }

// perishable says that the TTL still counts: it ends with the first lease.
func (d *delivery) perishable() bool { return d.ttl != 0 && !d.begun }

// outlived says that the TTL ran out before the first lease.
func (d *delivery) outlived(now int64) bool { return d.perishable() && now >= d.ttl }

// rank is what decides the place of a delivery in its queue.
type rank struct {
	priority uint8
	order    int64
	number   uint64
}

// rankBefore orders a queue: priority, then age; or, with ageing, age with what the priority adds to it.
func rankBefore(ageing int64, a, b rank) bool {
	x, y := a.order, b.order
	if ageing > 0 {
		x, y = x-ageing*int64(a.priority), y-ageing*int64(b.priority)
	} else if a.priority != b.priority {
		return a.priority > b.priority
	}
	if x != y {
		return x < y
	}
	return a.number < b.number
}

func (d *delivery) rank() rank { return rank{d.priority, d.order, d.number} }

func (d *delivery) before(o *delivery) bool { return rankBefore(d.group.ageing, d.rank(), o.rank()) }

func (d *delivery) older(o *delivery) bool {
	if d.order != o.order {
		return d.order < o.order
	}
	return d.number < o.number
}

func (d *delivery) moved(place int) { d.place = place }

// maxErrors bounds delivery.errors.
const maxErrors = 16

// fail keeps why an attempt ended, the newest maxErrors of them.
func (d *delivery) fail(cause string) {
	if cause == "" {
		return
	}
	if len(d.errors) == maxErrors {
		d.errors = append([]string(nil), d.errors[1:]...)
	}
	d.errors = append(d.errors, cause)
}

// eventLog is one log: its events in order, those up to shown visible.
type eventLog struct {
	name    string
	base    uint64 // events that were forgotten
	events  []logged
	shown   uint64        // position of the newest visible event
	version uint64        // commit that changed it last and is visible: a replay skips what is older
	waiting int           // readers that wait
	changed chan struct{} // closed by the next event; nil when nobody waits
}

// newest is the position of the newest event, shown or not.
func (l *eventLog) newest() uint64 { return l.base + uint64(len(l.events)) }

type logged struct {
	at   int64
	data loc
}

// position of the n-th event, from 1; 0 stands before the first.
func position(n uint64) semabus.Position {
	if n == 0 {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, n)
}

// placeOf reads a position back; ok is false for one this engine never gave.
func placeOf(p semabus.Position) (n uint64, ok bool) {
	switch len(p) {
	case 0:
		return 0, true
	case 8:
		return binary.BigEndian.Uint64(p), true
	}
	return 0, false
}

// mark is one idempotence key.
type mark struct {
	tenant *tenant
	key    string
	hash   uint64
	until  int64
	value  []byte
	place  int
}

func (m *mark) before(o *mark) bool { return m.until < o.until }
func (m *mark) moved(place int)     { m.place = place }

// producer is one publisher's high-water mark.
type producer struct {
	seq  uint64
	used int64 // time of its newest commit, ns
}

// idle says that the mark is given up: the producer takes a new id, or numbers anew.
func (p *producer) idle(now int64) bool { return now-p.used > int64(idleProducer) }

// counter is one counter: what commits see, and what readers see.
type counter struct {
	tenant       *tenant
	key          string
	value, shown int64
	until        int64 // when it is forgotten, ns; 0 = never
	place        int   // among those with an end; −1 = it has none
}

func (c *counter) before(o *counter) bool { return c.until < o.until }
func (c *counter) moved(place int)        { c.place = place }

// over says that the counter is 0 again.
func (c *counter) over(now int64) bool { return c.until != 0 && c.until <= now }

// fifo is a queue on a slice.
type fifo[T any] struct {
	items []T
	head  int
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }
func (f *fifo[T]) push(x T) { f.items = append(f.items, x) }

func (f *fifo[T]) pop() T {
	var none T
	x := f.items[f.head]
	f.items[f.head] = none
	switch f.head++; {
	case f.head == len(f.items):
		f.items, f.head = f.items[:0], 0
	case f.head > 64 && f.head > len(f.items)/2:
		f.items = append([]T(nil), f.items[f.head:]...)
		f.head = 0
	}
	return x
}

// usage is what lives in one segment.
type usage struct {
	values int
	bytes  int64
}

// refer counts one more (or one less) value in the segment of l.
func (s *state) refer(l loc, n int) {
	if l.size == 0 {
		return
	}
	s.use(l.segment, n, int64(n)*int64(l.size))
}

// use counts values and their bytes in a segment.
func (s *state) use(segment uint32, values int, bytes int64) {
	u := s.segments[segment]
	u.values += values
	u.bytes += bytes
	if u.values == 0 {
		delete(s.segments, segment)
		return
	}
	s.segments[segment] = u
}

// rest puts a message without live deliveries into retention: since the end of its last delivery, which a replay finds alike.
func (s *state) rest(m *message) {
	s.tell(m)
	if !s.compact(m) {
		s.retain(m)
	}
}

// retain is rest for a message that no slot can hold.
func (s *state) retain(m *message) {
	m.idle = m.at
	for _, d := range m.deliveries {
		m.idle = max(m.idle, d.ended)
	}
	s.retained.push(m)
	s.kept += m.size()
}

// revive takes a message out of retention, if it is there: it has a live delivery again, or it is forgotten.
func (s *state) revive(m *message) {
	if m.place >= 0 {
		s.retained.remove(m.place)
		s.kept -= m.size()
	}
}

// forget drops retained messages beyond the bounds, at most limit of them. One whose new decision is under way stays, and with
// it those behind it: the next call finds them.
func (s *state) forget(oldest, maxBytes int64, limit int) {
	s.forgetRested(oldest, maxBytes, limit)
	for ; limit > 0 && s.retained.len() > 0; limit-- {
		m := s.retained.first()
		if m.deciding || m.idle > oldest && s.kept <= maxBytes {
			return
		}
		s.revive(m)
		m.gone = true
		if m.tenant.messages[m.id] == m {
			delete(m.tenant.messages, m.id)
		}
		s.refer(m.body, -1)
		s.refer(m.decision, -1)
		for _, d := range m.deliveries {
			s.refer(d.info, -1)
			d.group.stored--
			delete(s.deliveries, d.number)
		}
	}
}

// lapse drops marks and counters whose end has come, at most limit of each.
func (s *state) lapse(now int64, limit int) {
	for n := limit; n > 0 && s.fading.len() > 0 && s.fading.first().over(now); n-- {
		c := s.fading.pop()
		if c.tenant.counters[c.key] == c {
			delete(c.tenant.counters, c.key)
		}
	}
	for ; limit > 0 && s.marksDue.len() > 0 && s.marksDue.first().until <= now; limit-- {
		m := s.marksDue.pop()
		if m.tenant.marks[m.key] == m {
			delete(m.tenant.marks, m.key)
		}
	}
}

// empty says that the tenant holds nothing: its name can be forgotten.
func (t *tenant) empty() bool {
	return len(t.messages)+len(t.groups)+len(t.logs)+len(t.marks)+len(t.producers)+len(t.counters) == 0
}

// stateOf is what readers are told about a delivery.
func (d *delivery) stateOf(now int64) driver.State {
	switch d.stage {
	case leased:
		if now < d.expires {
			return driver.StateLeased
		}
		return driver.StateReady
	case settled:
		return driver.StateSettled
	case expired:
		return driver.StateExpired
	case delayed:
		if d.due > now {
			return driver.StateDelayed
		}
	}
	if d.outlived(now) {
		return driver.StateExpired
	}
	return driver.StateReady
}
