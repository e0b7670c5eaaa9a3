package localbroker

import (
	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// maxBatchBytes bounds one batch: the largest configurable message and what comes with it.
const maxBatchBytes = 80 << 20

// planner checks the batches of the group under way, each on the state that those before it leave, and writes and stages
// what passed. It works under Broker.mu.
type planner struct {
	b     *Broker
	frame frameBuilder
	now   int64 // wall clock of the group, ns

	settles []*delivery         // of the batch being checked
	drops   []*delivery         // of the batch being checked, nil where one is left out
	ids     map[string]struct{} // of its messages, where they are many
}

// manyMessages is where looking an id up in a map becomes cheaper than reading the list.
const manyMessages = 16

// batch applies one batch to the group, or answers why not.
func (p *planner) batch(b *driver.Batch) driver.Result {
	if n := batchBytes(b); n > maxBatchBytes {
		return driver.Result{Failed: errTooLarge("batch", maxBatchBytes, n)}
	}
	t := p.b.s.tenant(b.Tenant)
	if r, known := p.known(t, b); known {
		return r
	}
	if err := p.check(t, b); err != nil {
		return driver.Result{Failed: err}
	}
	return p.apply(t, b)
}

// known looks for a mark or a producer sequence that was seen before.
func (p *planner) known(t *tenant, b *driver.Batch) (driver.Result, bool) {
	for i := range b.Marks {
		m := t.marks[b.Marks[i].Key]
		if m == nil {
			var err error
			if m, err = p.b.oldMark(t, b.Marks[i].Key); err != nil {
				return driver.Result{Failed: err}, true
			}
		}
		if m == nil || m.until <= p.now {
			continue
		}
		if m.hash != b.Marks[i].Hash {
			return driver.Result{Conflict: true, Value: clone(m.value)}, true
		}
		return driver.Result{Duplicate: true, Value: clone(m.value)}, true
	}
	if b.Producer != nil {
		if known := t.producers[b.Producer.ID]; known != nil && b.Producer.Seq <= known.seq && !known.idle(p.now) {
			return driver.Result{Duplicate: true}, true
		}
	}
	return driver.Result{}, false
}

// check is every condition of a batch. It changes nothing.
func (p *planner) check(t *tenant, b *driver.Batch) error {
	if len(b.Marks) > 0 && p.b.s.marksDue.len()+int(p.b.tables.oldMarks)+len(b.Marks) > p.b.o.DedupMax {
		return errDedupFull(p.b.o.DedupMax)
	}
	if len(b.Messages) > 0 && len(b.Settles) == 0 {
		if err := p.b.roomFor(); err != nil {
			return err
		}
	}
	for i := range b.Conditions {
		if err := p.condition(t, &b.Conditions[i]); err != nil {
			return err
		}
	}
	p.settles = p.settles[:0]
	for i := range b.Settles {
		d := p.b.holder(t, b.Settles[i].Token, p.now)
		if d == nil || contains(p.settles, d) {
			return p.b.refusal(t, b.Settles[i].Token)
		}
		p.settles = append(p.settles, d)
	}
	if err := p.checkDrops(t, b); err != nil {
		return err
	}
	if err := p.checkMessages(t, b); err != nil {
		return err
	}
	for i := range b.Decisions {
		if err := p.exists(t, b, b.Decisions[i].MessageID, "decision.message_id"); err != nil {
			return err
		}
	}
	for i := range b.Deliveries {
		if err := p.exists(t, b, b.Deliveries[i].MessageID, "delivery.message_id"); err != nil {
			return err
		}
	}
	return p.checkCounters(t, b)
}

// checkDrops finds the deliveries that are to end without a lease.
func (p *planner) checkDrops(t *tenant, b *driver.Batch) error {
	p.drops = p.drops[:0]
	for i := range b.Drops {
		x := &b.Drops[i]
		d, err := p.droppable(t, x)
		if err != nil {
			return err
		}
		if d != nil && (contains(p.drops, d) || contains(p.settles, d)) {
			d = nil
		}
		if d == nil && !x.Optional {
			return errNotFound("drop.message_id", x.MessageID)
		}
		p.drops = append(p.drops, d)
	}
	return nil
}

// droppable is the delivery that a drop means, if it is as the drop demands.
func (p *planner) droppable(t *tenant, x *driver.Drop) (*delivery, error) {
	m, err := p.b.s.message(t, x.MessageID)
	if m == nil {
		return nil, err
	}
	for _, d := range m.deliveries {
		if d.group.name != x.Group || d.key != x.Key || d.leaving || d.counted {
			continue
		}
		over := d.stage == expired || d.stage < settled && d.outlived(p.now)
		switch {
		case x.Expired:
			if over {
				return d, nil
			}
		case over, d.stage == settled, x.Waiting && d.stage == leased && p.now < d.expires:
		default:
			return d, nil
		}
	}
	return nil, nil
}

// checkMessages refuses ids that are known, from before or from the batch itself.
func (p *planner) checkMessages(t *tenant, b *driver.Batch) error {
	clear(p.ids)
	many := len(b.Messages) > manyMessages
	if many && p.ids == nil {
		p.ids = map[string]struct{}{}
	}
	for i := range b.Messages {
		id := b.Messages[i].ID
		if m, err := p.b.s.message(t, id); err != nil {
			return err
		} else if m != nil {
			return errExists(id)
		}
		if !many {
			if listed(b.Messages[:i], id) {
				return errExists(id)
			}
			continue
		}
		if _, twice := p.ids[id]; twice {
			return errExists(id)
		}
		p.ids[id] = struct{}{}
	}
	return nil
}

// checkCounters checks the messages of the deliveries that the batch's counters set free.
func (p *planner) checkCounters(t *tenant, b *driver.Batch) error {
	for i := range b.Counters {
		c := &b.Counters[i]
		if c.Reach == 0 || len(c.Then) == 0 {
			continue
		}
		var before int64
		if known := t.counters[c.Key]; known != nil && !known.over(p.now) {
			before = known.value
		}
		for j := range b.Counters[:i] {
			if b.Counters[j].Key == c.Key {
				before += b.Counters[j].Add
			}
		}
		if !reaches(before, c) {
			continue
		}
		for j := range c.Then {
			if err := p.exists(t, b, c.Then[j].MessageID, "counter.then.message_id"); err != nil {
				return err
			}
		}
	}
	return nil
}

func reaches(before int64, c *driver.Counter) bool {
	return c.Reach != 0 && before < c.Reach && before+c.Add >= c.Reach
}

func (p *planner) exists(t *tenant, b *driver.Batch, id, field string) error {
	if m, err := p.b.s.message(t, id); m != nil || err != nil {
		return err
	}
	if _, own := p.ids[id]; own || len(b.Messages) <= manyMessages && listed(b.Messages, id) {
		return nil
	}
	return errNotFound(field, id)
}

func listed(ms []driver.Message, id string) bool {
	for i := range ms {
		if ms[i].ID == id {
			return true
		}
	}
	return false
}

func contains(ds []*delivery, d *delivery) bool {
	for _, x := range ds {
		if x == d {
			return true
		}
	}
	return false
}

func (p *planner) condition(t *tenant, c *driver.Condition) error {
	if c.Counter != "" {
		var value int64
		if k := t.counters[c.Counter]; k != nil && !k.over(p.now) {
			value = k.value
		}
		if value > c.AtMost {
			return errCounter(c.Counter, value, c.AtMost)
		}
		return nil
	}
	var newest uint64
	if l := t.logs[c.Log]; l != nil {
		newest = l.newest()
	}
	if want, ok := placeOf(c.Position); !ok || want != newest {
		return errPosition(c.Log)
	}
	return nil
}

// apply writes the record of a batch that passed its checks, and stages it.
func (p *planner) apply(t *tenant, b *driver.Batch) driver.Result {
	s, f := &p.b.stager, &p.frame
	at, commit := p.b.s.time(p.now)
	f.fixed(uint64(at)) //nolint:gosec // read back as int64
	f.uint(commit)
	f.string(t.name)
	p.applyKeys(t, b, at)
	for i, d := range p.settles {
		p.settle(d, &b.Settles[i], at)
	}
	dropped := p.drop(b, at)
	for i := range b.Messages {
		m := &b.Messages[i]
		item := f.tag(tagMessage)
		f.string(m.ID)
		f.fixed(m.Hash)
		body := f.data(m.Body)
		s.message(t, m.ID, m.Hash, at, commit, body, f.data(m.Decision)).item = item
	}
	for i := range b.Decisions {
		f.tag(tagDecision)
		f.string(b.Decisions[i].MessageID)
		s.decide(t.messages[b.Decisions[i].MessageID], f.data(b.Decisions[i].Decision))
	}
	for i := range b.Deliveries {
		p.enqueue(t, &b.Deliveries[i], at)
	}
	r := driver.Result{Applied: true, Value: clone(b.Value), Time: fromNanos(at), Position: position(commit), Dropped: dropped}
	if len(b.Appends) > 0 {
		r.Appended = make([]semabus.Position, len(b.Appends))
	}
	for i := range b.Appends {
		f.tag(tagAppend)
		f.string(b.Appends[i].Log)
		l := t.log(b.Appends[i].Log)
		f.uint(l.newest() + 1)
		r.Appended[i] = position(s.append(l, at, f.data(b.Appends[i].Data)))
	}
	for i := range b.Trims {
		p.trim(t, &b.Trims[i])
	}
	r.Counters = p.count(t, b, at)
	f.tag(tagEnd)
	return r
}

// applyKeys stages what makes the batch idempotent.
func (p *planner) applyKeys(t *tenant, b *driver.Batch, at int64) {
	s, f := &p.b.stager, &p.frame
	for i := range b.Marks {
		m := &b.Marks[i]
		until := after(at, p.b.o.DedupWindow)
		if !m.Until.IsZero() {
			until = nanosOf(m.Until)
		}
		f.tag(tagMark)
		f.string(m.Key)
		f.fixed(m.Hash)
		f.int(until)
		f.data(b.Value)
		s.mark(t, m.Key, m.Hash, until, clone(b.Value))
	}
	if b.Producer != nil {
		f.tag(tagProducer)
		f.string(b.Producer.ID)
		f.uint(b.Producer.Seq)
		s.produce(t, b.Producer.ID, b.Producer.Seq, at)
	}
}

func (p *planner) settle(d *delivery, x *driver.Settle, at int64) {
	var flags byte
	var due int64
	if x.Requeue {
		flags |= flagRequeue
		if !x.Due.IsZero() {
			due = nanosOf(x.Due)
		}
	}
	if x.Attempt {
		flags |= flagAttempt
	}
	f := &p.frame
	f.tag(tagSettle)
	f.uint(d.number)
	f.uint(d.seq)
	f.byte(flags)
	f.int(due)
	f.string(x.Error)
	p.b.stager.settle(settlement{delivery: d, due: due, at: at, requeue: x.Requeue, attempt: x.Attempt, cause: x.Error})
}

// drop stages the ends of deliveries without a lease and says which there were.
func (p *planner) drop(b *driver.Batch, at int64) []bool {
	if len(p.drops) == 0 {
		return nil
	}
	dropped := make([]bool, len(p.drops))
	for i, d := range p.drops {
		if d == nil {
			continue
		}
		dropped[i] = true
		x := &b.Drops[i]
		var flags byte
		if x.Expired {
			flags |= flagOutlived
		}
		p.frame.tag(tagDrop)
		p.frame.uint(d.number)
		p.frame.byte(flags)
		p.frame.string(x.Error)
		p.b.stager.drop(d, at, x.Expired, x.Error)
	}
	return dropped
}

// trim stages the end of a part of a log.
func (p *planner) trim(t *tenant, x *driver.Trim) {
	l := t.logs[x.Log]
	if l == nil {
		return
	}
	through, ok := placeOf(x.Through)
	if through == 0 || !ok {
		through = l.newest()
	}
	through = min(through, l.newest())
	var flags byte
	if x.Forget {
		flags |= flagForget
	}
	p.frame.tag(tagTrim)
	p.frame.string(x.Log)
	p.frame.uint(through)
	p.frame.byte(flags)
	p.b.stager.trim(t, l, through, x.Forget)
}

// enqueue stages one delivery, unless one of the same message, group and key is live.
func (p *planner) enqueue(t *tenant, q *driver.Enqueue, at int64) {
	m, g := t.messages[q.MessageID], t.group(q.Group)
	if m.find(g, q.Key, p.now) != nil {
		return
	}
	d := &delivery{
		message: m, group: g, number: p.b.s.number + 1, key: q.Key, session: q.Session, priority: min(q.Priority, 9),
		at: at, attempt: 1, place: -1, timer: -1,
	}
	if !q.DeliverAt.IsZero() {
		d.due = nanosOf(q.DeliverAt)
	}
	if q.TTL > 0 {
		d.ttl = after(at, q.TTL)
	}
	d.order = orderOf(at, d.due)
	f := &p.frame
	d.item = f.tag(tagEnqueue)
	f.uint(d.number)
	f.string(m.id)
	f.string(g.name)
	f.string(d.key)
	f.string(d.session)
	f.byte(d.priority)
	f.int(d.due)
	f.int(d.ttl)
	d.info = f.data(q.Info)
	p.b.stager.enqueue(d)
}

// count adds to the counters and enqueues what they set free.
func (p *planner) count(t *tenant, b *driver.Batch, at int64) []int64 {
	if len(b.Counters) == 0 {
		return nil
	}
	values := make([]int64, len(b.Counters))
	for i := range b.Counters {
		c := &b.Counters[i]
		var before, until int64
		if k := t.counters[c.Key]; k != nil && !k.over(p.now) {
			before, until = k.value, k.until
		}
		fires := reaches(before, c)
		if !c.Until.IsZero() {
			until = max(until, nanosOf(c.Until))
		}
		values[i] = before + c.Add
		p.frame.tag(tagCounter)
		p.frame.string(c.Key)
		p.frame.int(values[i])
		p.frame.int(until)
		p.b.stager.tally(t, c.Key, values[i], until)
		if fires {
			for j := range c.Then {
				p.enqueue(t, &c.Then[j], at)
			}
		}
	}
	return values
}

// batchBytes bounds the encoded size of a batch from above.
func batchBytes(b *driver.Batch) int {
	const item = 48 // tag, numbers and lengths of one item
	n := item + len(b.Tenant)
	for i := range b.Marks {
		n += item + len(b.Marks[i].Key) + len(b.Value)
	}
	if b.Producer != nil {
		n += item + len(b.Producer.ID)
	}
	for i := range b.Settles {
		n += item + len(b.Settles[i].Error)
	}
	for i := range b.Messages {
		n += item + len(b.Messages[i].ID) + len(b.Messages[i].Body) + len(b.Messages[i].Decision)
	}
	for i := range b.Decisions {
		n += item + len(b.Decisions[i].MessageID) + len(b.Decisions[i].Decision)
	}
	for i := range b.Drops {
		n += item + len(b.Drops[i].Error)
	}
	for i := range b.Trims {
		n += item + len(b.Trims[i].Log)
	}
	n += enqueueBytes(b.Deliveries)
	for i := range b.Appends {
		n += item + len(b.Appends[i].Log) + len(b.Appends[i].Data)
	}
	for i := range b.Counters {
		n += item + len(b.Counters[i].Key) + enqueueBytes(b.Counters[i].Then)
	}
	return n
}

func enqueueBytes(qs []driver.Enqueue) int {
	n := 0
	for i := range qs {
		n += 96 + len(qs[i].MessageID) + len(qs[i].Group) + len(qs[i].Key) + len(qs[i].Session) + len(qs[i].Info)
	}
	return n
}
