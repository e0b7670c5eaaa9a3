package localbroker

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

func init() {
	pieceEntries = 2 // so that every test's checkpoint is taken beside its commits
	parkBehind = 3   // so that most of what waits is parked
}

// Checkpoint writes one now.
func Checkpoint(b *Broker) error { return b.checkpoint() }

// DecodeCheckpoint reads a checkpoint into an empty state.
func DecodeCheckpoint(data []byte) error {
	b := &Broker{s: newState()}
	copy(b.journal.logID[:], "0123456789abcdef")
	_, err := b.decodeCheckpoint(data)
	return err
}

// SealCheckpoint puts the head and the checksum around a body.
func SealCheckpoint(body []byte) []byte {
	data := []byte{0x50, 0x43, 0x42, 0x53, checkpointVersion}
	data = append(data, "0123456789abcdef"...)
	data = append(data, body...)
	sum := checksum(0, data)
	return append(data, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
}

// ReplayGroup reads the payload of a group frame into an empty state.
func ReplayGroup(payload []byte) error {
	r := &replayer{stager: &stager{s: newState(), touch: func(*group) {}}}
	r.s.replaying = true
	return r.group(append([]byte{frameGroup}, payload...), 1, 0)
}

// DecodeMeta reads the file META.
func DecodeMeta(data []byte) error {
	_, err := decodeMeta(metaFile, data)
	return err
}

// OpenFrame checks one frame.
func OpenFrame(data []byte) (payload []byte, ok bool) {
	payload, _, _, ok = openFrame(data, frameSeed([16]byte{}, 1))
	return payload, ok
}

// SealFrame makes one of a payload.
func SealFrame(payload []byte) []byte {
	return sealFrame(append(make([]byte, frameHeader), payload...), frameSeed([16]byte{}, 1), 1)
}

// Clean does a round of the cleaner and returns the bytes that it moved.
func Clean(b *Broker) (int64, error) { return b.clean(context.Background(), 1<<40) }

// House does what Run does once a second.
func House(b *Broker) { b.house() }

// Timers is the number of timers of all groups.
func Timers(b *Broker) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.s.tenants {
		for _, g := range t.groups {
			n += g.timers.len()
		}
	}
	return n
}

// Names is the number of tenants and groups that the state knows.
func Names(b *Broker) (tenants, groups int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.s.tenants {
		groups += len(t.groups)
	}
	return len(b.s.tenants), groups
}

// Verify walks the whole state of an engine that works, while no group of commits is under way, and fails the test for
// everything that is not where it belongs or not counted as it should be.
func Verify(t testing.TB, b *Broker) {
	t.Helper()
	_ = b.exclusive(func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		v := &verifier{s: b.s, messages: map[*message]*tenant{}, stored: map[*group]int{}, bytes: map[*group]int64{}, segments: map[uint32]usage{}}
		v.run()
		for _, f := range v.faults {
			t.Errorf("broken invariant: %s", f)
		}
		return nil
	})
}

// verifier counts everything again.
type verifier struct {
	s        *state
	messages map[*message]*tenant // those of t.messages, and those that were replaced and wait in retention
	stored   map[*group]int
	bytes    map[*group]int64
	segments map[uint32]usage
	faults   []string
}

func (v *verifier) faultf(format string, args ...any) {
	if len(v.faults) < 20 {
		v.faults = append(v.faults, fmt.Sprintf(format, args...))
	}
}

func (v *verifier) equal(what string, got, want any) {
	if got != want {
		v.faultf("%s is %v, counted %v", what, got, want)
	}
}

