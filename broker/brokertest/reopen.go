package brokertest

import (
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/broker/driver"
)

func reopenCases() []testCase {
	return []testCase{
		{"Reopen/LosesNothing", []Capability{Durable}, reopenAll},
		{"Reopen/AfterConcurrentCommits", []Capability{Durable}, reopenConcurrent},
		{"Reopen/ManyTimes", []Capability{Durable}, reopenMany},
		{"Reopen/Empty", nil, reopenEmpty},
	}
}

func reopenAll(r *rig) {
	for _, id := range ids("m", 30) {
		b := put(id, "g", "h")
		b.Marks = []driver.Mark{{Key: "k" + id, Hash: 1}}
		b.Value = []byte("v" + id)
		b.Appends = []driver.Append{{Log: "l", Data: []byte(id)}}
		r.apply(b)
	}
	for _, l := range r.lease(request("g", 10)) {
		r.apply(done(l.Token))
	}
	r.kill()
	left := r.lease(request("g", 100))
	if !slices.Equal(names(left), ids("m", 30)[10:]) {
		r.t.Fatalf("after the crash group g has %v", names(left))
	}
	if got := r.lease(request("h", 100)); !slices.Equal(names(got), ids("m", 30)) {
		r.t.Fatalf("after the crash group h has %v", names(got))
	}
	if got := r.events("l"); len(got) != 30 {
		r.t.Fatalf("after the crash the log has %d events", len(got))
	}
	for _, id := range ids("m", 30) {
		b := put(id+"again", "g")
		b.Marks = []driver.Mark{{Key: "k" + id, Hash: 1}}
		r.repeats(b, "v"+id)
		if f := r.find(driver.Query{Message: id}); f.Message == nil || string(f.Message.Body) != "body of "+id {
			r.t.Fatalf("after the crash message %s is %+v", id, f.Message)
		}
	}
	last := r.events("l")[29]
	if res := r.apply(event("l", "after")); !res.Time.After(last.Time) {
		r.t.Fatalf("time went back across the crash: %v, %v", last.Time, res.Time)
	}
}

func reopenConcurrent(r *rig) {
	const writers, each = 6, 25
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			for _, id := range ids(fmt.Sprint("w", w, "-"), each) {
				if res, err := r.d.Commit(r.ctx(), []*driver.Batch{put(id, "g")}); err != nil || !res[0].Applied {
					return fmt.Errorf("not applied: %v, %w", res, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	r.kill()
	got := names(r.lease(request("g", 10*writers*each)))
	slices.Sort(got)
	if len(got) != writers*each || len(slices.Compact(got)) != writers*each {
		r.t.Fatalf("%d deliveries after the crash, %d were acknowledged", len(got), writers*each)
	}
}

func reopenMany(r *rig) {
	for i, id := range ids("m", 8) {
		r.apply(put(id, "g"))
		r.kill()
		l := r.one("g")
		if l.MessageID != id {
			r.t.Fatalf("round %d got %s", i, l.MessageID)
		}
		r.apply(done(l.Token))
	}
	r.kill()
	r.none("g")
}

func reopenEmpty(r *rig) {
	r.kill()
	r.none("g")
	r.kill()
	r.apply(put("m", "g"))
	r.one("g")
}
