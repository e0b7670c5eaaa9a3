package broker_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

func TestWhatWasStoredComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	m := full0()
	m.DeliverAt, m.TTL = time.Time{}, 0
	c := put(m, "desk", "audit")
	done := one(t, b, c)
	d := lease(t, b, "desk")
	if diff := cmp.Diff(m, d.Message); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(c.Entries[0].Groups[0].Match, d.Match); diff != "" || d.Attempt != 1 || d.Group != "desk" {
		t.Errorf("delivery %+v, match (-want +got):\n%s", d, diff)
	}
	rec, err := b.Message(t.Context(), tenant, m.ID)
	must(t, err)
	if diff := cmp.Diff(c.Entries[0].Decision, rec.Decision); diff != "" || len(rec.Deliveries) != 2 || string(rec.Position) != string(done.Position) {
		t.Errorf("record %+v, decision (-want +got):\n%s", rec, diff)
	}
	page, next, err := b.Browse(t.Context(), tenant, "audit", nil, 10)
	must(t, err)
	if len(page) != 1 || len(next) != 0 || page[0].Message.ID != m.ID || page[0].Deliveries[0].Group != "audit" {
		t.Errorf("browse: %+v, %x", page, next)
	}
	h, err := b.Holder(t.Context(), tenant, d.Lease.Token)
	must(t, err)
	if h.Message.ID != m.ID || h.Match.Intent != "i" || h.Delivery.Group != "desk" {
		t.Errorf("holder: %+v", h)
	}
}

func TestRepeatsGetTheFirstResult(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	for name, mark := range map[string]func(c *broker.Commit, hash uint64){
		"op id":     func(c *broker.Commit, hash uint64) { c.OpID, c.OpHash = "op", hash },
		"dedup key": func(c *broker.Commit, hash uint64) { c.DedupKey, c.DedupHash = "op", hash },
		"ops": func(c *broker.Commit, hash uint64) {
			c.Ops = []broker.Op{{ID: "op-1", Hash: hash}, {ID: "op-2", Hash: hash}}
		},
	} {
		commit := func(id string, hash uint64) broker.Committed {
			c := put(message(name+id), "g")
			c.Value = []byte("value of " + id)
			mark(c, hash)
			done, err := b.Commit(t.Context(), []*broker.Commit{c})
			must(t, err)
			return done[0]
		}
		if first := commit("1", 7); !first.Applied {
			t.Fatalf("%s: %+v", name, first)
		}
		if again := commit("2", 7); !again.Duplicate || again.Applied || string(again.Value) != "value of 1" || again.Err != nil {
			t.Errorf("%s, repeated: %+v", name, again)
		}
		other := commit("3", 8)
		if semabus.ReasonOf(other.Err) != semabus.ReasonDuplicateMismatch || semabus.CodeOf(other.Err) != semabus.CodeAlreadyExists {
			t.Errorf("%s, with another body: %+v", name, other)
		}
		for _, id := range []string{"2", "3"} {
			if _, err := b.Message(t.Context(), tenant, name+id); semabus.CodeOf(err) != semabus.CodeNotFound {
				t.Errorf("%s: the repeat stored its message: %v", name, err)
			}
		}
	}
}

func TestRepeatedSequenceIsFoundByItsMessage(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	produce := func(seq uint64, m *semabus.Message) broker.Committed {
		c := put(m, "g")
		c.Producer = &driver.Producer{ID: "p", Seq: seq}
		done, err := b.Commit(t.Context(), []*broker.Commit{c})
		must(t, err)
		return done[0]
	}
	first := produce(1, message("a"))
	again := produce(1, message("a"))
	if !again.Duplicate || again.Err != nil || len(again.First) != 1 || string(again.First[0].Position) != string(first.Position) {
		t.Errorf("repeated: %+v", again)
	}
	changed := message("a")
	changed.Text = "another body"
	if other := produce(1, changed); semabus.ReasonOf(other.Err) != semabus.ReasonDuplicateMismatch {
		t.Errorf("another body: %+v", other)
	}
	if e, _ := semabus.AsError(produce(1, changed).Err); e.Field != "sequence" {
		t.Errorf("it blames %s", e.Field)
	}
	if gone := produce(1, message("never stored")); !gone.Duplicate || gone.First[0] != nil {
		t.Errorf("an unknown message under a known sequence: %+v", gone)
	}
}