func (v *verifier) run() {
	marks := 0
	for name, t := range v.s.tenants {
		v.equal("name of a tenant", t.name, name)
		for id, m := range t.messages {
			v.equal("id of a message", m.id, id)
			v.messages[m] = t
		}
		for key, m := range t.marks {
			if m.key != key || m.tenant != t || m.place < 0 || m.place >= v.s.marksDue.len() || v.s.marksDue.items[m.place] != m {
				v.faultf("mark %q is not among those that lapse", key)
			}
		}
		marks += len(t.marks)
		for name, l := range t.logs {
			v.equal("shown events of log "+name, l.shown, l.newest())
			for _, e := range l.events {
				v.refer(e.data)
			}
		}
		for key, c := range t.counters {
			v.equal("counter "+key, c.shown, c.value)
			if c.key != key || c.tenant != t || (c.until != 0) != (c.place >= 0) || c.place >= 0 && v.s.fading.items[c.place] != c {
				v.faultf("counter %q is not where it belongs", key)
			}
		}
	}
	v.equal("marks that lapse", v.s.marksDue.len(), marks)
	v.retention(v.parked())
	deliveries := 0
	for m, t := range v.messages {
		v.message(t, m)
		deliveries += len(m.deliveries)
	}
	v.equal("deliveries", len(v.s.deliveries), deliveries)
	for _, t := range v.s.tenants {
		for _, g := range t.groups {
			v.group(t, g)
		}
	}
	v.equal("segments", fmt.Sprint(v.s.segments), fmt.Sprint(v.segments))
}

func (v *verifier) refer(l loc) {
	if l.size > 0 {
		u := v.segments[l.segment]
		v.segments[l.segment] = usage{u.values + 1, u.bytes + int64(l.size)}
	}
}

// retention: every message that rests is there once, and their sizes are what is kept.
func (v *verifier) retention(kept int64) {
	for i, m := range v.s.retained.items {
		if m.rests() && len(v.s.deferred) == 0 && !v.s.walking {
			v.faultf("message %s could rest in a slot", m.id)
		}
		if m.live > 0 || m.place != i {
			v.faultf("message %s is in retention at %d, with %d live deliveries", m.id, m.place, m.live)
		}
		kept += m.size()
		v.messages[m] = m.tenant
	}
	for m := range v.messages {
		if m.live == 0 && m.place < 0 {
			v.faultf("message %s rests and is not in retention", m.id)
		}
	}
	v.equal("bytes kept", v.s.kept, kept)
}

// parked: every slot in use is in its group's heap and found by its hash, and its record is where it says.
func (v *verifier) parked() (kept int64) {
	l := &v.s.lot
	used := 0
	for i := range l.used {
		x := l.at(i)
		if x.commit == 0 {
			continue
		}
		used++
		g := l.groups[x.group]
		v.stored[g]++
		u := v.segments[x.segment]
		v.segments[x.segment] = usage{u.values + int(x.values), u.bytes + int64(x.bytes)}
		if !x.settled {
			v.bytes[g] += int64(x.bytes)
		}
		if x.settled {
			kept += x.keeps()
			if v.s.lot.rested[x.number] != i {
				v.faultf("slot %d is not found by its number", i)
			}
		} else if h := v.heapOf(g, x); int(x.place) >= h.len() || h.items[x.place] != i {
			v.faultf("slot %d is not in the heap of %s", i, g.name)
		}
		m, d, err := v.s.peek(i)
		if err != nil {
			v.faultf("slot %d: %v", i, err)
			continue
		}
		if v.s.deliveries[d.number] != nil || g.tenant.messages[m.id] != nil || x.hash != l.hash(g.tenant, m.id) {
			v.faultf("parked message %s is known otherwise, or by another hash", m.id)
		}
		found := false
		for at := l.index[x.hash]; at != 0; at = l.at(at - 1).chain {
			found = found || at == i+1
		}
		if !found {
			v.faultf("parked message %s is not found by its hash", m.id)
		}
	}
	v.equal("parked", l.count, used)
	v.equal("slots in use or free", used+len(l.free), int(l.used))
	for _, t := range v.s.tenants {
		for _, g := range t.groups {
			for _, h := range [...]*parkedHeap{&g.parked, &g.later} {
				for at, i := range h.items {
					if p := (at - 1) / 2; at > 0 && h.before(l, i, h.items[p]) {
						v.faultf("group %s: slot %d stands before its parent", g.name, i)
					}
				}
			}
		}
	}
	return kept
}

func (v *verifier) heapOf(g *group, x *slot) *parkedHeap {
	if x.delayed {
		return &g.later
	}
	return &g.parked
}

