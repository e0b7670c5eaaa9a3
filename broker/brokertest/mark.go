package brokertest

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func markCases() []testCase {
	return []testCase{
		{"Mark/Duplicate", nil, markDuplicate},
		{"Mark/Conflict", nil, markConflict},
		{"Mark/AnyOfSeveral", nil, markAny},
		{"Mark/InsideOneCall", nil, markInsideCall},
		{"Mark/Window", nil, markWindow},
		{"Mark/ConcurrentOnce", nil, markConcurrent},
		{"Producer/HighWater", nil, producerHighWater},
		{"Producer/ConcurrentOnce", nil, producerConcurrent},
	}
}

// marked is a batch with one message and marks; value is stored with them.
func marked(id, value string, hash uint64, keys ...string) *driver.Batch {
	b := put(id, "marked")
	for _, k := range keys {
		b.Marks = append(b.Marks, driver.Mark{Key: k, Hash: hash, Until: clock.Now().Add(far)})
	}
	b.Value = []byte(value)
	return b
}

// repeats commits a batch that must be a duplicate with the value.
func (r *rig) repeats(b *driver.Batch, value string) {
	r.t.Helper()
	res := r.commit(b)[0]
	if res.Applied || !res.Duplicate || res.Conflict || res.Failed != nil || string(res.Value) != value {
		r.t.Fatalf("got %+v, want a duplicate with value %q", res, value)
	}
}

func markDuplicate(r *rig) {
	r.apply(marked("m1", "first", 1, "k"))
	r.repeats(marked("m1", "again", 1, "k"), "first")
	r.repeats(marked("m2", "again", 1, "k"), "first")
	if f := r.find(driver.Query{Message: "m2"}); f.Message != nil {
		r.t.Fatal("a duplicate stored its message")
	}
	if got := r.lease(request("marked", 10)); len(got) != 1 {
		r.t.Fatalf("%d deliveries, want 1", len(got))
	}
	r.kill()
	r.repeats(marked("m1", "again", 1, "k"), "first")
}

func markConflict(r *rig) {
	r.apply(marked("m1", "first", 1, "k"))
	res := r.commit(marked("m2", "other", 2, "k"))[0]
	if res.Applied || !res.Conflict {
		r.t.Fatalf("got %+v, want a conflict", res)
	}
	if f := r.find(driver.Query{Message: "m2"}); f.Message != nil {
		r.t.Fatal("a conflict stored its message")
	}
	r.repeats(marked("m1", "again", 1, "k"), "first")
}

func markAny(r *rig) {
	r.apply(marked("m1", "one", 1, "k1"))
	r.apply(marked("m2", "two", 1, "k2"))
	r.repeats(marked("m3", "three", 1, "k3", "k2", "k1"), "two")
	r.apply(marked("m3", "three", 1, "k3"))
}

func markInsideCall(r *rig) {
	res := r.commit(marked("m1", "first", 1, "k"), marked("m2", "second", 1, "k"), marked("m3", "third", 3, "k"))
	if !res[0].Applied || !res[1].Duplicate || string(res[1].Value) != "first" || !res[2].Conflict {
		r.t.Fatalf("got %+v", res)
	}
}

func markWindow(r *rig) {
	b := put("m1", "g")
	b.Marks = []driver.Mark{{Key: "short", Hash: 1, Until: clock.Now().Add(brief)}, {Key: "long", Hash: 1, Until: clock.Now().Add(far)}}
	r.apply(b)
	r.elapse(2 * brief)
	r.until("the key is free after its window", func() bool { return r.commit(marked("m2", "", 2, "short"))[0].Applied })
	r.repeats(marked("m3", "", 1, "long"), "")
}

func markConcurrent(r *rig) {
	const keys, tries = 20, 8
	var applied atomic.Int64
	var g errgroup.Group
	for try := range tries {
		g.Go(func() error {
			for _, k := range ids("k", keys) {
				res, err := r.d.Commit(r.ctx(), []*driver.Batch{marked(fmt.Sprintf("%s-%d", k, try), "v", 1, k)})
				switch {
				case err != nil:
					return err
				case res[0].Applied:
					applied.Add(1)
				case !res[0].Duplicate:
					return fmt.Errorf("result is %+v", res[0])
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	if n := applied.Load(); n != keys {
		r.t.Errorf("%d commits applied for %d keys", n, keys)
	}
	if got := r.lease(request("marked", 1000)); len(got) != keys {
		r.t.Errorf("%d deliveries for %d keys", len(got), keys)
	}
}

func produced(producer string, seq uint64) *driver.Batch {
	b := put(fmt.Sprintf("%s/%d", producer, seq), "produced")
	b.Producer = &driver.Producer{ID: producer, Seq: seq}
	return b
}

func producerHighWater(r *rig) {
	spoiled := produced("p", 5)
	spoiled.Deliveries[0].MessageID = "unknown"
	dup := func(seq uint64) {
		r.t.Helper()
		if res := r.commit(produced("p", seq))[0]; res.Applied || !res.Duplicate {
			r.t.Fatalf("sequence %d: %+v, want a duplicate", seq, res)
		}
	}
	r.apply(produced("p", 1))
	dup(1)
	r.apply(produced("p", 3))
	dup(2)
	dup(3)
	r.apply(produced("q", 1))
	r.refuse(spoiled, semabus.ReasonNotFound)
	r.apply(produced("p", 5))
	r.kill()
	dup(5)
	dup(4)
	r.apply(produced("p", 6))
	other := produced("p", 1)
	other.Tenant = "umbra"
	r.apply(other)
}

func producerConcurrent(r *rig) {
	const last = 40
	var applied atomic.Int64
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			for seq := uint64(1); seq <= last; seq++ {
				res, err := r.d.Commit(r.ctx(), []*driver.Batch{produced("p", seq)})
				if err != nil {
					return err
				}
				if res[0].Applied {
					applied.Add(1)
				} else if !res[0].Duplicate {
					return fmt.Errorf("sequence %d: %+v", seq, res[0])
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	if got := r.lease(request("produced", 1000)); int64(len(got)) != applied.Load() || len(got) != last {
		r.t.Errorf("%d deliveries, %d applied, want %d", len(got), applied.Load(), last)
	}
}
