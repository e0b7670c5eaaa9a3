package bus_test

import (
	"strings"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/internal/bus"
)

// TestExpiry: what nobody leased in time is a dead letter, or ends where the group says so; why knows both.
func TestExpiry(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		stop := run(t, b)
		defer stop()
		ctx := t.Context()
		_, err := b.ConfigureGroup(ctx, alice, "", semabus.GroupConfig{Name: "forgetful", OnExpiry: semabus.ExpiryDrop})
		must(t, err)
		late := publish(t, b, &semabus.Message{To: "g", Text: "late", TTL: 10 * time.Second})
		begun := publish(t, b, &semabus.Message{To: "g", Text: "begun in time", TTL: 10 * time.Second, Priority: 9})
		dropped := publish(t, b, &semabus.Message{To: "forgetful", Text: "late", TTL: 10 * time.Second})
		unmatched := publish(t, b, &semabus.Message{Text: "zebras yodel", TTL: 10 * time.Second})
		ds, err := b.Fetch(ctx, alice, bus.FetchRequest{Group: "g", Max: 1, Lease: time.Hour})
		must(t, err)
		if len(ds) != 1 || ds[0].Message.ID != begun.ID {
			t.Fatalf("fetched %+v", ds)
		}
		pass(12 * time.Second) // the TTL, and a look

		for _, group := range []string{"g", "forgetful", semabus.GroupUnmatched} {
			if ds := fetch(t, b, group); len(ds) != 0 {
				t.Errorf("%s got what had expired", group)
			}
		}
		letters, next, err := b.DeadLetters(ctx, alice, bus.DeadLetterFilter{}, "", 0)
		must(t, err)
		if len(letters) != 1 || next != "" || letters[0].Message.ID != late.ID || letters[0].Reason != broker.DeadExpired || letters[0].Attempts != 0 {
			t.Fatalf("dead letters are %+v", letters)
		}
		for id, says := range map[string]string{late.ID: "in the dead letters", dropped.ID: "drops what expires"} {
			group := map[string]string{late.ID: "g", dropped.ID: "forgetful"}[id]
			w, err := b.Why(ctx, alice, id, group)
			must(t, err)
			if !strings.HasPrefix(w.Text, "Not delivered") || !strings.Contains(w.Text, "expired") || !strings.Contains(w.Text, says) || w.Fix == "" {
				t.Errorf("%s: why says %q, fix %q", group, w.Text, w.Fix)
			}
		}
		if w, err := b.Why(ctx, alice, unmatched.ID, ""); err != nil || len(w.Deliveries) != 1 {
			t.Errorf("why of an unmatched message that expired: %+v, %v", w, err)
		}
		settle(t, b, semabus.Settlement{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone}) // long after its TTL
	})
}

// TestExpiredInAGreatNumber: more than one look accounts for.
func TestExpiredInAGreatNumber(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bus.Bus) {
		const n = 2100
		items := make([]bus.PublishItem, n)
		for i := range items {
			items[i].Message = &semabus.Message{To: "g", Text: "x", TTL: time.Second}
		}
		for _, r := range b.Publish(t.Context(), alice, items) {
			must(t, r.Err)
		}
		pass(2 * time.Second)
		stop := run(t, b)
		pass(time.Millisecond) // within the first look
		stop()
		if st := stats(t, b, "g"); st.DeadLetters != n || st.Ready != 0 {
			t.Errorf("stats %+v, want %d dead letters", st, n)
		}
	})
}
