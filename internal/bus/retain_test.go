package bus_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/localbroker"
	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/localembed"
	"github.com/semabus/semabus/flow"
	"github.com/semabus/semabus/internal/bus"
	"github.com/semabus/semabus/router"
	"github.com/semabus/semabus/router/localindex"
)

// bounded is a bus whose reserved queues keep little, with its background work going until stop.
func bounded(t *testing.T, keep map[string]broker.Bound) (b *bus.Bus, stop func()) {
	t.Helper()
	clock := semabus.SystemClock{}
	engine, err := localbroker.Open(localbroker.Options{Dir: t.TempDir(), Clock: clock})
	must(t, err)
	br, err := broker.New(engine, broker.Options{Clock: clock})
	must(t, err)
	em := embed.New(localembed.New(), embed.Options{})
	ro, err := router.New(router.Options{Embedder: em, Index: localindex.New(), Clock: clock})
	must(t, err)
	b, err = bus.Open(t.Context(), bus.Options{Broker: br, Embedder: em, Router: ro, Flow: flow.New(clock), Clock: clock, Retention: keep})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return engine.Run(ctx) })
	g.Go(func() error { return b.Run(ctx) })
	return b, func() {
		cancel()
		must(t, g.Wait())
		must(t, engine.Close())
	}
}

// TestRetentionByAge: what nobody wanted for too long is dropped, and why knows that.
func TestRetentionByAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, stop := bounded(t, map[string]broker.Bound{semabus.GroupUnmatched: {Age: time.Hour}})
		defer stop()
		old := publish(t, b, &semabus.Message{Text: "zebras yodel"})
		kept := publish(t, b, &semabus.Message{To: "g", Text: "somebody will"})
		pass(50 * time.Minute)
		fresh := publish(t, b, &semabus.Message{Text: "yaks whistle"})
		pass(11 * time.Minute)
		ds := fetch(t, b, semabus.GroupUnmatched)
		if len(ds) != 1 || ds[0].Message.ID != fresh.ID {
			t.Fatalf("$unmatched holds %+v", ds)
		}
		w, err := b.Why(t.Context(), alice, old.ID, semabus.GroupUnmatched)
		must(t, err)
		if len(w.Deliveries) != 1 || len(w.Deliveries[0].Errors) != 1 || !strings.HasPrefix(w.Deliveries[0].Errors[0], "retention") {
			t.Errorf("why says %q of %+v", w.Text, w.Deliveries)
		}
		if ds := fetch(t, b, "g"); len(ds) != 1 || ds[0].Message.ID != kept.ID {
			t.Errorf("a group of its own lost its message: %+v", ds)
		}
	})
}

// TestRetentionByBytes: the oldest go first, until the rest fits; what an operator works on stays.
func TestRetentionByBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const bound = 100 << 10
		b, stop := bounded(t, map[string]broker.Bound{semabus.GroupUnmatched: {Bytes: bound}})
		defer stop()
		var ids []string
		for i := range 1500 {
			r := publish(t, b, &semabus.Message{Text: fmt.Sprint("zebra ", i), Payload: make([]byte, 500)})
			ids = append(ids, r.ID)
			if i == 0 {
				ds, err := b.Fetch(t.Context(), alice, bus.FetchRequest{Group: semabus.GroupUnmatched, Lease: time.Hour})
				must(t, err)
				if len(ds) != 1 {
					t.Fatalf("fetched %+v", ds)
				}
			}
		}
		pass(2 * time.Minute)
		st := stats(t, b, semabus.GroupUnmatched)
		if st.Bytes > bound+2000 || st.Ready < 50 || st.Leased != 1 {
			t.Fatalf("%d bytes, %d ready, %d leased", st.Bytes, st.Ready, st.Leased)
		}
		var ds []semabus.Delivery
		for more := true; more; {
			page := fetch(t, b, semabus.GroupUnmatched)
			ds, more = append(ds, page...), len(page) > 0
		}
		if n := len(ds); n == 0 || ds[n-1].Message.ID != ids[len(ids)-1] || ds[0].Message.ID != ids[len(ids)-n] {
			t.Fatalf("%d are left, and not the newest", n)
		}
	})
}
