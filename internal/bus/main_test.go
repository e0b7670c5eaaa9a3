package bus_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a bus's own work until stop.
func run(t *testing.T, b *bus.Bus) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return b.Run(ctx) })
	return func() {
		t.Helper()
		cancel()
		must(t, g.Wait())
	}
}

// refused publishes one item that must fail, and returns its error.
func refused(t *testing.T, b *bus.Bus, it bus.PublishItem, reason, field string) *semabus.Error {
	t.Helper()
	err := b.Publish(t.Context(), alice, []bus.PublishItem{it})[0].Err
	e, ok := semabus.AsError(err)
	if !ok || e.Reason != reason || e.Field != field || e.Fix == "" {
		t.Fatalf("got %v, want %s of %s", err, reason, field)
	}
	return e
}

// settle ends a delivery and must succeed.
func settle(t *testing.T, b *bus.Bus, s semabus.Settlement) semabus.Settled {
	t.Helper()
	r := b.Settle(t.Context(), alice, []semabus.Settlement{s})[0]
	must(t, r.Err)
	return r.Settled
}
