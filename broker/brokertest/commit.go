package brokertest

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func commitCases() []testCase {
	return []testCase{
		{"Commit/AllTogether", nil, allTogether},
		{"Commit/StaleSettleChangesNothing", nil, staleChangesNothing},
		{"Commit/FailedPartsChangeNothing", nil, failedParts},
		{"Commit/FailedConditionChangesNothing", []Capability{Conditions, Counters}, failedCondition},
		{"Commit/NeighboursUndisturbed", nil, neighbours},
		{"Commit/TimeRises", nil, timeRises},
		{"Commit/ManyParts", nil, manyParts},
		{"Commit/BigBody", nil, bigBody},
		{"Commit/SlicesAreCopied", nil, slicesCopied},
		{"Commit/CancelledContext", nil, cancelledContext},
		{"Decision/NewestOfOneCall", nil, newestDecision},
		{"Enqueue/NoOpWhileLive", nil, noOpWhileLive},
		{"Enqueue/KeyTellsApart", nil, keyTellsApart},
		{"Enqueue/RetainedMessage", nil, retainedMessage},
		{"Message/ExistingIDConflicts", nil, existingID},
	}
}

func allTogether(r *rig) {
	b := put("m1", "a", "b")
	b.Marks = []driver.Mark{{Key: "k", Hash: 1}}
	b.Appends = []driver.Append{{Log: "l", Data: []byte("e1")}, {Log: "l", Data: []byte("e2")}}
	b.Value = []byte("value")
	res := r.apply(b)
	if len(res.Appended) != 2 || res.Time.IsZero() || len(res.Position) == 0 || len(res.Position) > 64 {
		r.t.Fatalf("result is incomplete: %+v", res)
	}
	if got := r.events("l"); len(got) != 2 || string(got[0].Data) != "e1" || string(got[1].Data) != "e2" {
		r.t.Fatalf("log is %v", got)
	}
	for _, g := range []string{"a", "b"} {
		l := r.one(g)
		if string(l.Body) != "body of m1" || string(l.Info) != "why "+g || l.MessageID != "m1" || l.Attempt != 1 || l.Priority != 4 {
			r.t.Errorf("group %s got %+v", g, l)
		}
		if l.Enqueued.IsZero() || !l.Expires.After(l.Enqueued) || len(l.Token) == 0 || len(l.Token) > 128 {
			r.t.Errorf("group %s: lease is incomplete: %+v", g, l)
		}
	}
}

// full is a batch with every kind of part that all engines have; it must leave no trace when it fails.
func full(id string) *driver.Batch {
	b := put(id, "full")
	b.Marks = []driver.Mark{{Key: "mark of " + id, Hash: 1}}
	b.Producer = &driver.Producer{ID: "producer of " + id, Seq: 1}
	b.Appends = []driver.Append{{Log: "log of " + id, Data: []byte("event")}}
	return b
}

// untouched asserts that a failed full batch left nothing, by committing it without its fault.
func (r *rig) untouched(id string) {
	r.t.Helper()
	if f := r.find(driver.Query{Message: id}); f.Message != nil || len(f.Deliveries) != 0 {
		r.t.Fatalf("message %s of a failed batch is stored", id)
	}
	r.none("full")
	if got := r.events("log of " + id); len(got) != 0 {
		r.t.Fatalf("the log of a failed batch has %d events", len(got))
	}
	r.apply(full(id))
	if l := r.one("full"); l.MessageID != id {
		r.t.Fatalf("got %s, want %s", l.MessageID, id)
	}
}

func staleChangesNothing(r *rig) {
	r.apply(put("cause", "work"))
	l := r.one("work")
	r.apply(done(l.Token))
	b := full("out")
	b.Settles = []driver.Settle{{Token: l.Token}}
	r.refuse(b, semabus.ReasonAlreadySettled)
	r.untouched("out")
}

