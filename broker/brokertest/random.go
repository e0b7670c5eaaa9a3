package brokertest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/semabus/semabus/broker/driver"
)

func modelCases() []testCase {
	return []testCase{
		{"Model/RandomOperations", nil, randomOperations},
		{"Model/RandomOperationsWithCounters", []Capability{Conditions, Counters}, randomCounters},
	}
}

func randomOperations(r *rig) { r.play(false) }
func randomCounters(r *rig)   { r.play(true) }

// play runs random operations against the engine and the model and compares what can be seen, crashes included.
func (r *rig) play(counters bool) {
	seed, rounds := uint64(clock.Now().UnixNano()), 400
	if v, err := strconv.ParseUint(os.Getenv("BROKERTEST_SEED"), 10, 64); err == nil {
		seed = v
	}
	if v, err := strconv.Atoi(os.Getenv("BROKERTEST_ROUNDS")); err == nil {
		rounds = v
	}
	r.t.Logf("replay with BROKERTEST_SEED=%d", seed)
	p := &player{
		rig: r, m: newModel(), rnd: rand.New(rand.NewPCG(seed, 1)), counters: counters, names: map[string]string{},
	}
	for p.at = range rounds {
		switch n := p.rnd.IntN(100); {
		case n < 55:
			p.commit()
		case n < 96:
			p.lease()
		case n < 98:
			p.compare()
		default:
			p.crash()
		}
	}
	p.compare()
}

// player plays one random game.
type player struct {
	*rig
	m        *model
	rnd      *rand.Rand
	counters bool
	at       int
	tokens   [][]byte          // all that were granted, stale ones too
	names    map[string]string // engine token → model token
}

func (p *player) pick(prefix string, n int) string { return prefix + strconv.Itoa(p.rnd.IntN(n)) }

// batch makes a random one; about a third of them fail or repeat something.
func (p *player) batch() *driver.Batch {
	b := &driver.Batch{Tenant: tenant, Value: []byte("v")}
	if p.rnd.IntN(3) > 0 {
		id := p.pick("m", 200)
		b.Messages = []driver.Message{{ID: id, Body: []byte(fmt.Sprint(id, " at ", p.at)), Decision: []byte("d")}}
		for g := range 1 + p.rnd.IntN(2) {
			b.Deliveries = append(b.Deliveries, driver.Enqueue{MessageID: id, Group: fmt.Sprint("g", g), Priority: uint8(p.rnd.IntN(10))})
		}
	}
	if p.rnd.IntN(6) == 0 {
		b.Deliveries = append(b.Deliveries, driver.Enqueue{MessageID: p.pick("m", 200), Group: p.pick("g", 3), Priority: 3})
	}
	if len(p.tokens) > 0 && p.rnd.IntN(2) == 0 {
		tok := p.tokens[p.rnd.IntN(len(p.tokens))]
		if p.rnd.IntN(2) == 0 {
			tok = p.tokens[len(p.tokens)-1]
		}
		b.Settles = []driver.Settle{{Token: tok, Requeue: p.rnd.IntN(3) == 0, Attempt: p.rnd.IntN(2) == 0}}
	}
	for range p.rnd.IntN(8) / 6 {
		b.Drops = append(b.Drops, driver.Drop{
			MessageID: p.pick("m", 200), Group: p.pick("g", 2), Waiting: p.rnd.IntN(2) == 0, Optional: p.rnd.IntN(4) > 0,
		})
	}
	if p.rnd.IntN(12) == 0 {
		b.Trims = []driver.Trim{{Log: p.pick("l", 4), Forget: p.rnd.IntN(2) == 0}}
	}
	if p.rnd.IntN(3) == 0 {
		b.Marks = []driver.Mark{{Key: p.pick("k", 60), Hash: uint64(p.rnd.IntN(2))}}
	}
	if p.rnd.IntN(4) == 0 {
		b.Producer = &driver.Producer{ID: p.pick("p", 3), Seq: uint64(1 + p.rnd.IntN(1+p.at))}
	}
	for range p.rnd.IntN(3) {
		b.Appends = append(b.Appends, driver.Append{Log: p.pick("l", 4), Data: []byte(fmt.Sprint("event ", p.at))})
	}
	if p.counters {
		p.count(b)
	}
	return b
}

