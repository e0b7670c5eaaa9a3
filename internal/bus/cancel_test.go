package bus_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/bus"
)

func TestCancelScheduled(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		ctx := t.Context()
		for _, g := range []string{"zoo", "audit"} {
			_, err := b.ConfigureGroup(ctx, alice, "", semabus.GroupConfig{Name: g, Topics: []string{"orders.*"}})
			must(t, err)
		}
		r := publish(t, b, &semabus.Message{Topic: "orders.new", DeliverAt: time.Now().Add(time.Hour)})
		bob := semabus.Principal{Tenant: "t", Name: "bob", Role: semabus.RolePublisher}
		if _, err := b.CancelScheduled(ctx, bob, "", r.ID); semabus.ReasonOf(err) != semabus.ReasonNotPermitted {
			t.Errorf("another publisher's message: %v", err)
		}
		if _, err := b.CancelScheduled(ctx, other, "", r.ID); semabus.CodeOf(err) != semabus.CodeNotFound {
			t.Errorf("another tenant's message: %v", err)
		}
		for range 2 { // the second time it is answered from the op id
			groups, err := b.CancelScheduled(ctx, alice, "op", r.ID)
			if err != nil || !slices.Equal(groups, []string{"audit", "zoo"}) {
				t.Fatalf("cancelled for %v, %v", groups, err)
			}
		}
		_, err := b.CancelScheduled(ctx, alice, "op", "another message")
		if semabus.ReasonOf(err) != semabus.ReasonDuplicateMismatch {
			t.Errorf("the op id of another cancellation: %v", err)
		}
		if _, err := b.CancelScheduled(ctx, alice, "op2", r.ID); semabus.CodeOf(err) != semabus.CodeNotFound {
			t.Errorf("cancelled again under another op id: %v", err)
		}
		pass(2 * time.Hour)
		if ds := fetch(t, b, "zoo"); len(ds) != 0 {
			t.Error("a cancelled message was delivered")
		}
		w, err := b.Why(ctx, alice, r.ID, "zoo")
		must(t, err)
		if !strings.HasPrefix(w.Text, "Not delivered") || !strings.Contains(w.Text, "cancelled by alice") {
			t.Errorf("why says %q", w.Text)
		}
		if groups, err := b.CancelScheduled(ctx, alice, "op", r.ID); err != nil || len(groups) != 2 {
			t.Errorf("the repeat after its time: %v, %v", groups, err)
		}
	})
}

// TestCancelOfWhatIsDue: its time has come, or it never had one, and a retry's delay is none.
func TestCancelOfWhatIsDue(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		ctx := t.Context()
		at := time.Now().Add(time.Minute)
		later := publish(t, b, &semabus.Message{To: "g", DeliverAt: at})
		now := publish(t, b, &semabus.Message{To: "h"})
		settle(t, b, semabus.Settlement{Token: one(t, b, "h").Lease.Token, Outcome: semabus.SettleRetry, RetryAfter: time.Hour})
		pass(time.Minute)
		for id, limit := range map[string]string{later.ID: "before " + at.UTC().Format(time.RFC3339), now.ID: ""} {
			_, err := b.CancelScheduled(ctx, alice, "", id)
			e, ok := semabus.AsError(err)
			if !ok || e.Code != semabus.CodeFailedPrecondition || e.Reason != semabus.ReasonAlreadyDue || e.Limit != limit || e.Fix == "" {
				t.Errorf("%v, want ALREADY_DUE with limit %q", err, limit)
			}
		}
		if st := stats(t, b, "h"); st.Delayed != 1 {
			t.Errorf("the retry is gone: %+v", st)
		}
		one(t, b, "g")
		for _, id := range []string{"", "nobody's"} {
			if _, err := b.CancelScheduled(ctx, alice, "", id); err == nil {
				t.Errorf("cancelled %q", id)
			}
		}
	})
}

// TestCancelBeforeTheDecision: an asynchronous message that is not decided yet, one that matched nothing.
func TestCancelBeforeTheDecision(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		ctx := t.Context()
		at := time.Now().Add(time.Hour)
		res := b.Publish(ctx, alice, []bus.PublishItem{{Message: &semabus.Message{To: "g", DeliverAt: at}, Async: true}})
		must(t, res[0].Err)
		groups, err := b.CancelScheduled(ctx, alice, "op", res[0].Receipt.ID)
		if err != nil || len(groups) != 0 {
			t.Errorf("undecided: %v, %v", groups, err)
		}
		stop := run(t, b)
		pass(2 * time.Hour)
		stop()
		if ds := fetch(t, b, "g"); len(ds) != 0 {
			t.Error("it was decided and delivered after all")
		}
		none := publish(t, b, &semabus.Message{Text: "zebras yodel", DeliverAt: time.Now().Add(time.Hour)})
		groups, err = b.CancelScheduled(ctx, alice, "", none.ID)
		if err != nil || !slices.Equal(groups, []string{semabus.GroupUnmatched}) {
			t.Errorf("unmatched: %v, %v", groups, err)
		}
		if ds := fetch(t, b, semabus.GroupUnmatched); len(ds) != 0 {
			t.Error("it still waits in $unmatched")
		}
	})
}