func failedParts(r *rig) {
	r.apply(put("known", "known"))
	for name, c := range map[string]struct {
		reason string
		spoil  func(*driver.Batch)
	}{
		"unknown message": {semabus.ReasonNotFound, func(b *driver.Batch) {
			b.Deliveries = append(b.Deliveries, driver.Enqueue{MessageID: "unknown", Group: "g"})
		}},
		"unknown decision": {semabus.ReasonNotFound, func(b *driver.Batch) {
			b.Decisions = append(b.Decisions, driver.Decision{MessageID: "unknown", Decision: []byte("d")})
		}},
		"existing message": {semabus.ReasonExists, func(b *driver.Batch) { b.Messages = append(b.Messages, message("known")) }},
		"garbled token": {semabus.ReasonStaleLease, func(b *driver.Batch) {
			b.Settles = append(b.Settles, driver.Settle{Token: []byte("garbled")})
		}},
	} {
		b := full(name)
		c.spoil(b)
		r.refuse(b, c.reason)
		r.untouched(name)
	}
}

func failedCondition(r *rig) {
	r.apply(&driver.Batch{
		Tenant: tenant, Appends: []driver.Append{{Log: "l", Data: []byte("e")}},
		Counters: []driver.Counter{{Key: "c", Add: 5}},
	})
	for name, c := range map[string]driver.Condition{
		"log":     {Log: "l"},
		"foreign": {Log: "empty", Position: semabus.Position("nowhere")},
		"counter": {Counter: "c", AtMost: 4},
	} {
		b := full(name)
		b.Counters = []driver.Counter{{Key: "counter of " + name, Add: 1}}
		b.Conditions = []driver.Condition{c}
		r.refuse(b, "")
		if n := r.counter("counter of " + name); n != 0 {
			r.t.Fatalf("the counter of a failed batch is %d", n)
		}
		r.untouched(name)
	}
}

func neighbours(r *rig) {
	bad := full("bad")
	bad.Deliveries = append(bad.Deliveries, driver.Enqueue{MessageID: "unknown", Group: "g"})
	later := &driver.Batch{Tenant: tenant, Deliveries: []driver.Enqueue{{MessageID: "first", Group: "later"}}}
	res := r.commit(put("first", "n"), bad, put("third", "n"), later)
	if !res[0].Applied || res[1].Applied || !res[2].Applied || !res[3].Applied {
		r.t.Fatalf("results are %+v", res)
	}
	r.takes(request("n", 1), "first", "third")
	r.takes(request("later", 1), "first")
	r.untouched("bad")
}

func timeRises(r *rig) {
	var last driver.Result
	for i, id := range ids("m", 20) {
		res := r.apply(put(id, "g"))
		if i > 0 && !res.Time.After(last.Time) {
			r.t.Fatalf("time of commit %d is %v, after %v", i, res.Time, last.Time)
		}
		last = res
	}
	rs := r.commit(put("x", "g"), put("y", "g"))
	if !rs[1].Time.After(rs[0].Time) || !rs[0].Time.After(last.Time) {
		r.t.Fatalf("times of one call are %v, %v", rs[0].Time, rs[1].Time)
	}
}

func manyParts(r *rig) {
	const n = 300
	b := &driver.Batch{Tenant: tenant}
	for i, id := range ids("m", n) {
		b.Messages = append(b.Messages, message(id))
		for _, g := range []string{"a", "b", "c"} {
			b.Deliveries = append(b.Deliveries, driver.Enqueue{MessageID: id, Group: g})
		}
		b.Appends = append(b.Appends, driver.Append{Log: "l" + string(rune('0'+i%10)), Data: []byte(id)})
	}
	if res := r.apply(b); len(res.Appended) != n {
		r.t.Fatalf("%d positions for %d appends", len(res.Appended), n)
	}
	got := r.lease(request("b", n+10))
	if len(got) != n {
		r.t.Fatalf("leased %d of %d", len(got), n)
	}
	tokens := make([][]byte, n)
	for i, want := range ids("m", n) {
		if got[i].MessageID != want {
			r.t.Fatalf("place %d is %s, want %s", i, got[i].MessageID, want)
		}
		tokens[i] = got[i].Token
	}
	r.apply(done(tokens...))
	r.none("b")
}

