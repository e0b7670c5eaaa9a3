package brokertest

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func counterCases() []testCase {
	return []testCase{
		{"Condition/LogPosition", []Capability{Conditions}, logPosition},
		{"Condition/OneWinnerPerPosition", []Capability{Conditions}, oneWinner},
		{"Condition/Counter", []Capability{Conditions, Counters}, counterCondition},
		{"Counter/Adds", []Capability{Counters}, counterAdds},
		{"Counter/ReachEnqueuesOnce", []Capability{Counters}, reachOnce},
		{"Counter/JoinsUnderConcurrency", []Capability{Counters}, joins},
	}
}

func appendIf(log string, at semabus.Position, data string) *driver.Batch {
	return &driver.Batch{
		Tenant: tenant, Conditions: []driver.Condition{{Log: log, Position: at}},
		Appends: []driver.Append{{Log: log, Data: []byte(data)}},
	}
}

func logPosition(r *rig) {
	first := r.apply(appendIf("l", nil, "e1")).Appended[0]
	r.refuse(appendIf("l", nil, "no"), semabus.ReasonPositionMismatch)
	second := r.apply(appendIf("l", first, "e2")).Appended[0]
	r.refuse(appendIf("l", first, "no"), semabus.ReasonPositionMismatch)
	r.kill()
	r.refuse(appendIf("l", first, "no"), semabus.ReasonPositionMismatch)
	r.apply(appendIf("l", second, "e3"))
	if got := r.events("l"); len(got) != 3 {
		r.t.Fatalf("%d events, want 3", len(got))
	}
}

func oneWinner(r *rig) {
	const rounds, writers = 15, 6
	var at semabus.Position
	for round := range rounds {
		var won atomic.Int64
		var next atomic.Pointer[driver.Result]
		var g errgroup.Group
		for w := range writers {
			g.Go(func() error {
				res, err := r.d.Commit(r.ctx(), []*driver.Batch{appendIf("l", at, fmt.Sprint(round, w))})
				if err == nil && res[0].Applied {
					won.Add(1)
					next.Store(&res[0])
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			r.t.Fatal(err)
		}
		if won.Load() != 1 {
			r.t.Fatalf("round %d has %d winners", round, won.Load())
		}
		at = next.Load().Appended[0]
	}
	if got := r.events("l"); len(got) != rounds {
		r.t.Fatalf("%d events, want %d", len(got), rounds)
	}
}

func counterCondition(r *rig) {
	take := &driver.Batch{
		Tenant: tenant, Conditions: []driver.Condition{{Counter: "used", AtMost: 2}},
		Counters: []driver.Counter{{Key: "used", Add: 1}},
	}
	for range 3 {
		r.apply(take)
	}
	r.refuse(take, "")
	if n := r.counter("used"); n != 3 {
		r.t.Fatalf("counter is %d, want 3", n)
	}
	r.apply(&driver.Batch{Tenant: tenant, Counters: []driver.Counter{{Key: "used", Add: -1}}})
	r.apply(take)
}

func counterAdds(r *rig) {
	res := r.apply(&driver.Batch{Tenant: tenant, Counters: []driver.Counter{{Key: "a", Add: 3}, {Key: "b", Add: -2}, {Key: "a", Add: 4}}})
	if fmt.Sprint(res.Counters) != "[3 -2 7]" {
		r.t.Fatalf("values are %v, want [3 -2 7]", res.Counters)
	}
	r.kill()
	if a, b, c := r.counter("a"), r.counter("b"), r.counter("never"); a != 7 || b != -2 || c != 0 {
		r.t.Fatalf("counters are %d, %d, %d", a, b, c)
	}
}

func step(key string, add, reach int64) *driver.Batch {
	return &driver.Batch{Tenant: tenant, Counters: []driver.Counter{{
		Key: key, Add: add, Reach: reach, Then: []driver.Enqueue{{MessageID: "next", Group: "joined", Info: []byte(key)}},
	}}}
}

func reachOnce(r *rig) {
	r.apply(put("next"))
	r.apply(step("k", 1, 3))
	r.apply(step("k", 1, 3))
	r.none("joined")
	r.apply(step("k", 1, 3))
	l := r.one("joined")
	if string(l.Info) != "k" || string(l.Body) != "body of next" {
		r.t.Fatalf("got %+v", l)
	}
	r.apply(done(l.Token))
	r.apply(step("k", 1, 3))
	r.none("joined")
	r.apply(step("over", 5, 3)) // over the mark in one step: it was reached
	r.apply(done(r.one("joined").Token))
	r.apply(step("never", 1, 0))
	r.none("joined")
}

func joins(r *rig) {
	const branches = 12
	keys := ids("join", 6)
	for _, k := range keys {
		r.apply(put("next of " + k))
	}
	var g errgroup.Group
	for range branches {
		g.Go(func() error {
			for _, k := range keys {
				b := step(k, 1, branches)
				b.Counters[0].Then[0].MessageID = "next of " + k
				if res, err := r.d.Commit(r.ctx(), []*driver.Batch{b}); err != nil || !res[0].Applied {
					return fmt.Errorf("not applied: %v, %w", res, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	if got := r.lease(request("joined", 100)); len(got) != len(keys) {
		r.t.Fatalf("%d joins fired, want %d", len(got), len(keys))
	}
}
