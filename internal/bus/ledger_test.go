package bus_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/localbroker"
)

// TestWhyFromTheLedger: a day after it was settled a message is forgotten, and why still knows what became of it; after the
// ledger's week it does not.
func TestWhyFromTheLedger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine, err := localbroker.Open(localbroker.Options{
			Dir: t.TempDir(), Clock: semabus.SystemClock{}, Logger: slog.New(slog.DiscardHandler), KeepSettled: time.Minute, LedgerFor: time.Hour,
		})
		must(t, err)
		b := over(t, engine)
		ctx, cancel := context.WithCancel(t.Context())
		var g errgroup.Group
		g.Go(func() error { return engine.Run(ctx) })
		desk(t, b)
		m := publish(t, b, &semabus.Message{Text: "please refund my order"})
		ds := fetch(t, b, "refunds")
		if len(ds) != 1 {
			t.Fatalf("refunds got %d deliveries", len(ds))
		}
		settle(t, b, semabus.Settlement{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone})
		pass(2 * time.Minute)
		for group, says := range map[string]string{"refunds": "Settled by", "cards": "Not delivered", "": "Delivered to refunds"} {
			w, err := b.Why(ctx, alice, m.ID, group)
			must(t, err)
			if !strings.Contains(w.Text, says) || !strings.Contains(w.Text, "From the ledger") {
				t.Errorf("group %q: why says %q", group, w.Text)
			}
		}
		if _, err := b.Why(ctx, other, m.ID, "refunds"); semabus.CodeOf(err) != semabus.CodeNotFound {
			t.Errorf("another tenant hears %v", err)
		}
		pass(2 * time.Hour)
		if _, err := b.Why(ctx, alice, m.ID, "refunds"); semabus.CodeOf(err) != semabus.CodeNotFound {
			t.Errorf("after the ledger's window: %v", err)
		}
		cancel()
		must(t, g.Wait())
		must(t, engine.Close())
	})
}
