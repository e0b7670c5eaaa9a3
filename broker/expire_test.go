package broker_test

import (
	"slices"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// letter reads the only dead letter of a group.
func letter(t testing.TB, b *broker.Broker, group string) *broker.DeadLetter {
	t.Helper()
	page, _, err := b.Browse(t.Context(), tenant, semabus.GroupDeadLetter, nil, 0)
	must(t, err)
	var found []*broker.DeadLetter
	for i := range page {
		dl, err := broker.DecodeDeadLetter(page[i].Deliveries[0].Info)
		must(t, err)
		if dl.Group == group {
			found = append(found, dl)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d dead letters of %s, want 1", len(found), group)
	}
	return found[0]
}

// TestKillersEndInTheDeadLetters: a message whose every lease runs out is handed out MaxAttempts times and no more.
func TestKillersEndInTheDeadLetters(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	one(t, b, put(message("killer"), "g"))
	o := broker.LeaseOptions{Tenant: tenant, Group: "g", Member: "m1", For: time.Millisecond, Wait: 10 * time.Second, MaxAttempts: 3}
	for attempt := 1; attempt <= 3; attempt++ {
		ds, err := b.Lease(t.Context(), o)
		must(t, err)
		if len(ds) != 1 || ds[0].Attempt != attempt {
			t.Fatalf("attempt %d got %+v", attempt, ds)
		}
	}
	one(t, b, put(message("good"), "g")) // the killer stands before it
	o.For, o.Max = time.Minute, 1
	var got []string
	for range 2 { // the third lease may still run when we look first
		ds, err := b.Lease(t.Context(), o)
		must(t, err)
		for _, d := range ds {
			got = append(got, d.Message.ID)
		}
		if st, err := b.Depth(t.Context(), tenant, semabus.GroupDeadLetter); err != nil || st > 0 {
			break
		}
		o.Wait = time.Second
	}
	if !slices.Equal(got, []string{"good"}) {
		t.Fatalf("after three attempts came %q", got)
	}
	dl := letter(t, b, "g")
	if dl.Reason != broker.DeadExhausted || dl.Attempts != 3 || len(dl.Errors) != 3 || dl.Errors[0] != "the lease of m1 ran out" {
		t.Fatalf("the dead letter is %+v", dl)
	}
}

// TestExpiredAreAccountedFor: what nobody leased in time goes to the dead letters, or is dropped where the group wants that;
// once.
func TestExpiredAreAccountedFor(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	m := message("m")
	m.TTL = time.Millisecond
	one(t, b, put(m, "kept", "forgotten"))
	total := 0
	for total < 2 {
		n, err := b.Expire(t.Context(), func(_, group string) bool { return group == "forgotten" })
		must(t, err)
		total += n
	}
	if dl := letter(t, b, "kept"); dl.Reason != broker.DeadExpired || dl.Attempts != 0 || dl.Match.Intent != "i" {
		t.Fatalf("the dead letter is %+v", dl)
	}
	if n, err := b.Expire(t.Context(), func(string, string) bool { return false }); err != nil || n != 0 {
		t.Fatalf("%d accounted for again (%v)", n, err)
	}
	r, err := b.Message(t.Context(), tenant, "m")
	must(t, err)
	for _, d := range r.Deliveries {
		if d.Group != semabus.GroupDeadLetter && d.State != driver.StateExpired {
			t.Errorf("the delivery of %s is %+v", d.Group, d)
		}
	}
}
