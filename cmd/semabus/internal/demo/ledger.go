package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	semabus "github.com/semabus/semabus"
)

// ledgerGroup receives one output for each delivery that an agent finished.
const ledgerGroup = "demo-ledger"

// effect is what an agent did: it stands in the payload of an output.
type effect struct {
	Message  string    `json:"message"` // id of the message worked on
	Group    string    `json:"group"`
	Agent    string    `json:"agent"`
	Attempt  int       `json:"attempt"`
	Received time.Time `json:"received"` // when the agent got the delivery
	Output   string    `json:"-"`        // id of the output that says so
}

// pair is one message for one group.
type pair struct{ message, group string }

// ledger collects the effects that reached the ledger group. Its methods are safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	effects map[pair][]effect
	seen    map[string]bool // by output id: the ledger's own deliveries may come twice, the effect is one
	changed chan struct{}   // closed and replaced when something arrives
}

func newLedger() *ledger {
	return &ledger{effects: map[pair][]effect{}, seen: map[string]bool{}, changed: make(chan struct{})}
}

// record takes one delivery of the ledger group.
func (l *ledger) record(m *semabus.Message) error {
	var e effect
	if err := json.Unmarshal(m.Payload, &e); err != nil {
		return err
	}
	e.Output = m.ID
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[m.ID] {
		return nil
	}
	l.seen[m.ID] = true
	p := pair{e.Message, e.Group}
	l.effects[p] = append(l.effects[p], e)
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// of lists the effects of one message for one group.
func (l *ledger) of(p pair) []effect {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.effects[p])
}

// groups lists which groups worked on a message, sorted, with the time the last of them got it.
func (l *ledger) groups(message string) (groups []string, last time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range slices.SortedFunc(maps.Keys(l.effects), func(a, b pair) int { return cmp.Compare(a.group, b.group) }) {
		if p.message != message {
			continue
		}
		groups = append(groups, p.group)
		if at := l.effects[p][0].Received; at.After(last) {
			last = at
		}
	}
	return groups, last
}

// duplicated counts effects beyond the first of each pair.
func (l *ledger) duplicated() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, e := range l.effects {
		n += len(e) - 1
	}
	return n
}

// missing lists those of the pairs that have no effect yet.
func (l *ledger) missing(want []pair) []pair {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []pair
	for _, p := range want {
		if len(l.effects[p]) == 0 {
			out = append(out, p)
		}
	}
	return out
}

// await returns what is still missing of the pairs when all are there or ctx ends.
func (l *ledger) await(ctx context.Context, want []pair) []pair {
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if want = l.missing(want); len(want) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return want
		}
	}
}
