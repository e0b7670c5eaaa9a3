package localbroker

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// foundDelivery is a delivery whose info is still to be read.
type foundDelivery struct {
	out  driver.Delivery
	info loc
}

// finding is an answer whose values are still to be read.
type finding struct {
	driver.Found
	body, decision loc
	deliveries     []foundDelivery
}

// Find implements driver.Driver.
func (b *Broker) Find(ctx context.Context, q *driver.Query) (*driver.Found, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.reading.RLock()
	defer b.reading.RUnlock()
	f, err := b.lookUp(q)
	if err != nil {
		return nil, err
	}
	if f.Message != nil {
		if f.Message.Body, err = b.cache.read(f.body); err != nil {
			return nil, err
		}
		if f.Message.Decision, err = b.cache.read(f.decision); err != nil {
			return nil, err
		}
	}
	if q.Message != "" && f.Message == nil {
		f.Message, f.Deliveries, err = b.remembered(q.Tenant, q.Message)
		return &f.Found, err
	}
	for i := range f.deliveries {
		info, err := b.cache.read(f.deliveries[i].info)
		if err != nil {
			return nil, err
		}
		f.deliveries[i].out.Info = info
		f.Deliveries = append(f.Deliveries, f.deliveries[i].out)
	}
	return &f.Found, nil
}