// TestHashOfWhatWasSaid: the bus extracts texts, and a repeat is compared by what the publisher said.
func TestHashOfWhatWasSaid(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	said := message("a")
	hash := broker.Fingerprint(said)
	c := put(said, "g")
	c.Producer, c.Entries[0].Hash = &driver.Producer{ID: "p", Seq: 1}, hash
	said.Text = "extracted"
	one(t, b, c)
	again := put(message("a"), "g")
	again.Producer = c.Producer
	done, err := b.Commit(t.Context(), []*broker.Commit{again})
	must(t, err)
	if !done[0].Duplicate || done[0].Err != nil {
		t.Errorf("got %+v", done[0])
	}
}

func TestDelayIsFullJitter(t *testing.T) {
	t.Parallel()
	p := broker.RetryPolicy{Base: time.Second, Cap: time.Minute}
	for attempt, seconds := range map[int]int{0: 1, 1: 1, 2: 2, 3: 4, 6: 32, 7: 60, 8: 60, 63: 60, 64: 60, 1000: 60} {
		most := time.Duration(seconds) * time.Second
		if got := p.Delay(attempt, 0); got != 0 {
			t.Errorf("attempt %d: the least delay is %v", attempt, got)
		}
		if got := p.Delay(attempt, 0.5); got != most/2 {
			t.Errorf("attempt %d: the middle is %v, want %v", attempt, got, most/2)
		}
	}
	if got := (broker.RetryPolicy{}).Delay(1, 0.999); got > broker.DefaultRetryBase || got < broker.DefaultRetryBase*9/10 {
		t.Errorf("the default's first delay is up to %v", got)
	}
	if got := (broker.RetryPolicy{Base: time.Hour, Cap: time.Minute}).Delay(1, 0.5); got != 30*time.Second {
		t.Errorf("a base over the cap: %v", got)
	}
}

func TestRetriesEndInTheDeadLetters(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	m := message("m")
	m.Session, m.Priority, m.TraceParent = "s", 7, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	one(t, b, put(m, "g"))
	for attempt := 1; attempt <= 3; attempt++ {
		d := lease(t, b, "g")
		if diff := cmp.Diff(m, d.Message); diff != "" || d.Attempt != attempt {
			t.Fatalf("attempt %d is %d (-want +got):\n%s", attempt, d.Attempt, diff)
		}
		c := settle(d, semabus.SettleRetry, fmt.Sprint("error ", attempt, strings.Repeat("é", 2000)))
		c.Settles[0].Policy = broker.RetryPolicy{MaxAttempts: 3}
		one(t, b, c)
	}
	none(t, b, "g")
	page, _, err := b.Browse(t.Context(), tenant, semabus.GroupDeadLetter, nil, 10)
	must(t, err)
	if len(page) != 1 {
		t.Fatalf("%d dead letters", len(page))
	}
	dl, err := broker.DecodeDeadLetter(page[0].Deliveries[0].Info)
	must(t, err)
	if dl.Group != "g" || dl.Reason != broker.DeadExhausted || dl.Attempts != 3 || len(dl.Errors) != 3 || dl.Match.Intent != "i" {
		t.Errorf("dead letter %+v", dl)
	}
	for i, e := range dl.Errors {
		if !strings.HasPrefix(e, fmt.Sprint("error ", i+1)) || len(e) > broker.MaxErrorBytes || strings.ToValidUTF8(e, "") != e {
			t.Errorf("error %d is %q", i, e)
		}
	}
	if d := lease(t, b, semabus.GroupDeadLetter); d.Message.ID != "m" || d.Match.Intent != "i" {
		t.Errorf("leased dead letter %+v", d)
	}
}