func (v *verifier) message(t *tenant, m *message) {
	v.refer(m.body)
	v.refer(m.decision)
	if !m.shown || m.deciding || m.staged != (loc{}) {
		v.faultf("message %s is still under way", m.id)
	}
	live := 0
	for _, d := range m.deliveries {
		v.refer(d.info)
		v.stored[d.group]++
		if d.stage < settled {
			v.bytes[d.group] += d.bytes()
		}
		if v.s.deliveries[d.number] != d || d.message != m {
			v.faultf("delivery %d of message %s is not known by its number", d.number, m.id)
		}
		if d.group.tenant != t || t.groups[d.group.name] != d.group {
			v.faultf("delivery %d is of an unknown group %s", d.number, d.group.name)
		}
		if d.stage == staged || d.ending || d.leaving {
			v.faultf("delivery %d is still under way", d.number)
		}
		if d.stage < settled || d.stage == expired && !d.counted {
			live++
		}
	}
	v.equal("live deliveries of message "+m.id, m.live, live)
}

// group: each live delivery is in exactly one place, and that is the one of its stage.
func (v *verifier) group(t *tenant, g *group) {
	v.equal("deliveries stored of group "+g.name, g.stored, v.stored[g])
	v.equal("bytes of group "+g.name, g.bytes, v.bytes[g])
	queued := v.queue(g)
	var count [expired + 1]int64
	var prev *delivery
	timers := 0
	for d := g.head; d != nil; prev, d = d, d.next {
		if d.prev != prev || prev != nil && prev.number >= d.number {
			v.faultf("group %s: delivery %d is out of order", g.name, d.number)
		}
		if d.stage == staged || d.stage >= settled {
			v.faultf("group %s: delivery %d of stage %d is linked", g.name, d.number, d.stage)
			continue
		}
		count[d.stage]++
		if m, ok := v.messages[d.message]; !ok || m != t {
			v.faultf("group %s: delivery %d has no message", g.name, d.number)
		}
		if want := d.stage == ready; queued[d] != want {
			v.faultf("group %s: delivery %d of stage %d is queued: %v", g.name, d.number, d.stage, queued[d])
		}
		if d.stage == leased && !d.held || d.stage == ready && d.held {
			v.faultf("group %s: delivery %d of stage %d is held: %v", g.name, d.number, d.stage, d.held)
		}
		timers += v.timer(g, d)
	}
	if g.tail != prev {
		v.faultf("group %s: the last delivery is not the last", g.name)
	}
	v.equal("ready of group "+g.name, g.ready, count[ready]+int64(g.parked.len()))
	v.equal("delayed of group "+g.name, g.delayed, count[delayed]+int64(g.later.len()))
	v.equal("leased of group "+g.name, g.leased, count[leased])
	v.equal("queued of group "+g.name, int64(len(queued)), count[ready])
	v.equal("timers of group "+g.name, g.timers.len(), timers)
}

// timer checks the one that a live delivery has, or has not, and counts it.
func (v *verifier) timer(g *group, d *delivery) int {
	var want int64
	switch {
	case d.stage == leased:
		want = d.expires
	case d.stage == delayed && d.perishable():
		want = min(d.due, d.ttl)
	case d.stage == delayed:
		want = d.due
	case d.perishable():
		want = d.ttl
	default:
		if d.timer >= 0 {
			v.faultf("group %s: delivery %d has a timer and nothing to wait for", g.name, d.number)
		}
		return 0
	}
	if d.timer < 0 || d.timer >= g.timers.len() || g.timers.items[d.timer].delivery != d || d.wakes != want {
		v.faultf("group %s: delivery %d of stage %d has no timer at %d", g.name, d.number, d.stage, want)
	}
	return 1
}

