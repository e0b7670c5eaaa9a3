package brokertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/semabus/semabus/broker/driver"
)

// model is what an engine should be, in memory, for one tenant and without time: no lease ever runs out.
type model struct {
	bodies    map[string]string
	decisions map[string]string
	queue     []*entry // in enqueue order
	marks     map[string]uint64
	producers map[string]uint64
	counters  map[string]int64
	logs      map[string][]string
	positions map[string]int    // events ever appended to a log
	leases    map[string]*entry // by the model's own token names
}

// entry is one live delivery.
type entry struct {
	id, group, session string
	priority           uint8
	attempt            int
	token              string // "" = ready
}

func newModel() *model {
	return &model{
		bodies: map[string]string{}, decisions: map[string]string{}, marks: map[string]uint64{},
		producers: map[string]uint64{}, counters: map[string]int64{}, logs: map[string][]string{}, positions: map[string]int{}, leases: map[string]*entry{},
	}
}

// commit returns how the engine must answer: applied, duplicate, conflict or failed.
func (m *model) commit(b *driver.Batch, tokenOf map[string]string) string {
	for _, k := range b.Marks {
		if h, ok := m.marks[k.Key]; ok {
			if h != k.Hash {
				return "conflict"
			}
			return "duplicate"
		}
	}
	if p := b.Producer; p != nil && p.Seq <= m.producers[p.ID] {
		return "duplicate"
	}
	if !m.holds(b, tokenOf) {
		return "failed"
	}
	for _, k := range b.Marks {
		m.marks[k.Key] = k.Hash
	}
	if p := b.Producer; p != nil {
		m.producers[p.ID] = p.Seq
	}
	var drops []*entry
	for _, d := range b.Drops {
		if e := m.droppable(d); e != nil && !m.settles(b, e, tokenOf) {
			drops = append(drops, e)
		}
	}
	for _, s := range b.Settles {
		m.settle(m.leases[tokenOf[string(s.Token)]], s)
	}
	for _, e := range drops {
		m.settle(e, driver.Settle{})
	}
	for _, msg := range b.Messages {
		m.bodies[msg.ID], m.decisions[msg.ID] = string(msg.Body), string(msg.Decision)
	}
	for _, d := range b.Decisions {
		m.decisions[d.MessageID] = string(d.Decision)
	}
	for _, e := range b.Deliveries {
		m.enqueue(e)
	}
	for _, a := range b.Appends {
		m.logs[a.Log] = append(m.logs[a.Log], string(a.Data))
		m.positions[a.Log]++
	}
	for _, t := range b.Trims {
		if t.Forget {
			delete(m.positions, t.Log)
		}
		delete(m.logs, t.Log)
	}
	for _, c := range b.Counters {
		before := m.counters[c.Key]
		m.counters[c.Key] = before + c.Add
		if c.Reach != 0 && before < c.Reach && before+c.Add >= c.Reach {
			for _, e := range c.Then {
				m.enqueue(e)
			}
		}
	}
	return "applied"
}

// holds reports whether all checks of a batch pass.
func (m *model) holds(b *driver.Batch, tokenOf map[string]string) bool {
	for _, c := range b.Conditions {
		if c.Counter != "" && m.counters[c.Counter] > c.AtMost || c.Log != "" && m.positions[c.Log] > 0 {
			return false
		}
	}
	for _, s := range b.Settles {
		if m.leases[tokenOf[string(s.Token)]] == nil {
			return false
		}
	}
	for _, d := range b.Drops {
		if e := m.droppable(d); !d.Optional && (e == nil || m.settles(b, e, tokenOf)) {
			return false
		}
	}
	known := func(id string) bool {
		_, ok := m.bodies[id]
		return ok || slices.ContainsFunc(b.Messages, func(x driver.Message) bool { return x.ID == id })
	}
	for _, msg := range b.Messages {
		if _, ok := m.bodies[msg.ID]; ok {
			return false
		}
	}
	return !slices.ContainsFunc(b.Deliveries, func(e driver.Enqueue) bool { return !known(e.MessageID) })
}

// droppable is the delivery that a drop means, or nil.
func (m *model) droppable(d driver.Drop) *entry {
	for _, e := range m.queue {
		if e.id == d.MessageID && e.group == d.Group && (!d.Waiting || e.token == "") {
			return e
		}
	}
	return nil
}

// settles says whether the batch settles the delivery by its lease: it cannot drop it as well.
func (m *model) settles(b *driver.Batch, e *entry, tokenOf map[string]string) bool {
	return slices.ContainsFunc(b.Settles, func(s driver.Settle) bool { return m.leases[tokenOf[string(s.Token)]] == e })
}

func (m *model) settle(e *entry, s driver.Settle) {
	delete(m.leases, e.token)
	e.token = ""
	if !s.Requeue {
		m.queue = slices.DeleteFunc(m.queue, func(x *entry) bool { return x == e })
	} else if s.Attempt {
		e.attempt++
	}
}

func (m *model) enqueue(e driver.Enqueue) {
	if !slices.ContainsFunc(m.queue, func(x *entry) bool { return x.id == e.MessageID && x.group == e.Group }) {
		m.queue = append(m.queue, &entry{id: e.MessageID, group: e.Group, session: e.Session, priority: e.Priority, attempt: 1})
	}
}

// lease is the next ready delivery of a group, or nil; it is leased under the token.
func (m *model) lease(group, token string) *entry {
	var ready []*entry
	for _, e := range m.queue {
		if e.group == group && e.token == "" {
			ready = append(ready, e)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	slices.SortStableFunc(ready, func(a, b *entry) int { return cmp.Compare(b.priority, a.priority) })
	ready[0].token = token
	m.leases[token] = ready[0]
	return ready[0]
}

// String lists everything that can be observed, in a fixed order.
func (m *model) String() string {
	var out []string
	for _, e := range m.queue {
		out = append(out, fmt.Sprintf("delivery %s %s attempt %d leased %v", e.id, e.group, e.attempt, e.token != ""))
	}
	for id, body := range m.bodies {
		out = append(out, fmt.Sprintf("message %s %q %q", id, body, m.decisions[id]))
	}
	for k, v := range m.counters {
		out = append(out, fmt.Sprintf("counter %s %d", k, v))
	}
	for k, v := range m.logs {
		out = append(out, fmt.Sprintf("log %s %q", k, v))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
