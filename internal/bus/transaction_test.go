package bus_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/bus"
)

func prepare(t *testing.T, b *bus.Bus, m *semabus.Message, after time.Duration) bus.Transaction {
	t.Helper()
	tx, err := b.Prepare(t.Context(), alice, bus.Preparation{Message: m, Group: "shop", CheckAfter: after})
	must(t, err)
	return tx
}

func reason(t *testing.T, err error, want string) {
	t.Helper()
	if semabus.ReasonOf(err) != want {
		t.Fatalf("error is %v, want %s", err, want)
	}
}

// TestTransactionCommits: nobody sees a prepared message; committing delivers it once, whoever says so and how often, also after
// a restart.
func TestTransactionCommits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, done := open(t, dir)
	desk(t, b)
	tx := prepare(t, b, &semabus.Message{Text: "please refund my order"}, time.Hour)
	if ds := fetch(t, b, "refunds"); len(ds) != 0 {
		t.Fatal("a prepared message was delivered")
	}
	done()
	b, done = open(t, dir)
	defer done()
	first, err := b.Resolve(t.Context(), alice, "op", tx.ID, semabus.ResolutionCommit)
	must(t, err)
	again, err := b.Resolve(t.Context(), alice, "", tx.ID, semabus.ResolutionCommit)
	must(t, err)
	if first.ID != tx.MessageID || !first.Final || fmt.Sprint(first.Groups) != "[refunds]" || again.DuplicateOf != first.ID || fmt.Sprint(again.Groups) != "[refunds]" {
		t.Errorf("receipts %+v, %+v", first, again)
	}
	if ds := fetch(t, b, "refunds"); len(ds) != 1 || ds[0].Message.ID != tx.MessageID {
		t.Fatalf("refunds got %+v", ds)
	}
	_, err = b.Resolve(t.Context(), alice, "", tx.ID, semabus.ResolutionRollback)
	reason(t, err, semabus.ReasonTransactionEnded)
}

func TestTransactionRollsBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := prepare(t, b, &semabus.Message{To: "g", Text: "x"}, time.Hour)
	for range 2 {
		_, err := b.Resolve(t.Context(), alice, "", tx.ID, semabus.ResolutionRollback)
		must(t, err)
	}
	_, err := b.Resolve(t.Context(), alice, "", tx.ID, semabus.ResolutionCommit)
	reason(t, err, semabus.ReasonTransactionEnded)
	if ds := fetch(t, b, "g"); len(ds) != 0 {
		t.Error("a rolled back message was delivered")
	}
	for _, id := range []string{"", "garbage", "!!", tx.ID + "x"} {
		if _, err := b.Resolve(t.Context(), alice, "", id, semabus.ResolutionCommit); err == nil {
			t.Errorf("transaction %q was resolved", id)
		}
	}
	if _, err := b.Resolve(t.Context(), other, "", tx.ID, semabus.ResolutionRollback); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("another tenant hears %v", err)
	}
}

// TestTransactionHasOneEnd: of many who resolve at once one wins, and the message is delivered as that says.
func TestTransactionHasOneEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 20 {
		tx := prepare(t, b, &semabus.Message{To: fmt.Sprint("g", i), Text: "x"}, time.Hour)
		var committed, rolledBack atomic.Int64
		var g errgroup.Group
		for k := range 6 {
			g.Go(func() error {
				as, n := semabus.ResolutionCommit, &committed
				if k%2 == 0 {
					as, n = semabus.ResolutionRollback, &rolledBack
				}
				_, err := b.Resolve(t.Context(), alice, "", tx.ID, as)
				if err == nil {
					n.Add(1)
				} else if semabus.ReasonOf(err) != semabus.ReasonTransactionEnded {
					return err
				}
				return nil
			})
		}
		must(t, g.Wait())
		ds := fetch(t, b, fmt.Sprint("g", i))
		if c, r := committed.Load(), rolledBack.Load(); (c == 3) == (r == 3) || c+r != 3 || len(ds) != int(c/3) {
			t.Fatalf("%d said commit and %d rollback, %d deliveries", c, r, len(ds))
		}
	}
}