// queue lists what a group's queue holds and checks its shape.
func (v *verifier) queue(g *group) map[*delivery]bool {
	q := &g.queue
	queued := map[*delivery]bool{}
	for i, d := range q.plain.items {
		queued[d] = true
		if q.ordered || d.place != i {
			v.faultf("group %s: delivery %d is not at its place", g.name, d.number)
		}
	}
	if !q.ordered {
		return queued
	}
	lanes := map[*lane]int{} // held
	for d := g.head; d != nil; d = d.next {
		if d.stage != ready && !d.held {
			continue
		}
		l := d.lane
		if l == nil || l.session != d.session || d.session != "" && q.lanes[d.session] != l {
			v.faultf("group %s: delivery %d is in no lane of its session", g.name, d.number)
			continue
		}
		if _, known := lanes[l]; !known {
			lanes[l] = 0
		}
		if d.held {
			lanes[l]++
		}
	}
	eligible, sessions := 0, 0
	for l, held := range lanes {
		v.equal("held of session "+l.session, l.held, held)
		if l.session != "" {
			sessions++
		}
		var waiting [10]int32
		for i, d := range l.due.items {
			queued[d.delivery] = true
			waiting[min(d.priority, 9)]++
			if d.place != i || d.lane != l {
				v.faultf("group %s: delivery %d is not at its place in its lane", g.name, d.number)
			}
		}
		v.equal("waiting of session "+l.session, l.waiting, waiting)
		may := held == 0 && l.due.len() > 0
		if may {
			eligible++
		}
		if in := l.place >= 0 && l.place < q.eligible.len() && q.eligible.items[l.place] == l; in != may {
			v.faultf("group %s: session %q is eligible: %v", g.name, l.session, in)
		}
	}
	v.equal("eligible sessions of group "+g.name, q.eligible.len(), eligible)
	v.equal("sessions of group "+g.name, len(q.lanes), sessions)
	return queued
}

// DumpState lists all that a restart must bring back, in a fixed order: everything but leases, whose deliveries are ready again.
func DumpState(b *Broker) []string {
	b.house()
	if err := b.writeLapses(); err != nil {
		panic(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	add("clock %d commit %d segments %v marks %d", b.s.clock, b.s.commit, b.s.segments, b.s.marksDue.len())
	describe := func(m *message) {
		idle := m.idle
		if m.live > 0 {
			idle = 0
		}
		add("message %s %d at %d commit %d %v %v live %d idle %d", m.id, m.hash, m.at, m.commit, m.body, m.decision, m.live, idle)
		for _, d := range m.deliveries {
			st, held, due := d.stage, d.held, d.due
			if st == leased {
				st, held = ready, false
			}
			if st != delayed {
				due = 0
			}
			add("delivery %d of %s for %s key %q session %q priority %d stage %d held %v order %d due %d ttl %d at %d ended %d attempt %d %v %q counted %v",
				d.number, m.id, d.group.name, d.key, d.session, d.priority, st, held, d.order, due, d.ttl, d.at, d.ended, d.attempt, d.info, d.errors, d.counted)
		}
	}
	for i := range b.s.lot.used {
		if b.s.lot.at(i).commit != 0 {
			m, _, err := b.s.peek(i)
			if err != nil {
				panic(err)
			}
			describe(m)
		}
	}
	for _, t := range b.s.tenants {
		for _, m := range t.messages {
			describe(m)
		}
		for _, g := range t.groups {
			add("group %s ready %d delayed %d", g.name, g.ready+g.leased, g.delayed)
		}
		for _, l := range t.logs {
			add("log %s %d %v", l.name, l.base, l.events)
		}
		for _, m := range t.marks {
			add("mark %s %d until %d %q", m.key, m.hash, m.until, m.value)
		}
		for id, p := range t.producers {
			add("producer %s %d used %d", id, p.seq, p.used)
		}
		for key, c := range t.counters {
			add("counter %s %d until %d", key, c.value, c.until)
		}
	}
	slices.Sort(out)
	return out
}

// Parked is the number of messages that wait in compact form.
func Parked(b *Broker) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.s.lot.count
}

// Marks is the number of marks in memory.
func Marks(b *Broker) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.s.marksDue.len()
}

// Tidy does the background work of the tables.
func Tidy(b *Broker) error { return b.tidyTables(context.Background()) }

// Waiters is the number of lease calls that wait.
func Waiters(b *Broker) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.s.tenants {
		for _, g := range t.groups {
			n += len(g.waiters)
		}
	}
	return n
}
