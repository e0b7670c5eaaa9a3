package brokertest

import (
	"fmt"
	"slices"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func findCases() []testCase {
	return []testCase{
		{"Find/Message", nil, findMessage},
		{"Find/GroupPages", nil, findGroup},
		{"Find/Token", nil, findToken},
		{"Find/UnknownIsEmpty", nil, findUnknown},
		{"Stats/Depths", nil, statsDepths},
		{"Tenant/Isolated", nil, tenantsIsolated},
	}
}

func findMessage(r *rig) {
	b := put("m", "ready", "leased", "settled")
	b.Deliveries[0].Session, b.Deliveries[0].Priority = "s", 7
	res := r.apply(b)
	l := r.one("leased")
	r.apply(done(r.one("settled").Token))
	for range 2 {
		f := r.find(driver.Query{Message: "m"})
		m := f.Message
		if m == nil || m.ID != "m" || string(m.Body) != "body of m" || string(m.Decision) != "decision on m" || m.Hash != b.Messages[0].Hash {
			r.t.Fatalf("found %+v", m)
		}
		if !m.Time.Equal(res.Time) || string(m.Position) != string(res.Position) {
			r.t.Errorf("time and position are %v %x, want %v %x", m.Time, m.Position, res.Time, res.Position)
		}
		if len(f.Deliveries) != 3 {
			r.t.Fatalf("%d deliveries, want 3, the settled one too", len(f.Deliveries))
		}
		if d := r.delivery("m", "ready"); d.State != driver.StateReady || d.Session != "s" || d.Priority != 7 || d.Attempt != 1 || string(d.Info) != "why ready" || d.Enqueued.IsZero() {
			r.t.Errorf("ready: %+v", d)
		}
		if d := r.delivery("m", "settled"); d.State != driver.StateSettled || d.Settled.IsZero() {
			r.t.Errorf("settled: %+v", d)
		}
		r.kill()
	}
	_ = r.commit(done(l.Token))
}

func findGroup(r *rig) {
	const n = 11
	for _, id := range ids("m", n) {
		r.apply(put(id, "g", "other"))
	}
	r.one("g")
	var got []string
	q := driver.Query{Group: "g", Max: 3}
	for range 2 * n {
		f := r.find(q)
		if len(f.Deliveries) > 3 {
			r.t.Fatalf("a page of 3 has %d", len(f.Deliveries))
		}
		for _, d := range f.Deliveries {
			if d.Group != "g" {
				r.t.Fatalf("found a delivery of %s", d.Group)
			}
			got = append(got, d.MessageID)
		}
		if q.After = f.Next; len(f.Next) == 0 {
			break
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, ids("m", n)) {
		r.t.Fatalf("pages hold %v", got)
	}
}

func findToken(r *rig) {
	r.apply(put("m", "g"))
	l := r.one("g")
	want := func(state driver.State) {
		r.t.Helper()
		f := r.find(driver.Query{Token: l.Token})
		if f.Message == nil || f.Message.ID != "m" || string(f.Message.Body) != "body of m" || len(f.Deliveries) != 1 {
			r.t.Fatalf("the token stands for %+v, %d deliveries", f.Message, len(f.Deliveries))
		}
		if d := f.Deliveries[0]; d.Group != "g" || d.State != state || d.MessageID != "m" {
			r.t.Fatalf("the token stands for %+v, want state %d", d, state)
		}
	}
	want(driver.StateLeased)
	if d := r.find(driver.Query{Token: l.Token}).Deliveries[0]; d.Member != "member" || d.Expires.IsZero() {
		r.t.Errorf("the leased delivery is %+v", d)
	}
	r.apply(back(l.Token, 0, true, "e"))
	want(driver.StateReady)
	again := r.one("g")
	want(driver.StateLeased)
	r.apply(done(again.Token))
	want(driver.StateSettled)
}

func findUnknown(r *rig) {
	for _, q := range []driver.Query{
		{Message: "unknown"}, {Group: "unknown"}, {Token: []byte("unknown")}, {Counter: "unknown"}, {Logs: true, Tenant: tenant},
	} {
		f := r.find(q)
		if f == nil || f.Message != nil || len(f.Deliveries) != 0 || len(f.Logs) != 0 || f.Counter != 0 || len(f.Next) != 0 {
			r.t.Errorf("Find %+v returned %+v", q, f)
		}
	}
}

func statsDepths(r *rig) {
	for _, id := range ids("m", 6) {
		r.apply(put(id, "g"))
	}
	r.apply(put("x", "h"))
	held := r.lease(request("g", 3))
	r.apply(done(held[0].Token))
	want := func(groups []string, ready, leased int64, total int) {
		r.t.Helper()
		s, err := r.d.Stats(r.ctx(), tenant, groups)
		if err != nil {
			r.t.Fatalf("Stats: %v", err)
		}
		if len(s.Groups) != total {
			r.t.Fatalf("stats of %d groups, want %d: %+v", len(s.Groups), total, s.Groups)
		}
		i := slices.IndexFunc(s.Groups, func(g semabus.GroupStats) bool { return g.Group == "g" })
		if g := s.Groups[i]; g.Ready != ready || g.Leased != leased || g.Settled != 1 || g.Delayed != 0 {
			r.t.Fatalf("stats are %+v, want %d ready and %d leased", g, ready, leased)
		}
	}
	want([]string{"g"}, 3, 2, 1)
	want(nil, 3, 2, 2)
	r.renew(held[1].Token, 0)
	want([]string{"g"}, 4, 1, 1)
	if s, err := r.d.Stats(r.ctx(), "umbra", nil); err != nil || len(s.Groups) != 0 {
		r.t.Fatalf("another tenant sees %+v, %v", s, err)
	}
}

func tenantsIsolated(r *rig) {
	tenants := []string{tenant, "umbra", tenant + "/g", tenant + "g"}
	for i, owner := range tenants {
		b := put("m", "g")
		b.Tenant, b.Messages[0].Body = owner, []byte("of "+owner)
		b.Marks = []driver.Mark{{Key: "k", Hash: uint64(i)}}
		b.Producer = &driver.Producer{ID: "p", Seq: 1}
		b.Appends = []driver.Append{{Log: "l", Data: []byte(owner)}}
		r.apply(b)
	}
	for _, owner := range tenants {
		got, err := r.d.Read(r.ctx(), &driver.ReadRequest{Tenant: owner, Log: "l", Max: 10})
		if err != nil || len(got) != 1 || string(got[0].Data) != owner {
			r.t.Errorf("log of %s: %v, %v", owner, got, err)
		}
		if f := r.find(driver.Query{Tenant: owner, Message: "m"}); string(f.Message.Body) != "of "+owner || len(f.Deliveries) != 1 {
			r.t.Errorf("tenant %s finds %q", owner, f.Message.Body)
		}
		if f := r.find(driver.Query{Tenant: owner, Group: "g"}); len(f.Deliveries) != 1 {
			r.t.Errorf("tenant %s sees %d deliveries", owner, len(f.Deliveries))
		}
		q := request("g", 10)
		q.Tenant = owner
		if ls := r.lease(q); len(ls) != 1 || string(ls[0].Body) != "of "+owner {
			r.t.Errorf("tenant %s leased %v", owner, fmt.Sprint(names(ls)))
		}
	}
	if f := r.find(driver.Query{Tenant: "nobody", Message: "m"}); f.Message != nil {
		r.t.Error("an unknown tenant finds a message")
	}
}