// lookUp answers from the index.
func (b *Broker) lookUp(q *driver.Query) (f *finding, err error) {
	f = &finding{}
	now := b.nanos()
	limit := q.Max
	if limit <= 0 {
		limit = 100
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if q.Logs {
		f.Logs, f.Next = b.logNames(q, limit)
		return f, nil
	}
	if q.Tenants {
		for name, t := range b.s.tenants {
			if len(t.groups) > 0 {
				f.Tenants = append(f.Tenants, name)
			}
		}
		slices.Sort(f.Tenants)
		return f, nil
	}
	if q.Expired {
		f.deliveries = b.expired(q.Tenant, limit, now)
		return f, nil
	}
	t := b.s.tenants[q.Tenant]
	if t == nil {
		return f, nil
	}
	switch {
	case q.Message != "":
		m := t.messages[q.Message]
		if m == nil && t.slots > 0 {
			_, m, err = b.s.lookUp(t, q.Message)
		}
		if m != nil && m.shown {
			b.describe(f, m)
			for _, d := range m.deliveries {
				if d.stage != staged {
					f.deliveries = append(f.deliveries, b.describeDelivery(d, now))
				}
			}
		}
	case q.Group != "":
		if g := t.groups[q.Group]; g != nil {
			b.tick(g, now)
			b.touch(g)
			f.deliveries, f.Next, err = b.page(g, q.After, limit, now)
		}
	case q.Counter != "":
		if c := t.counters[q.Counter]; c != nil && !c.over(now) {
			f.Counter = c.shown
		}
	case len(q.Token) > 0:
		number, _, ok := b.tokens.open(q.Token)
		d := b.s.deliveries[number]
		if i, rests := b.s.lot.rested[number]; ok && rests {
			_, d, err = b.s.peek(i)
		}
		if ok && d != nil && d.stage != staged && d.group.tenant == t {
			b.describe(f, d.message)
			f.deliveries = append(f.deliveries, b.describeDelivery(d, now))
		}
	}
	return f, err
}

// expired lists deliveries that outlived their TTL and are not accounted for.
func (b *Broker) expired(tenantName string, limit int, now int64) (page []foundDelivery) {
	for _, t := range b.s.tenants {
		for _, g := range t.groups {
			b.tick(g, now)
			b.touch(g)
		}
	}
	s := b.s
	for s.outlived.len() > 0 && s.outlived.items[s.outlived.head].counted {
		s.outlived.pop()
	}
	for _, d := range s.outlived.items[s.outlived.head:] {
		if len(page) == limit {
			break
		}
		if !d.counted && !d.ending && (tenantName == "" || d.group.tenant.name == tenantName) {
			page = append(page, b.describeDelivery(d, now))
		}
	}
	return page
}

func (b *Broker) describe(f *finding, m *message) {
	f.Message = &driver.Stored{ID: m.id, Hash: m.hash, Time: fromNanos(m.at), Position: position(m.commit)}
	f.body, f.decision = m.body, m.decision
}

func (b *Broker) describeDelivery(d *delivery, now int64) foundDelivery {
	out := driver.Delivery{
		Tenant: d.group.tenant.name, MessageID: d.message.id, Group: d.group.name, Key: d.key, State: d.stateOf(now), Attempt: d.attempt, Leases: max(d.seq, b.epochBase()),
		Member: d.member, Priority: d.priority, Session: d.session, Enqueued: fromNanos(d.at), Settled: fromNanos(d.ended),
		Errors: append([]string(nil), d.errors...),
	}
	if d.stage == delayed {
		out.Due = fromNanos(d.due)
	}
	if d.stage == leased {
		out.Expires = fromNanos(d.expires)
	}
	return foundDelivery{out, d.info}
}

// page lists live deliveries of a group by number, after the one that the cursor names.
func (b *Broker) page(g *group, after []byte, limit int, now int64) (page []foundDelivery, next []byte, err error) {
	var last uint64
	d := g.head
	if len(after) == 8 {
		last = binary.BigEndian.Uint64(after)
		if known := b.s.deliveries[last]; known != nil && known.group == g && known.stage < settled && known.stage != staged {
			d = known.next
		}
	}
	parked := b.s.pageOf(g, last, limit+1)
	for d != nil || len(parked) > 0 {
		if d != nil && d.number <= last {
			d = d.next
			continue
		}
		if len(page) == limit {
			return page, next, nil
		}
		x := d
		if len(parked) > 0 && (d == nil || b.s.lot.at(parked[0]).number < d.number) {
			if _, x, err = b.s.peek(parked[0]); err != nil {
				return nil, nil, err
			}
			parked = parked[1:]
		} else {
			d = d.next
		}
		page = append(page, b.describeDelivery(x, now))
		next = binary.BigEndian.AppendUint64(nil, x.number)
	}
	return page, nil, nil
}

// logName is a log in a heap whose first is the largest: it keeps the smallest.
type logName driver.LogName

func (a logName) compare(o logName) int {
	if c := strings.Compare(a.Tenant, o.Tenant); c != 0 {
		return c
	}
	return strings.Compare(a.Log, o.Log)
}

func (a logName) before(o logName) bool { return a.compare(o) > 0 }
func (logName) moved(int)               {}

// logNames is a page of the logs with a prefix, in order of tenant and name.
func (b *Broker) logNames(q *driver.Query, limit int) (page []driver.LogName, next []byte) {
	after, paging := cursorName(q.After)
	var smallest heap[logName]
	consider := func(t *tenant) {
		for name, l := range t.logs {
			n := logName{t.name, name}
			if l.shown == 0 || !strings.HasPrefix(name, q.Prefix) || paging && n.compare(after) <= 0 {
				continue
			}
			if smallest.len() <= limit {
				smallest.push(n)
			} else if n.compare(smallest.first()) < 0 {
				smallest.items[0] = n
				smallest.fix(0)
			}
		}
	}
	if q.Tenant == "" {
		for _, t := range b.s.tenants {
			consider(t)
		}
	} else if t := b.s.tenants[q.Tenant]; t != nil {
		consider(t)
	}
	more := smallest.len() > limit
	if more {
		smallest.pop()
	}
	page = make([]driver.LogName, smallest.len())
	for i := len(page) - 1; i >= 0; i-- {
		page[i] = driver.LogName(smallest.pop())
	}
	if more {
		last := page[len(page)-1]
		next = appendString(appendString(nil, last.Tenant), last.Log)
	}
	return page, next
}

func cursorName(cursor []byte) (n logName, ok bool) {
	d := decoder{buf: cursor}
	n = logName{d.string(), d.string()}
	return n, len(cursor) > 0 && d.err == nil
}

// Stats implements driver.Driver.
func (b *Broker) Stats(ctx context.Context, tenantName string, names []string) (*driver.Stats, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := b.nanos()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &driver.Stats{Marks: int64(b.s.marksDue.len()) + b.tables.oldMarks, Bytes: b.journal.bytes.Load(), Syncs: b.journal.syncs.Load(), Commits: b.commits}
	t := b.s.tenants[tenantName]
	if t == nil {
		for _, n := range names {
			s.Groups = append(s.Groups, semabus.GroupStats{Group: n})
		}
		return s, nil
	}
	s.Messages = int64(len(t.messages) + t.slots)
	if len(names) == 0 {
		for _, g := range t.groups {
			if g.head != nil || g.settled > 0 {
				s.Groups = append(s.Groups, b.groupStats(g, now))
			}
		}
		return s, nil
	}
	for _, n := range names {
		if g := t.groups[n]; g != nil {
			s.Groups = append(s.Groups, b.groupStats(g, now))
		} else {
			s.Groups = append(s.Groups, semabus.GroupStats{Group: n})
		}
	}
	return s, nil
}

func (b *Broker) groupStats(g *group, now int64) semabus.GroupStats {
	b.tick(g, now)
	b.touch(g)
	out := semabus.GroupStats{Group: g.name, Ready: g.ready, Delayed: g.delayed, Leased: g.leased, Settled: g.settled, Bytes: g.bytes}
	oldest := b.s.oldestParked(g, now)
	for d := g.head; d != nil && g.ready > 0; d = d.next {
		if d.stage == ready {
			if oldest == 0 || d.at < oldest {
				oldest = d.at
			}
			break
		}
	}
	if oldest > 0 {
		out.OldestReady = fromNanos(now).Sub(fromNanos(oldest))
	}
	return out
}