func bigBody(r *rig) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	if most := r.d.Caps().MaxBatchBytes; most < len(body)+64<<10 {
		r.t.Fatalf("MaxBatchBytes is %d: a message of 4 MiB must fit", most)
	}
	b := put("big", "g")
	b.Messages[0].Body = body
	r.apply(b)
	if l := r.one("g"); !bytes.Equal(l.Body, body) {
		r.t.Fatal("the body came back changed")
	}
	if f := r.find(driver.Query{Message: "big"}); f.Message == nil || !bytes.Equal(f.Message.Body, body) {
		r.t.Fatal("the stored body is changed")
	}
}

func slicesCopied(r *rig) {
	b := put("m", "g")
	b.Appends = []driver.Append{{Log: "l", Data: []byte("event")}}
	b.Marks = []driver.Mark{{Key: "k", Hash: 1}}
	b.Value = []byte("value")
	r.apply(b)
	for _, p := range [][]byte{b.Messages[0].Body, b.Messages[0].Decision, b.Deliveries[0].Info, b.Appends[0].Data, b.Value} {
		clear(p)
	}
	l := r.one("g")
	if string(l.Body) != "body of m" || string(l.Info) != "why g" {
		r.t.Errorf("the engine kept the caller's slices: %q, %q", l.Body, l.Info)
	}
	if f := r.find(driver.Query{Message: "m"}); string(f.Message.Decision) != "decision on m" {
		r.t.Errorf("the engine kept the caller's decision: %q", f.Message.Decision)
	}
	if got := r.events("l"); string(got[0].Data) != "event" {
		r.t.Errorf("the engine kept the caller's event: %q", got[0].Data)
	}
	again := put("m2", "g")
	again.Marks = b.Marks
	if res := r.commit(again)[0]; string(res.Value) != "value" {
		r.t.Errorf("the engine kept the caller's value: %q", res.Value)
	}
}

func cancelledContext(r *rig) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	res, err := r.d.Commit(ctx, []*driver.Batch{put("m", "g")})
	stored := r.find(driver.Query{Message: "m"}).Message != nil
	if err == nil && (len(res) != 1 || !res[0].Applied || !stored) {
		r.t.Errorf("Commit reports success and stored nothing: %+v", res)
	}
	if err != nil && len(res) == 0 && stored {
		r.t.Errorf("Commit failed with %v and stored the message", err)
	}
	q := request("empty", 1)
	q.Wait = patience
	if got, err := r.d.Lease(ctx, q); len(got) != 0 || err != nil && !cancelled(err) {
		r.t.Errorf("Lease returned %v, %v", got, err)
	}
	if got, err := r.d.Read(ctx, &driver.ReadRequest{Tenant: tenant, Log: "l", Max: 1, Wait: patience}); len(got) != 0 || err != nil && !cancelled(err) {
		r.t.Errorf("Read returned %v, %v", got, err)
	}
	r.apply(put("after", "after"))
	r.one("after")
}

// newestDecision: of two decisions that become durable together the later one counts, and an empty one is one too.
func newestDecision(r *rig) {
	r.apply(put("m", "g"))
	decide := func(d string) *driver.Batch {
		return &driver.Batch{Tenant: tenant, Decisions: []driver.Decision{{MessageID: "m", Decision: []byte(d)}}}
	}
	both := decide("third")
	both.Decisions = append(both.Decisions, decide("fourth").Decisions...)
	for _, c := range []struct {
		batches []*driver.Batch
		want    string
	}{
		{[]*driver.Batch{decide("first"), decide("second")}, "second"},
		{[]*driver.Batch{both}, "fourth"},
		{[]*driver.Batch{decide("fifth"), decide("")}, ""},
		{[]*driver.Batch{decide(""), decide("sixth")}, "sixth"},
	} {
		r.commit(c.batches...)
		if f := r.find(driver.Query{Message: "m"}); string(f.Message.Decision) != c.want {
			r.t.Fatalf("the decision is %q, want %q", f.Message.Decision, c.want)
		}
	}
	r.kill()
	if f := r.find(driver.Query{Message: "m"}); string(f.Message.Decision) != "sixth" {
		r.t.Fatalf("after the crash the decision is %q", f.Message.Decision)
	}
}

