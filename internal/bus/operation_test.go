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

// leased publishes to a group and leases it.
func leased(t *testing.T, b *bus.Bus, group string, lease time.Duration) semabus.Delivery {
	t.Helper()
	publish(t, b, &semabus.Message{To: group, Text: "pay"})
	return again(t, b, group, lease)
}

// again leases the next delivery of a group.
func again(t *testing.T, b *bus.Bus, group string, lease time.Duration) semabus.Delivery {
	t.Helper()
	ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: group, Lease: lease, Wait: time.Minute})
	must(t, err)
	if len(ds) != 1 {
		t.Fatalf("%s got %d deliveries", group, len(ds))
	}
	return ds[0]
}

func reserve(t *testing.T, b *bus.Bus, id string, d *semabus.Delivery, want semabus.OperationState) semabus.Operation {
	t.Helper()
	o, err := b.Reserve(t.Context(), alice, semabus.Operation{ID: id, Description: "pay 10"}, d.Lease.Token)
	must(t, err)
	if o.State != want || o.Group != d.Group || o.MessageID != d.Message.ID || o.Reserved.IsZero() {
		t.Fatalf("reserved %+v, want state %s", o, want)
	}
	return o
}

func doubt(t *testing.T, b *bus.Bus, group string, want ...string) {
	t.Helper()
	ops, next, err := b.ListInDoubt(t.Context(), alice, group, "", 0)
	must(t, err)
	var got []string
	for _, o := range ops {
		if o.State != semabus.OperationInDoubt {
			t.Errorf("listed %+v", o)
		}
		got = append(got, o.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || next != "" {
		t.Fatalf("in doubt are %q, want %q", got, want)
	}
}

// TestOperationDoneOnce: what was done is not done again, across redelivery and restart; its result is there.
func TestOperationDoneOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, done := open(t, dir)
	d := leased(t, b, "g", time.Hour)
	reserve(t, b, "pay-1", &d, semabus.OperationReserved)
	reserve(t, b, "pay-1", &d, semabus.OperationReserved) // the same worker asks again
	doubt(t, b, "")
	for range 2 {
		o, err := b.ResolveOp(t.Context(), alice, "pay-1", semabus.OperationDone, []byte("receipt 7"))
		must(t, err)
		if o.State != semabus.OperationDone || string(o.Result) != "receipt 7" {
			t.Fatalf("resolved %+v", o)
		}
	}
	_, err := b.ResolveOp(t.Context(), alice, "pay-1", semabus.OperationFailed, nil)
	reason(t, err, semabus.ReasonTransactionEnded)
	done() // the worker dies before it settles
	b, done = open(t, dir)
	defer done()
	d = again(t, b, "g", time.Hour)
	if o := reserve(t, b, "pay-1", &d, semabus.OperationDone); string(o.Result) != "receipt 7" {
		t.Errorf("the result is %q", o.Result)
	}
	doubt(t, b, "")
}

// TestOperationInDoubt: one whose worker died is listed, not run again, until somebody says how it ended; one that failed may be
// tried again, and one that is idempotent is taken over.
func TestOperationInDoubt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		ctx := t.Context()
		d := leased(t, b, "g", 10*time.Second)
		reserve(t, b, "pay-1", &d, semabus.OperationReserved)
		doubt(t, b, "")
		pass(11 * time.Second) // the worker is gone
		doubt(t, b, "", "pay-1")
		doubt(t, b, "g", "pay-1")
		doubt(t, b, "other")
		d = again(t, b, "g", time.Hour)
		reserve(t, b, "pay-1", &d, semabus.OperationInDoubt)
		worker := semabus.Principal{Tenant: "t", Name: "bob", Role: semabus.RoleAgent}
		if _, err := b.ResolveOp(ctx, worker, "pay-1", semabus.OperationDone, nil); semabus.CodeOf(err) != semabus.CodePermissionDenied {
			t.Errorf("a stranger resolved it: %v", err)
		}
		_, err := b.ResolveOp(ctx, alice, "pay-1", semabus.OperationFailed, nil)
		must(t, err)
		doubt(t, b, "")
		reserve(t, b, "pay-1", &d, semabus.OperationReserved) // failed: try again
		_, err = b.ResolveOp(ctx, alice, "pay-1", semabus.OperationDone, []byte("r"))
		must(t, err)
		reserve(t, b, "pay-1", &d, semabus.OperationDone)

		e := leased(t, b, "h", 10*time.Second)
		op := semabus.Operation{ID: "render-1", Idempotent: true}
		_, err = b.Reserve(ctx, alice, op, e.Lease.Token)
		must(t, err)
		pass(11 * time.Second)
		e = again(t, b, "h", time.Hour)
		o, err := b.Reserve(ctx, alice, op, e.Lease.Token)
		must(t, err)
		if o.State != semabus.OperationReserved {
			t.Errorf("an idempotent operation is %s", o.State)
		}
		doubt(t, b, "")
	})
}

// TestOperationIsHeldOnce: of many workers of different deliveries that reserve one operation at once, one goes on.
func TestOperationIsHeldOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const workers = 6
	ds := make([]semabus.Delivery, workers)
	for i := range ds {
		ds[i] = leased(t, b, fmt.Sprint("g", i), time.Hour)
	}
	var went, held atomic.Int64
	var g errgroup.Group
	for i := range ds {
		g.Go(func() error {
			o, err := b.Reserve(t.Context(), alice, semabus.Operation{ID: "pay-1"}, ds[i].Lease.Token)
			switch {
			case semabus.ReasonOf(err) == semabus.ReasonOperationHeld:
				held.Add(1)
				return nil
			case err == nil && o.State == semabus.OperationReserved:
				went.Add(1)
			}
			return err
		})
	}
	must(t, g.Wait())
	if went.Load() != 1 || held.Load() != workers-1 {
		t.Errorf("%d went on, %d were held off", went.Load(), held.Load())
	}
}

func TestOperationRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := leased(t, b, "g", time.Hour)
	settle(t, b, semabus.Settlement{Token: d.Lease.Token, Outcome: semabus.SettleDone})
	_, err := b.Reserve(t.Context(), alice, semabus.Operation{ID: "pay-1"}, d.Lease.Token)
	reason(t, err, semabus.ReasonStaleLease)
	_, err = b.Reserve(t.Context(), alice, semabus.Operation{ID: "$mine"}, d.Lease.Token)
	reason(t, err, semabus.ReasonInvalidID)
	_, err = b.Reserve(t.Context(), alice, semabus.Operation{ID: "x", Description: string(make([]byte, 5000))}, d.Lease.Token)
	reason(t, err, semabus.ReasonTooLarge)
	_, err = b.ResolveOp(t.Context(), alice, "unknown", semabus.OperationDone, nil)
	if semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("an unknown operation: %v", err)
	}
	_, err = b.ResolveOp(t.Context(), alice, "x", semabus.OperationReserved, nil)
	reason(t, err, semabus.ReasonInvalidValue)
	_, err = b.ResolveOp(t.Context(), alice, "x", semabus.OperationDone, make([]byte, 65<<10))
	reason(t, err, semabus.ReasonTooLarge)
	if _, _, err := b.ListInDoubt(t.Context(), alice, "", "!", 0); semabus.ReasonOf(err) != semabus.ReasonInvalidValue {
		t.Errorf("a bad page token: %v", err)
	}
}
