package api_test

import (
	"log/slog"
	"testing"

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

// openBus is a bus on the embedded default over a fresh folder.
func openBus(t testing.TB) *bus.Bus {
	t.Helper()
	return openBusOn(t, nil)
}

// openBusOn is openBus on a given file system, nil = the machine's.
func openBusOn(t testing.TB, fs localbroker.FS) *bus.Bus {
	t.Helper()
	clock := semabus.SystemClock{}
	engine, err := localbroker.Open(localbroker.Options{Dir: t.TempDir(), Clock: clock, Logger: slog.New(slog.DiscardHandler), FS: fs})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	br, err := broker.New(engine, broker.Options{Clock: clock})
	must(t, err)
	em := embed.New(localembed.New(), embed.Options{})
	ro, err := router.New(router.Options{Embedder: em, Index: localindex.New(), Clock: clock})
	must(t, err)
	b, err := bus.Open(t.Context(), bus.Options{Broker: br, Embedder: em, Router: ro, Flow: flow.New(clock), Clock: clock})
	must(t, err)
	return b
}