func noOpWhileLive(r *rig) {
	r.apply(put("m", "g"))
	again := &driver.Batch{Tenant: tenant, Deliveries: []driver.Enqueue{{MessageID: "m", Group: "g"}, {MessageID: "m", Group: "g"}}}
	r.apply(again)
	l := r.one("g")
	r.apply(again)
	r.none("g")
	r.apply(done(l.Token))
	r.none("g")
	r.apply(again)
	l = r.one("g")
	if l.Attempt != 1 {
		r.t.Errorf("a new delivery starts at attempt %d", l.Attempt)
	}
	r.none("g")
	r.apply(done(l.Token))
}

func keyTellsApart(r *rig) {
	r.apply(&driver.Batch{Tenant: tenant, Messages: []driver.Message{message("m")}, Deliveries: []driver.Enqueue{
		{MessageID: "m", Group: "g", Key: "a", Info: []byte("a")}, {MessageID: "m", Group: "g", Key: "b", Info: []byte("b")},
		{MessageID: "m", Group: "g", Key: "a", Info: []byte("a")},
	}})
	got := r.lease(request("g", 10))
	if len(got) != 2 || string(got[0].Info) != "a" || string(got[1].Info) != "b" {
		r.t.Fatalf("got %d deliveries, want those of keys a and b", len(got))
	}
	r.apply(done(got[0].Token))
	r.refuse(done(got[0].Token), semabus.ReasonAlreadySettled)
	r.apply(done(got[1].Token))
}

func retainedMessage(r *rig) {
	r.apply(put("m", "a"))
	r.apply(&driver.Batch{Tenant: tenant, Deliveries: []driver.Enqueue{{MessageID: "m", Group: "b", Info: []byte("late")}}})
	if l := r.one("b"); string(l.Body) != "body of m" || string(l.Info) != "late" {
		r.t.Fatalf("got %+v", l)
	}
	r.apply(done(r.one("a").Token))
	r.apply(&driver.Batch{Tenant: tenant, Deliveries: []driver.Enqueue{{MessageID: "m", Group: "c"}}})
	r.one("c")
}

func existingID(r *rig) {
	r.apply(put("m", "g"))
	other := put("m", "other")
	other.Messages[0].Body = []byte("another body")
	r.refuse(other, semabus.ReasonExists)
	r.none("other")
	twice := put("twice", "other")
	twice.Messages = append(twice.Messages, message("twice"))
	r.refuse(twice, semabus.ReasonExists)
	if l := r.one("g"); string(l.Body) != "body of m" {
		r.t.Fatalf("the body is %q", l.Body)
	}
}

// undeclared asserts that what the engine does not declare is refused as UNIMPLEMENTED.
func undeclared(r *rig, has map[Capability]bool) {
	batch := map[Capability]func(*driver.Batch){
		Conditions: func(b *driver.Batch) { b.Conditions = []driver.Condition{{Log: "l"}} },
		Counters:   func(b *driver.Batch) { b.Counters = []driver.Counter{{Key: "c", Add: 1}} },
		DeliverAt:  func(b *driver.Batch) { b.Deliveries[0].DeliverAt = clock.Now().Add(far) },
	}
	for c, add := range batch {
		if has[c] {
			continue
		}
		b := put(fmt.Sprintf("needs %s", c), "g")
		add(b)
		res, err := r.d.Commit(r.ctx(), []*driver.Batch{b})
		if err == nil && len(res) == 1 {
			err = res[0].Failed
		}
		wantUnimplemented(r.t, c, err)
	}
	if !has[SessionOrder] {
		q := request("g", 1)
		q.SessionOrder = true
		_, err := r.d.Lease(r.ctx(), q)
		wantUnimplemented(r.t, SessionOrder, err)
	}
}

func wantUnimplemented(t *testing.T, c Capability, err error) {
	t.Helper()
	if semabus.CodeOf(err) != semabus.CodeUnimplemented {
		t.Errorf("%s is not declared: the engine answered %v, want UNIMPLEMENTED", c, err)
	}
}
