package broker

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// Record is a retained message with its decision and its deliveries.
type Record struct {
	Message    *semabus.Message
	Decision   *semabus.Decision // nil = not decided yet
	Deliveries []driver.Delivery // live and settled; of Browse: the one in the queue
	Time       time.Time         // of the commit that stored the message
	Position   semabus.Position
	Gone       bool // the message is forgotten but for its id; the ledger knows the rest
}

// Read returns events of one log after a position, oldest first, waiting up to Wait for the first. Max 0 means 100.
func (b *Broker) Read(ctx context.Context, r driver.ReadRequest) ([]driver.Event, error) {
	if r.Max == 0 {
		r.Max = 100
	}
	var f faults
	f.id("tenant", r.Tenant, true)
	f.id("log", r.Log, true)
	if r.Max < 0 || r.Wait < 0 {
		f.add(semabus.ReasonInvalidValue, "max, wait", "0 or more", "", "give positive numbers")
	}
	if err := f.err("broker.Read"); err != nil {
		return nil, err
	}
	return b.d.Read(ctx, &r)
}

// Logs lists all logs of a tenant whose names begin with prefix, or of all tenants when tenant is "": start-up only.
func (b *Broker) Logs(ctx context.Context, tenant, prefix string) ([]driver.LogName, error) {
	var f faults
	f.id("tenant", tenant, false)
	f.id("prefix", prefix, false)
	if err := f.err("broker.Logs"); err != nil {
		return nil, err
	}
	var out []driver.LogName
	q := &driver.Query{Tenant: tenant, Logs: true, Prefix: prefix, Max: 1000}
	for {
		found, err := b.d.Find(ctx, q)
		if err != nil {
			return nil, err
		}
		out = append(out, found.Logs...)
		if len(found.Next) == 0 {
			return out, nil
		}
		q.After = found.Next
	}
}

// Message returns a retained message with its decision and deliveries; of one that is forgotten, what the ledger knows, where
// the engine keeps one; or NOT_FOUND.
func (b *Broker) Message(ctx context.Context, tenant, id string) (*Record, error) {
	var f faults
	f.id("tenant", tenant, true)
	f.id("message_id", id, true)
	if err := f.err("broker.Message"); err != nil {
		return nil, err
	}
	found, err := b.d.Find(ctx, &driver.Query{Tenant: tenant, Message: id})
	if err != nil {
		return nil, err
	}
	if found.Message == nil {
		return nil, &semabus.Error{
			Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Op: "broker.Message", Field: "message_id",
			Value: semabus.Shorten(id), Fix: "check the id; settled messages are kept for a limited time only",
		}
	}
	return record(found)
}

// Browse returns a page of the deliveries that wait or are leased in a group, each with its message, without leasing any.
// next is the cursor of the following page, empty after the last. limit 0 means 100.
func (b *Broker) Browse(ctx context.Context, tenant, group string, after []byte, limit int) (page []Record, next []byte, err error) {
	var f faults
	f.id("tenant", tenant, true)
	f.id("group", group, true)
	if limit < 0 {
		f.add(semabus.ReasonInvalidValue, "max", "0 or more", "", "give a positive number")
	}
	if err := f.err("broker.Browse"); err != nil {
		return nil, nil, err
	}
	found, err := b.d.Find(ctx, &driver.Query{Tenant: tenant, Group: group, After: after, Max: limit})
	if err != nil {
		return nil, nil, err
	}
	for i := range found.Deliveries {
		m, err := b.d.Find(ctx, &driver.Query{Tenant: tenant, Message: found.Deliveries[i].MessageID})
		if err != nil {
			return nil, nil, err
		}
		if m.Message == nil || m.Message.Gone { // settled and forgotten since the page was read
			continue
		}
		m.Deliveries = found.Deliveries[i : i+1]
		r, err := record(m)
		if err != nil {
			return nil, nil, err
		}
		page = append(page, *r)
	}
	return page, found.Next, nil
}

// Counter is the value of a counter; 0 when it was never touched.
func (b *Broker) Counter(ctx context.Context, tenant, key string) (int64, error) {
	var f faults
	f.id("tenant", tenant, true)
	f.id("counter", key, true)
	if err := f.err("broker.Counter"); err != nil {
		return 0, err
	}
	found, err := b.d.Find(ctx, &driver.Query{Tenant: tenant, Counter: key})
	if err != nil {
		return 0, err
	}
	return found.Counter, nil
}

// maxCounted bounds the dead letters that one Stats counts by group; the numbers stop there.
const maxCounted = 100_000

// Stats returns the depth of the named groups, or of all groups of the tenant, with the dead letters of each, and the
// engine's gauges. Counting dead letters reads them: see [Broker.Depth] for the hot path.
func (b *Broker) Stats(ctx context.Context, tenant string, groups []string) (*driver.Stats, error) {
	var f faults
	f.id("tenant", tenant, true)
	for _, g := range groups {
		f.id("groups", g, true)
	}
	if err := f.err("broker.Stats"); err != nil {
		return nil, err
	}
	st, err := b.d.Stats(ctx, tenant, groups)
	if err != nil || len(groups) == 1 && groups[0] == semabus.GroupUnmatched {
		return st, err
	}
	dead, err := b.deadLetters(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for i := range st.Groups {
		g := &st.Groups[i]
		g.DeadLetters = dead[g.Group]
		delete(dead, g.Group)
	}
	if len(groups) == 0 { // a group may have nothing left but its dead letters
		for name, n := range dead {
			st.Groups = append(st.Groups, semabus.GroupStats{Group: name, DeadLetters: n})
		}
	}
	return st, nil
}

// deadLetters counts what waits in the dead-letter queue by the group that gave up.
func (b *Broker) deadLetters(ctx context.Context, tenant string) (map[string]int64, error) {
	counts := map[string]int64{}
	q := &driver.Query{Tenant: tenant, Group: semabus.GroupDeadLetter, Max: 1000}
	for total := 0; total < maxCounted; {
		found, err := b.d.Find(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range found.Deliveries {
			if dl, err := DecodeDeadLetter(found.Deliveries[i].Info); err == nil && dl.Group != "" {
				counts[dl.Group]++
			}
		}
		total += len(found.Deliveries)
		if q.After = found.Next; len(q.After) == 0 {
			break
		}
	}
	return counts, nil
}

// Depth is the number of deliveries of a group that wait or are worked on.
func (b *Broker) Depth(ctx context.Context, tenant, group string) (int64, error) {
	st, err := b.d.Stats(ctx, tenant, []string{group})
	if err != nil {
		return 0, err
	}
	var n int64
	for _, g := range st.Groups {
		if g.Group == group {
			n += g.Ready + g.Delayed + g.Leased
		}
	}
	return n, nil
}

// record decodes a found message.
func record(f *driver.Found) (r *Record, err error) {
	r = &Record{Deliveries: f.Deliveries, Time: f.Message.Time, Position: f.Message.Position, Gone: f.Message.Gone}
	if r.Gone {
		r.Message = &semabus.Message{ID: f.Message.ID}
	} else if r.Message, err = DecodeMessage(f.Message.Body); err != nil {
		return nil, err
	}
	if len(f.Message.Decision) > 0 {
		if r.Decision, err = DecodeDecision(f.Message.Decision); err != nil {
			return nil, err
		}
	}
	return r, nil
}
