package brokertest

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func logCases() []testCase {
	return []testCase{
		{"Log/DenseAndOrdered", nil, logOrder},
		{"Log/ConcurrentAppends", nil, logConcurrent},
		{"Log/ReadWaits", nil, readWaits},
		{"Log/FreeNames", nil, freeNames},
		{"Log/NamesByPrefix", nil, namesByPrefix},
		{"Log/BigEvent", nil, bigEvent},
	}
}

func event(log, data string) *driver.Batch {
	return &driver.Batch{Tenant: tenant, Appends: []driver.Append{{Log: log, Data: []byte(data)}}}
}

func logOrder(r *rig) {
	const n = 40
	var at []semabus.Position
	for i := range n {
		at = append(at, r.apply(event("l", fmt.Sprint(i))).Appended[0])
		r.apply(event("noise", "x"))
		if i == n/2 {
			r.kill()
		}
	}
	got := r.events("l")
	if len(got) != n {
		r.t.Fatalf("%d events, want %d", len(got), n)
	}
	for i, e := range got {
		if string(e.Data) != fmt.Sprint(i) || !bytes.Equal(e.Position, at[i]) || len(e.Position) > 64 || e.Time.IsZero() {
			r.t.Fatalf("event %d is %q at %x, want position %x", i, e.Data, e.Position, at[i])
		}
		if i > 0 && (bytes.Compare(at[i-1], at[i]) >= 0 || e.Time.Before(got[i-1].Time)) {
			r.t.Fatalf("event %d does not follow its predecessor: %x, %x", i, at[i-1], at[i])
		}
		rest, err := r.d.Read(r.ctx(), &driver.ReadRequest{Tenant: tenant, Log: "l", After: e.Position, Max: 3})
		if err != nil || len(rest) != min(3, n-1-i) || len(rest) > 0 && !bytes.Equal(rest[0].Position, at[i+1]) {
			r.t.Fatalf("after event %d: %d events, %v", i, len(rest), err)
		}
	}
}

func logConcurrent(r *rig) {
	const writers, each = 8, 30
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			for i := range each {
				if res, err := r.d.Commit(r.ctx(), []*driver.Batch{event("l", fmt.Sprintf("%d %d", w, i))}); err != nil || !res[0].Applied {
					return fmt.Errorf("not applied: %v, %w", res, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	next := make([]int, writers)
	for _, e := range r.events("l") {
		var w, i int
		if _, err := fmt.Sscan(string(e.Data), &w, &i); err != nil || next[w] != i {
			r.t.Fatalf("writer %d: event %d, want %d (%v)", w, i, next[w], err)
		}
		next[w]++
	}
	if slices.ContainsFunc(next, func(n int) bool { return n != each }) {
		r.t.Fatalf("events by writer are %v, want %d each", next, each)
	}
}

func readWaits(r *rig) {
	var g errgroup.Group
	g.Go(func() error {
		got, err := r.d.Read(r.ctx(), &driver.ReadRequest{Tenant: tenant, Log: "l", Max: 5, Wait: patience})
		if err != nil || len(got) == 0 || string(got[0].Data) != "e" {
			return fmt.Errorf("read returned %v, %w", got, err)
		}
		return nil
	})
	r.elapse(brief)
	r.apply(event("other", "x"))
	r.apply(event("l", "e"))
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	if got := r.events("unknown"); len(got) != 0 {
		r.t.Fatalf("an unknown log has %d events", len(got))
	}
}

func freeNames(r *rig) {
	long := string(bytes.Repeat([]byte("x"), 256))
	all := []string{"/../", "a/b", "a", "退款", "..", " ", "$registry/intents", "a\u2028b", long, long[:255] + "y"}
	for i, name := range all {
		r.apply(event(name, fmt.Sprint(i)))
		b := put("in "+name[:min(len(name), 200)]+fmt.Sprint(i), name)
		r.apply(b)
	}
	r.kill()
	for i, name := range all {
		if got := r.events(name); len(got) != 1 || string(got[0].Data) != fmt.Sprint(i) {
			r.t.Errorf("log %q has %v", name, got)
		}
		r.one(name)
		r.none(name)
	}
}

func namesByPrefix(r *rig) {
	for _, n := range []string{"run/1", "run/2", "run/3", "session/1", "run", "\xf0\x9f\x98\x80"} {
		r.apply(event(n, "e"))
	}
	other := event("run/umbra", "e")
	other.Tenant = "umbra"
	r.apply(other)
	list := func(owner, prefix string) []string {
		var out []string
		q := driver.Query{Tenant: owner, Logs: true, Prefix: prefix, Max: 2}
		for range 20 {
			f := r.find(q)
			for _, l := range f.Logs {
				out = append(out, l.Tenant+" "+l.Log)
			}
			if q.After = f.Next; len(f.Next) == 0 {
				break
			}
		}
		slices.Sort(out)
		return out
	}
	for _, c := range []struct{ owner, prefix, want string }{
		{tenant, "run/", "[acme run/1 acme run/2 acme run/3]"},
		{tenant, "nothing", "[]"},
		{"umbra", "", "[umbra run/umbra]"},
		{"", "run/", "[acme run/1 acme run/2 acme run/3 umbra run/umbra]"},
	} {
		if got := fmt.Sprint(list(c.owner, c.prefix)); got != c.want {
			r.t.Errorf("logs of %q with prefix %q are %s, want %s", c.owner, c.prefix, got, c.want)
		}
	}
}

func bigEvent(r *rig) {
	data := bytes.Repeat([]byte("event bytes 1234"), 1<<20/16)
	for range 3 {
		r.apply(event("l", string(data)))
	}
	r.kill()
	got := r.events("l")
	if len(got) != 3 || !bytes.Equal(got[2].Data, data) {
		r.t.Fatalf("%d events came back, want 3 whole ones", len(got))
	}
}
