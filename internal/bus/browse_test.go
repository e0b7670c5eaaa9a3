package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/internal/bus"
)

// browse reads all pages of a group.
func browse(t *testing.T, b *bus.Bus, group string, limit int) (texts []string, states []driver.State, pages int) {
	t.Helper()
	token := ""
	for {
		page, next, err := b.Browse(t.Context(), alice, group, token, limit)
		must(t, err)
		pages++
		for _, r := range page {
			texts = append(texts, r.Message.Text)
			states = append(states, r.Deliveries[0].State)
		}
		if token = next; token == "" {
			return texts, states, pages
		}
	}
}

func TestBrowseLooksAndLeasesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 7 {
		m := &semabus.Message{To: "g", Text: fmt.Sprint(i)}
		if i == 3 {
			m.DeliverAt = time.Now().Add(time.Hour)
		}
		publish(t, b, m)
	}
	ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: "g", Member: "m", Max: 1})
	must(t, err)
	if len(ds) != 1 {
		t.Fatal("nothing to lease")
	}
	texts, states, pages := browse(t, b, "g", 2)
	if got := strings.Join(texts, ""); got != "0123456" || pages != 4 {
		t.Errorf("browsed %s in %d pages", got, pages)
	}
	want := []driver.State{driver.StateLeased, 0, 0, driver.StateDelayed, 0, 0, 0}
	if !slices.Equal(states, want) {
		t.Errorf("states are %v, want %v", states, want)
	}
	if st := stats(t, b, "g"); st.Ready != 5 || st.Leased != 1 || st.Delayed != 1 {
		t.Errorf("browsing changed the group: %+v", st)
	}
	for _, bad := range []struct {
		group, token string
		limit        int
		field        string
	}{{"", "", 0, "name"}, {"g", "%", 0, "page_token"}, {"g", "", 1001, "page_size"}} {
		_, _, err := b.Browse(t.Context(), alice, bad.group, bad.token, bad.limit)
		if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument || e.Field != bad.field {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if page, _, err := b.Browse(t.Context(), other, "g", "", 0); err != nil || len(page) != 0 {
		t.Errorf("another tenant sees %+v, %v", page, err)
	}
}

// TestBrowsePagesAreSmall: a page has a megabyte, or one larger message.
func TestBrowsePagesAreSmall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, size := range []int{600_000, 600_000, 3_000_000, 10} {
		publish(t, b, &semabus.Message{To: "g", Text: fmt.Sprint(i), Payload: make([]byte, size)})
	}
	if texts, _, pages := browse(t, b, "g", 0); strings.Join(texts, "") != "0123" || pages != 4 {
		t.Errorf("browsed %v in %d pages, want one message a page", texts, pages)
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	var ids []string
	for i := range 600 {
		m := &semabus.Message{To: "g", Text: fmt.Sprint(i)}
		if i%3 == 0 {
			m.DeliverAt = time.Now().Add(time.Hour)
		}
		ids = append(ids, publish(t, b, m).ID)
	}
	held, err := b.Fetch(ctx, alice, bus.FetchRequest{Group: "g", Max: 2, Lease: time.Hour})
	must(t, err)
	n, err := b.PurgeGroup(ctx, alice, "", "g", true)
	must(t, err)
	if st := stats(t, b, "g"); n != 598 || st.Ready+st.Delayed != 598 {
		t.Fatalf("a dry run counts %d and leaves %+v", n, st)
	}
	if n, err = b.PurgeGroup(ctx, alice, "op", "g", false); err != nil || n != 598 {
		t.Fatalf("purged %d, %v", n, err)
	}
	if st := stats(t, b, "g"); st.Ready+st.Delayed != 0 || st.Leased != 2 {
		t.Errorf("after the purge: %+v", st)
	}
	// The repeat of a purge that was finished ends nothing.
	publish(t, b, &semabus.Message{To: "g", Text: "later"})
	if n, err = b.PurgeGroup(ctx, alice, "op", "g", false); err != nil || n != 598 {
		t.Errorf("the repeat answers %d, %v", n, err)
	}
	if st := stats(t, b, "g"); st.Ready != 1 {
		t.Errorf("the repeat purged: %+v", st)
	}
	if _, err = b.PurgeGroup(ctx, alice, "op", "h", false); semabus.ReasonOf(err) != semabus.ReasonDuplicateMismatch {
		t.Errorf("the op id of another purge: %v", err)
	}
	for i := range held { // what was leased is worked on to its end
		settle(t, b, semabus.Settlement{Token: held[i].Lease.Token, Outcome: semabus.SettleDone})
	}
	w, err := b.Why(ctx, alice, ids[0], "g")
	must(t, err)
	if !strings.HasPrefix(w.Text, "Not delivered") || !strings.Contains(w.Text, "purged by alice") || w.Fix == "" {
		t.Errorf("why says %q, fix %q", w.Text, w.Fix)
	}
	if w, err = b.Why(ctx, alice, held[0].Message.ID, "g"); err != nil || !strings.HasPrefix(w.Text, "Delivered") || !strings.Contains(w.Text, "Settled by") {
		t.Errorf("of one that was leased why says %q, %v", w.Text, err)
	}
}

// TestPurgeIsInterrupted and goes on: what was ended stays ended, what comes in meanwhile stays.
func TestPurgeIsInterrupted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	items := make([]bus.PublishItem, 700)
	for i := range items {
		items[i].Message = &semabus.Message{To: "g", Text: "x"}
	}
	for _, r := range b.Publish(t.Context(), alice, items) {
		must(t, r.Err)
	}
	ctx := &expiring{Context: t.Context(), left: 500}
	n, err := b.PurgeGroup(ctx, alice, "op", "g", false)
	if !errors.Is(err, context.Canceled) || n == 0 || n >= 700 {
		t.Fatalf("interrupted after %d, %v", n, err)
	}
	if st := stats(t, b, "g"); st.Ready != 700-n {
		t.Errorf("purged %d, left %+v", n, st)
	}
	if more, err := b.PurgeGroup(t.Context(), alice, "op", "g", false); err != nil || more != 700-n {
		t.Errorf("the second half: %d, %v", more, err)
	}
}

// expiring is a context that ends after it was asked a number of times, in the middle of something.
type expiring struct {
	context.Context //nolint:containedctx // it is one
	left            int
}

func (e *expiring) Err() error {
	if e.left--; e.left < 0 {
		return context.Canceled
	}
	return e.Context.Err()
}

func TestPurgeOfReservedGroups(t *testing.T) {
	t.Parallel()
	b := setup(t)
	publish(t, b, &semabus.Message{Text: "zebras yodel"})
	if n, err := b.PurgeGroup(t.Context(), alice, "", semabus.GroupUnmatched, false); err != nil || n != 1 {
		t.Errorf("purged %d of $unmatched, %v", n, err)
	}
	for _, name := range []string{"", semabus.GroupIngress, semabus.GroupPrepared, semabus.GroupOperations, "$no such"} {
		_, err := b.PurgeGroup(t.Context(), alice, "", name, true)
		if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument || e.Field != "name" {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{semabus.GroupPrepared, semabus.GroupOperations} {
		_, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: name})
		if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument || e.Field != "group" {
			t.Errorf("fetching of %q: %v", name, err)
		}
	}
	if _, err := b.PurgeGroup(t.Context(), alice, "$x", "g", false); semabus.ReasonOf(err) != semabus.ReasonInvalidID {
		t.Errorf("an op id of the bus's own: %v", err)
	}
}