func TestPoisonThrottledAndNotForMe(t *testing.T) {
	t.Parallel()
	seen := &watcher{}
	b := setup(t, broker.Options{Observer: seen})
	one(t, b, put(message("poison"), "g"))
	one(t, b, settle(lease(t, b, "g"), semabus.SettlePoison, "cannot work"))
	none(t, b, "g")
	dead := lease(t, b, semabus.GroupDeadLetter)
	one(t, b, settle(dead, semabus.SettlePoison, "nor here")) // a dead letter's end
	none(t, b, semabus.GroupDeadLetter)

	one(t, b, put(message("busy"), "g"))
	for range 5 {
		d := lease(t, b, "g")
		if d.Attempt != 1 {
			t.Fatalf("being throttled cost an attempt: %d", d.Attempt)
		}
		c := settle(d, semabus.SettleThrottled, "")
		c.Settles[0].Policy = broker.RetryPolicy{MaxAttempts: 1}
		one(t, b, c)
	}
	one(t, b, settle(lease(t, b, "g"), semabus.SettleNotForMe, ""))
	none(t, b, "g")
	none(t, b, semabus.GroupDeadLetter)
	want := []string{"poison POISON", "poison ", "throttled ", "throttled ", "throttled ", "throttled ", "throttled ", "not_for_me "}
	if diff := cmp.Diff(want, seen.settled); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	one(t, b, put(message("m"), "g"))
	c := settle(lease(t, b, "g"), semabus.SettleRetry, "later")
	c.Settles[0].RetryAfter = time.Hour
	one(t, b, c)
	none(t, b, "g")
	rec, err := b.Message(t.Context(), tenant, "m")
	must(t, err)
	if d := rec.Deliveries[0]; d.State != driver.StateDelayed || time.Until(d.Due) < 50*time.Minute {
		t.Errorf("delivery %+v", d)
	}
}

func TestLoopAndOverflowReasons(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	loop := put(message("loop"), semabus.GroupDeadLetter)
	loop.Entries[0].Decision.Outcome = semabus.OutcomeLoop
	loop.Entries[0].Groups[0].Match = semabus.Match{Group: "ring", Reason: semabus.MissLoop}
	over := put(message("over"), semabus.GroupDeadLetter, "other")
	over.Entries[0].Groups[0].Dead = broker.DeadOverflow
	over.Entries[0].Groups[0].Match.Group = "slow"
	one(t, b, loop)
	one(t, b, over)
	page, _, err := b.Browse(t.Context(), tenant, semabus.GroupDeadLetter, nil, 10)
	must(t, err)
	got := map[string]string{}
	for _, r := range page {
		dl, err := broker.DecodeDeadLetter(r.Deliveries[0].Info)
		must(t, err)
		got[r.Message.ID] = dl.Group + " " + dl.Reason
	}
	if diff := cmp.Diff(map[string]string{"loop": "ring LOOP", "over": "slow OVERFLOW"}, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
	lease(t, b, "other")
}

func TestRetainedMessagesAreDecidedLater(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	m := message("m")
	m.TTL, m.DeliverAt = time.Nanosecond, time.Now().Add(time.Hour) // neither counts while it waits for its decision
	c := put(m, semabus.GroupIngress)
	c.Entries[0].Decision = nil
	one(t, b, c)
	w := lease(t, b, semabus.GroupIngress)
	decided := put(message("m"), "g")
	decided.Entries[0].Retained = true
	decided.Settles = []broker.Settle{{Token: w.Lease.Token, Outcome: semabus.SettleDone}}
	one(t, b, decided)
	lease(t, b, "g")
	rec, err := b.Message(t.Context(), tenant, "m")
	must(t, err)
	if rec.Decision == nil || rec.Message.Text != "text of m" {
		t.Errorf("record %+v", rec)
	}
}

// watcher keeps what it is told.
type watcher struct {
	mu      sync.Mutex
	settled []string
}

func (w *watcher) Committed(int, int, time.Duration) {}
func (w *watcher) Leased(string, string, int)        {}
func (w *watcher) Settled(o semabus.SettleOutcome, dead string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settled = append(w.settled, o.String()+" "+dead)
}