// count adds counters and conditions to a batch.
func (p *player) count(b *driver.Batch) {
	if p.rnd.IntN(3) == 0 {
		c := driver.Counter{Key: p.pick("c", 4), Add: int64(p.rnd.IntN(5) - 1)}
		if len(b.Messages) > 0 {
			c.Reach = int64(p.rnd.IntN(20))
			c.Then = []driver.Enqueue{{MessageID: b.Messages[0].ID, Group: "joined", Priority: 1}}
		}
		b.Counters = append(b.Counters, c)
	}
	switch p.rnd.IntN(8) {
	case 0:
		b.Conditions = append(b.Conditions, driver.Condition{Counter: p.pick("c", 4), AtMost: int64(p.rnd.IntN(12))})
	case 1:
		b.Conditions = append(b.Conditions, driver.Condition{Log: p.pick("l", 4)})
	}
}

func (p *player) commit() {
	p.t.Helper()
	var batches []*driver.Batch
	for range 1 + p.rnd.IntN(3) {
		batches = append(batches, p.batch())
	}
	res := p.rig.commit(batches...)
	for i, b := range batches {
		want, got := p.m.commit(b, p.names), outcome(res[i])
		if got != want {
			p.t.Fatalf("operation %d: batch %d is %s, want %s\n%+v\n%+v", p.at, i, got, want, *b, res[i])
		}
	}
}

func outcome(res driver.Result) string {
	switch {
	case res.Applied:
		return "applied"
	case res.Conflict:
		return "conflict"
	case res.Duplicate:
		return "duplicate"
	}
	return "failed"
}

func (p *player) lease() {
	p.t.Helper()
	group := p.pick("g", 3)
	if p.counters && p.rnd.IntN(4) == 0 {
		group = "joined"
	}
	got := p.rig.lease(request(group, 1))
	name := fmt.Sprint("token ", p.at)
	want := p.m.lease(group, name)
	if (want == nil) != (len(got) == 0) {
		p.t.Fatalf("operation %d: group %s granted %v, the model %+v", p.at, group, names(got), want)
	}
	if want == nil {
		return
	}
	if l := got[0]; l.MessageID != want.id || l.Attempt != want.attempt || string(l.Body) != p.m.bodies[want.id] {
		p.t.Fatalf("operation %d: granted %+v, the model %+v", p.at, l, *want)
	}
	p.tokens = append(p.tokens, got[0].Token)
	p.names[string(got[0].Token)] = name
}

// crash kills the engine. What was leased may come back or stay with its holder: the model asks by giving all of it back.
func (p *player) crash() {
	p.t.Helper()
	for _, tok := range p.tokens {
		if e := p.m.leases[p.names[string(tok)]]; e != nil {
			p.apply(&driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: tok, Requeue: true}}})
			p.m.settle(e, driver.Settle{Requeue: true})
		}
	}
	p.kill()
	p.compare()
}

// compare sets everything that can be seen of the engine beside the model.
func (p *player) compare() {
	p.t.Helper()
	var out []string
	for _, g := range []string{"g0", "g1", "g2", "joined"} {
		q := driver.Query{Group: g, Max: 50}
		for more := true; more; more = len(q.After) > 0 {
			f := p.find(q)
			for _, d := range f.Deliveries {
				out = append(out, fmt.Sprintf("delivery %s %s attempt %d leased %v", d.MessageID, d.Group, d.Attempt, d.State == driver.StateLeased))
			}
			q.After = f.Next
		}
	}
	for id := range p.m.bodies {
		f := p.find(driver.Query{Message: id})
		if f.Message == nil {
			p.t.Fatalf("operation %d: message %s is lost", p.at, id)
		}
		out = append(out, fmt.Sprintf("message %s %q %q", id, f.Message.Body, f.Message.Decision))
	}
	for k := range p.m.counters {
		out = append(out, fmt.Sprintf("counter %s %d", k, p.counter(k)))
	}
	for l := range p.m.logs {
		var data []string
		for _, e := range p.events(l) {
			data = append(data, string(e.Data))
		}
		out = append(out, fmt.Sprintf("log %s %q", l, data))
	}
	slices.Sort(out)
	if got, want := strings.Join(out, "\n"), p.m.String(); got != want {
		p.t.Fatalf("operation %d: the engine differs from the model\n%s", p.at, difference(got, want))
	}
}

// difference lists the lines that only one side has.
func difference(got, want string) string {
	var out bytes.Buffer
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, l := range g {
		if !slices.Contains(w, l) {
			fmt.Fprintln(&out, "engine:", l)
		}
	}
	for _, l := range w {
		if !slices.Contains(g, l) {
			fmt.Fprintln(&out, "model: ", l)
		}
	}
	return out.String()
}
