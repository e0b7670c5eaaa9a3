package broker

import (
	"context"
	"fmt"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// Prefixes of the marks of a tenant: op ids and dedup keys do not meet.
const (
	opMark    = "op/"
	dedupMark = "dedup/"
)

// batchOverhead is the room, in bytes, that an engine may need beside the parts it was given.
const batchOverhead = 1 << 10

// prepare validates a commit and translates it for the engine.
func (b *Broker) prepare(ctx context.Context, c *Commit) (prepared, error) {
	if err := b.check(c); err != nil {
		return prepared{}, err
	}
	d := &driver.Batch{
		Tenant: c.Tenant, Producer: c.Producer, Conditions: c.Conditions, Drops: c.Drops, Appends: c.Appends,
		Trims: c.Trims, Counters: c.Counters, Value: c.Value,
	}
	b.mark(d, opMark, c.OpID, c.OpHash, c.OpWindow)
	b.mark(d, dedupMark, c.DedupKey, c.DedupHash, 0)
	for i := range c.Ops {
		b.mark(d, opMark, c.Ops[i].ID, c.Ops[i].Hash, c.OpWindow)
	}
	p := prepared{batch: d, dead: make([]string, len(c.Settles))}
	if err := b.addEntries(d, c.Entries); err != nil {
		return p, err
	}
	for i := range c.Settles {
		dead, err := b.addSettle(ctx, d, &c.Settles[i])
		if err != nil {
			return p, err
		}
		p.dead[i] = dead
	}
	p.size = batchBytes(d)
	if limit := b.caps.MaxBatchBytes; limit > 0 && p.size > limit {
		return p, &semabus.Error{
			Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonTooLarge, Op: "broker.Commit", Field: "messages",
			Limit: fmt.Sprintf("%d bytes", limit), Value: fmt.Sprintf("%d bytes", p.size),
			Fix: "split the commit, or store large payloads as blobs",
		}
	}
	return p, nil
}

func (b *Broker) mark(d *driver.Batch, prefix, key string, hash uint64, window time.Duration) {
	if key == "" {
		return
	}
	if window == 0 {
		window = b.o.DedupWindow
	}
	d.Marks = append(d.Marks, driver.Mark{Key: prefix + key, Hash: hash, Until: b.o.Clock.Now().Add(window)})
}

// addEntries encodes messages, decisions and deliveries.
func (b *Broker) addEntries(d *driver.Batch, entries []Entry) error {
	if len(entries) > 0 {
		n := 0
		for i := range entries {
			n += len(entries[i].Groups)
		}
		d.Deliveries = make([]driver.Enqueue, 0, n)
	}
	for i := range entries {
		e := &entries[i]
		var decision []byte
		if e.Decision != nil {
			decision = EncodeDecision(e.Decision)
		}
		if e.Retained {
			if decision != nil {
				d.Decisions = append(d.Decisions, driver.Decision{MessageID: e.Message.ID, Decision: decision})
			}
		} else {
			body := EncodeMessage(e.Message)
			if len(body) > b.o.MaxMessageBytes {
				return tooLarge(fmt.Sprintf("messages[%d]", i), len(body), b.o.MaxMessageBytes, "shorten it, or store the payload as a blob")
			}
			d.Messages = append(d.Messages, driver.Message{
				ID: e.Message.ID, Body: body, Decision: decision, Hash: e.hash(),
			})
		}
		for j := range e.Groups {
			d.Deliveries = append(d.Deliveries, enqueue(e, &e.Groups[j]))
		}
	}
	return nil
}

// enqueue is the delivery of one entry for one group.
func enqueue(e *Entry, t *Target) driver.Enqueue {
	m := e.Message
	q := driver.Enqueue{
		MessageID: m.ID, Group: t.Group, Priority: uint8(m.Priority), Session: m.Session, DeliverAt: m.DeliverAt, TTL: m.TTL,
	}
	switch t.Group { // waiting for a decision or an operator is not delivery: its times do not apply
	case semabus.GroupIngress:
		q.DeliverAt, q.TTL = zeroTime, 0
	case semabus.GroupUnmatched, semabus.GroupHeld:
		q.DeliverAt = zeroTime
	case semabus.GroupPrepared, semabus.GroupOperations:
		q.Key, q.DeliverAt, q.TTL, q.Session = t.Key, t.Due, 0, ""
	}
	if t.Group != semabus.GroupDeadLetter {
		q.Info = EncodeMatch(&t.Match)
		return q
	}
	reason := t.Dead
	switch {
	case reason != "":
	case e.Decision != nil && e.Decision.Outcome == semabus.OutcomeLoop:
		reason = semabus.ReasonLoop
	default:
		reason = t.Match.Reason.String()
	}
	q.Key, q.DeliverAt, q.TTL, q.Session = t.Match.Group, zeroTime, 0, ""
	q.Info = EncodeDeadLetter(&DeadLetter{Group: t.Match.Group, Reason: reason, Match: t.Match})
	return q
}

// batchBytes estimates the encoded size of a batch from above.
func batchBytes(d *driver.Batch) int {
	const part = 64 // bytes of a part beside its texts
	n := batchOverhead + len(d.Tenant) + len(d.Value)
	for i := range d.Marks {
		n += part + len(d.Marks[i].Key)
	}
	for i := range d.Conditions {
		n += part + len(d.Conditions[i].Log) + len(d.Conditions[i].Counter)
	}
	for i := range d.Settles {
		n += part + len(d.Settles[i].Token) + len(d.Settles[i].Error)
	}
	for i := range d.Messages {
		n += part + len(d.Messages[i].ID) + len(d.Messages[i].Body) + len(d.Messages[i].Decision)
	}
	for i := range d.Decisions {
		n += part + len(d.Decisions[i].MessageID) + len(d.Decisions[i].Decision)
	}
	for i := range d.Drops {
		n += part + len(d.Drops[i].MessageID) + len(d.Drops[i].Group) + len(d.Drops[i].Key)
	}
	for i := range d.Trims {
		n += part + len(d.Trims[i].Log)
	}
	n += enqueueBytes(d.Deliveries)
	for i := range d.Appends {
		n += part + len(d.Appends[i].Log) + len(d.Appends[i].Data)
	}
	for i := range d.Counters {
		n += part + len(d.Counters[i].Key) + enqueueBytes(d.Counters[i].Then)
	}
	return n
}

func enqueueBytes(qs []driver.Enqueue) int {
	n := 0
	for i := range qs {
		n += 96 + len(qs[i].MessageID) + len(qs[i].Group) + len(qs[i].Session) + len(qs[i].Info) + len(qs[i].Key)
	}
	return n
}
