package brokertest

import (
	"fmt"
	"slices"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func dropCases() []testCase {
	return []testCase{
		{"Drop/EndsReady", nil, dropReady},
		{"Drop/EndsDelayed", []Capability{DeliverAt}, dropDelayed},
		{"Drop/FencesTheLease", nil, dropLeased},
		{"Drop/OneWinner", nil, dropOnce},
		{"Drop/Conditions", nil, dropConditions},
		{"Drop/Moves", nil, dropMoves},
		{"Drop/FreesTheSession", []Capability{SessionOrder}, dropSession},
		{"Expired/ListedUntilDropped", nil, expiredListed},
		{"Expired/SurvivesReopen", nil, expiredReopen},
		{"Trim/KeepsPositions", []Capability{Conditions}, trimPositions},
		{"Trim/Forget", nil, trimForget},
		{"Counter/Ends", []Capability{Conditions, Counters}, counterEnds},
		{"Lease/LapseCountsDurably", nil, lapseDurable},
		{"Order/Ageing", nil, ageing},
		{"Order/AgeingSessions", []Capability{SessionOrder, PriorityAcrossSessions}, ageingSessions},
	}
}

func drop(id, group string) *driver.Batch {
	return &driver.Batch{Tenant: tenant, Drops: []driver.Drop{{MessageID: id, Group: group, Error: "purged"}}}
}

func (r *rig) isGone(id, group string) {
	r.t.Helper()
	r.none(group)
	if d := r.delivery(id, group); d == nil || d.State != driver.StateSettled || !slices.Equal(d.Errors, []string{"purged"}) {
		r.t.Fatalf("the dropped delivery is %+v", d)
	}
	for _, d := range r.find(driver.Query{Group: group}).Deliveries {
		if d.MessageID == id {
			r.t.Fatalf("the dropped delivery is still in its queue")
		}
	}
}

func dropReady(r *rig) {
	r.apply(put("m", "g", "h"))
	if res := r.apply(drop("m", "g")); !slices.Equal(res.Dropped, []bool{true}) {
		r.t.Fatalf("dropped %v", res.Dropped)
	}
	r.isGone("m", "g")
	r.kill()
	r.isGone("m", "g")
	r.takes(request("h", 1), "m") // the other delivery is untouched
}

func dropDelayed(r *rig) {
	r.at("later", "g", far, 0)
	r.at("soon", "g", brief, 0)
	r.apply(drop("soon", "g"))
	r.apply(drop("later", "g"))
	r.elapse(2 * brief)
	r.isGone("soon", "g")
	r.isGone("later", "g")
}

// dropLeased: whoever works on what was dropped hears so when it settles, and only then.
func dropLeased(r *rig) {
	r.apply(put("m", "g"))
	l := r.one("g")
	r.apply(drop("m", "g"))
	r.refuse(done(l.Token), semabus.ReasonStaleLease)
	if errs := r.d.Renew(r.ctx(), tenant, []driver.Renewal{{Token: l.Token, For: term}}); errs[0] == nil {
		r.t.Fatal("a lease on what was dropped was renewed")
	}
	r.isGone("m", "g")
	r.kill()
	r.isGone("m", "g")
}

func dropOnce(r *rig) {
	r.apply(put("m", "g"))
	res := r.commit(drop("m", "g"), drop("m", "g"))
	if !res[0].Applied || res[1].Applied || semabus.ReasonOf(res[1].Failed) != semabus.ReasonNotFound {
		r.t.Fatalf("two drops: %+v", res)
	}
	twice := drop("n", "g")
	twice.Drops = append(twice.Drops, twice.Drops[0])
	r.apply(put("n", "g"))
	r.refuse(twice, semabus.ReasonNotFound)
	r.takes(request("g", 1), "n") // nothing of it was applied
}

func dropConditions(r *rig) {
	r.apply(put("ready", "g"))
	r.apply(put("leased", "h"))
	l := r.one("h")
	waiting := func(id, group string) *driver.Batch {
		b := drop(id, group)
		b.Drops[0].Waiting = true
		return b
	}
	r.refuse(waiting("leased", "h"), semabus.ReasonNotFound)
	r.refuse(drop("unknown", "g"), semabus.ReasonNotFound)
	r.refuse(drop("ready", "other"), semabus.ReasonNotFound)
	expired := drop("ready", "g")
	expired.Drops[0].Expired = true
	r.refuse(expired, semabus.ReasonNotFound)
	all := waiting("ready", "g")
	for _, d := range append(waiting("leased", "h").Drops, drop("unknown", "g").Drops...) {
		d.Optional = true
		all.Drops = append(all.Drops, d)
	}
	if res := r.apply(all); !slices.Equal(res.Dropped, []bool{true, false, false}) {
		r.t.Fatalf("dropped %v", res.Dropped)
	}
	r.apply(done(l.Token))
}

// dropMoves: one batch takes a delivery out of one queue and puts it into another, or back into the same.
func dropMoves(r *rig) {
	r.apply(put("m", "g"))
	b := drop("m", "g")
	b.Deliveries = []driver.Enqueue{{MessageID: "m", Group: "h"}, {MessageID: "m", Group: "g", Priority: 7}}
	r.apply(b)
	r.kill()
	if l := r.one("g"); l.Priority != 7 {
		r.t.Fatalf("the new delivery has priority %d", l.Priority)
	}
	r.none("g")
	r.takes(request("h", 1), "m")
}

func dropSession(r *rig) {
	for _, id := range []string{"a", "b"} {
		b := put(id, "g")
		b.Deliveries[0].Session = "s"
		r.apply(b)
	}
	q := request("g", 1)
	q.SessionOrder = true
	r.takes(q, "a")
	if got := r.lease(q); len(got) != 0 {
		r.t.Fatalf("a second delivery of the session: %v", names(got))
	}
	r.apply(drop("a", "g"))
	r.takes(q, "b")
}

// lists waits until exactly these expired deliveries are listed.
func (r *rig) lists(want ...string) {
	r.t.Helper()
	var got []string
	r.until("the expired deliveries are listed", func() bool {
		got = nil
		for _, d := range r.find(driver.Query{Expired: true}).Deliveries {
			if d.State != driver.StateExpired || d.Tenant != tenant {
				r.t.Fatalf("listed as expired: %+v", d)
			}
			got = append(got, d.MessageID+"/"+d.Group)
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	})
}

func expiredListed(r *rig) {
	r.at("brief", "g", 0, brief/2)
	r.at("long", "g", 0, far)
	r.lists("brief/g")
	r.refuse(drop("brief", "g"), semabus.ReasonNotFound) // what is over is accounted for, not purged
	b := drop("brief", "g")
	b.Drops[0].Expired = true
	b.Deliveries = []driver.Enqueue{{MessageID: "brief", Group: "dead", Key: "g"}}
	r.apply(b)
	r.lists()
	r.refuse(b, semabus.ReasonNotFound)
	if d := r.delivery("brief", "g"); d == nil || d.State != driver.StateExpired {
		r.t.Fatalf("the expired delivery is %+v", d)
	}
	r.takes(request("dead", 1), "brief")
	r.takes(request("g", 1), "long")
	r.kill()
	r.lists()
}

func expiredReopen(r *rig) {
	r.at("m", "g", 0, brief/2)
	r.at("n", "g", 0, brief/2)
	r.lists("m/g", "n/g")
	b := drop("m", "g")
	b.Drops[0].Expired = true
	r.apply(b)
	r.kill()
	r.lists("n/g")
	r.none("g")
}

func trimmed(log string, through semabus.Position, forget bool) *driver.Batch {
	return &driver.Batch{Tenant: tenant, Trims: []driver.Trim{{Log: log, Through: through, Forget: forget}}}
}

func (r *rig) has(log string, want ...string) {
	r.t.Helper()
	var got []string
	for _, e := range r.events(log) {
		got = append(got, string(e.Data))
	}
	if !slices.Equal(got, want) {
		r.t.Fatalf("the log holds %q, want %q", got, want)
	}
}

// trimPositions: what remains keeps its place, and so does the end, also of a log with nothing left.
func trimPositions(r *rig) {
	var at []semabus.Position
	for i := range 6 {
		at = append(at, r.apply(event("l", fmt.Sprint(i))).Appended[0])
	}
	r.apply(trimmed("l", at[1], false))
	r.has("l", "2", "3", "4", "5")
	got, err := r.d.Read(r.ctx(), &driver.ReadRequest{Tenant: tenant, Log: "l", After: at[3], Max: 10})
	if err != nil || len(got) != 2 || string(got[0].Data) != "4" || string(got[0].Position) != string(at[4]) {
		r.t.Fatalf("after the fourth event come %v, %v", got, err)
	}
	got, err = r.d.Read(r.ctx(), &driver.ReadRequest{Tenant: tenant, Log: "l", After: at[0], Max: 1})
	if err != nil || len(got) != 1 || string(got[0].Position) != string(at[2]) {
		r.t.Fatalf("after a forgotten event come %v, %v", got, err)
	}
	r.kill()
	r.has("l", "2", "3", "4", "5")
	r.apply(trimmed("l", nil, false))
	r.apply(trimmed("unknown", nil, false))
	r.kill()
	r.has("l")
	r.refuse(appendIf("l", nil, "no"), semabus.ReasonPositionMismatch)
	next := r.apply(appendIf("l", at[5], "6")).Appended[0]
	if string(next) <= string(at[5]) {
		r.t.Fatalf("the next position is %x after %x", next, at[5])
	}
	r.has("l", "6")
}

func trimForget(r *rig) {
	first := r.apply(event("l", "old")).Appended[0]
	r.apply(event("l", "older"))
	b := trimmed("l", nil, true)
	r.apply(b)
	r.has("l")
	if f := r.find(driver.Query{Logs: true, Prefix: "l"}); len(f.Logs) != 0 {
		r.t.Fatalf("a forgotten log is listed: %v", f.Logs)
	}
	r.kill()
	if at := r.apply(event("l", "new")).Appended[0]; string(at) != string(first) {
		r.t.Fatalf("the new log begins at %x, not at %x", at, first)
	}
	r.has("l", "new")
}

func counterEnds(r *rig) {
	add := func(n int64, until time.Time) int64 {
		r.t.Helper()
		return r.apply(&driver.Batch{Tenant: tenant, Counters: []driver.Counter{{Key: "c", Add: n, Until: until}}}).Counters[0]
	}
	add(2, clock.Now().Add(far))
	if v := add(1, clock.Now().Add(brief)); v != 3 { // an earlier end does not count
		r.t.Fatalf("the counter is %d", v)
	}
	r.elapse(2 * brief)
	r.kill()
	if v := r.counter("c"); v != 3 {
		r.t.Fatalf("the counter is %d before its end", v)
	}
	r.apply(&driver.Batch{Tenant: tenant, Counters: []driver.Counter{{Key: "d", Add: 5, Until: clock.Now().Add(brief)}}})
	r.elapse(2 * brief)
	r.apply(&driver.Batch{Tenant: tenant, Conditions: []driver.Condition{{Counter: "d", AtMost: 0}}})
	if v := r.counter("d"); v != 0 {
		r.t.Fatalf("the counter is %d after its end", v)
	}
	res := r.apply(&driver.Batch{Tenant: tenant, Counters: []driver.Counter{{Key: "d", Add: 1}}})
	r.kill()
	if v := r.counter("d"); v != 1 || res.Counters[0] != 1 {
		r.t.Fatalf("the counter is %d, then %d, after its end and one more", res.Counters[0], v)
	}
}

// lapseDurable: the attempt that a lease cost which ran out is there after a crash, once another commit is durable.
func lapseDurable(r *rig) {
	r.apply(put("m", "g"))
	q := request("g", 1)
	q.For = brief
	r.oneOf(q)
	var l driver.Leased
	q.For, q.Wait = term, far
	l = r.oneOf(q)
	if l.Attempt != 2 || len(l.Errors) != 1 {
		r.t.Fatalf("after a lease ran out: attempt %d, errors %q", l.Attempt, l.Errors)
	}
	r.apply(back(l.Token, 0, false, ""))
	r.kill()
	if l = r.one("g"); l.Attempt != 2 || len(l.Errors) != 1 {
		r.t.Fatalf("after a crash: attempt %d, errors %q", l.Attempt, l.Errors)
	}
}

// ageing: waiting makes up for priority, at the stated rate.
func ageing(r *rig) {
	for i, p := range []uint8{1, 9, 4} {
		b := put(fmt.Sprint("m", i), "g")
		b.Deliveries[0].Priority = p
		r.apply(b)
	}
	q := request("g", 1)
	q.Ageing = far
	r.takes(q, "m1") // by priority: what they waited is nothing beside the step
	r.elapse(2 * time.Millisecond)
	b := put("late", "g")
	b.Deliveries[0].Priority = 9
	r.apply(b)
	q.Ageing = time.Microsecond // eight steps are less than the older ones have waited
	r.takes(q, "m0", "m2", "late")
}

func ageingSessions(r *rig) {
	for i, p := range []uint8{0, 9} {
		b := put(fmt.Sprint("m", i), "g")
		b.Deliveries[0].Priority, b.Deliveries[0].Session = p, fmt.Sprint("s", i)
		r.apply(b)
		r.elapse(time.Millisecond)
	}
	q := request("g", 1)
	q.SessionOrder, q.Ageing = true, time.Microsecond
	r.takes(q, "m0", "m1")
}