// TestCheckBack: a live producer of the group is asked when nobody has resolved, any one of them; what it says counts.
func TestCheckBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		stop := run(t, b)
		defer stop()
		ctx := t.Context()
		tx := prepare(t, b, &semabus.Message{To: "g", Text: "x"}, 30*time.Second)
		pass(2 * time.Minute) // nobody is there
		gone, err := b.JoinProducers(alice, "shop")
		must(t, err)
		gone.Leave()
		p, err := b.JoinProducers(alice, "shop")
		must(t, err)
		defer p.Leave()
		stranger, err := b.JoinProducers(other, "shop")
		must(t, err)
		defer stranger.Leave()
		c := <-p.Checks
		if c.ID != tx.ID || c.Message.Text != "x" || c.Number != 1 {
			t.Fatalf("asked %+v", c)
		}
		c = <-p.Checks // it said nothing: it is asked again
		if c.ID != tx.ID || c.Number != 2 {
			t.Fatalf("asked %+v", c)
		}
		_, err = b.Resolve(ctx, alice, "", c.ID, semabus.ResolutionCommit)
		must(t, err)
		if ds := fetch(t, b, "g"); len(ds) != 1 {
			t.Fatalf("%d deliveries", len(ds))
		}
		pass(time.Hour)
		select {
		case c := <-p.Checks:
			t.Errorf("asked about a resolved transaction: %+v", c)
		case c := <-stranger.Checks:
			t.Errorf("another tenant was asked: %+v", c)
		default:
		}
	})
}

// TestUnresolvedIsRolledBack: after the last question, or a day without anybody to ask, the message is a dead letter and not
// delivered.
func TestUnresolvedIsRolledBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		stop := run(t, b)
		defer stop()
		ctx := t.Context()
		p, err := b.JoinProducers(alice, "shop")
		must(t, err)
		asked := prepare(t, b, &semabus.Message{To: "g", Text: "asked"}, 0)
		checks := 0
		for over := false; !over; {
			select {
			case <-p.Checks:
				checks++
			case <-time.After(time.Hour):
				over = true
			}
		}
		if checks != 15 {
			t.Errorf("asked %d times, want 15", checks)
		}
		p.Leave()
		alone := prepare(t, b, &semabus.Message{To: "g", Text: "alone"}, 0)
		pass(25 * time.Hour)
		letters, _, err := b.DeadLetters(ctx, alice, bus.DeadLetterFilter{Group: "shop"}, "", 0)
		must(t, err)
		if len(letters) != 2 || letters[0].Reason != "UNRESOLVED" {
			t.Fatalf("dead letters %+v", letters)
		}
		for _, tx := range []bus.Transaction{asked, alone} {
			_, err = b.Resolve(ctx, alice, "", tx.ID, semabus.ResolutionCommit)
			reason(t, err, semabus.ReasonTransactionEnded)
			_, err = b.Resolve(ctx, alice, "", tx.ID, semabus.ResolutionRollback)
			must(t, err)
		}
		if ds := fetch(t, b, "g"); len(ds) != 0 {
			t.Error("what nobody resolved was delivered")
		}
	})
}

// TestPrepareRepeats: the op id makes one transaction of a repeated request, and bad ones are refused whole.
func TestPrepareRepeats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ask := func(text string) (bus.Transaction, error) {
		return b.Prepare(t.Context(), alice, bus.Preparation{Message: &semabus.Message{To: "g", Text: text}, Group: "shop", OpID: "op"})
	}
	first, err := ask("x")
	must(t, err)
	again, err := ask("x")
	must(t, err)
	if first != again {
		t.Errorf("the repeat made %+v, not %+v", again, first)
	}
	_, err = ask("y")
	reason(t, err, semabus.ReasonDuplicateMismatch)
	for name, prep := range map[string]bus.Preparation{
		"no message": {Group: "shop"}, "no group": {Message: &semabus.Message{To: "g", Text: "x"}},
		"too late": {Message: &semabus.Message{To: "g", Text: "x"}, Group: "shop", CheckAfter: 48 * time.Hour},
		"reserved": {Message: &semabus.Message{To: "$dlq", Text: "x"}, Group: "shop"},
	} {
		_, err := b.Prepare(t.Context(), alice, prep)
		if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}
