package brokertest

import (
	"context"
	"flag"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/broker/driver"
)

// Capability names one field of driver.Caps that may be absent.
type Capability string

// The capabilities that cases need.
const (
	Durable                Capability = "Durable"
	Conditions             Capability = "Conditions"
	Counters               Capability = "Counters"
	SessionOrder           Capability = "SessionOrder"
	PriorityAcrossSessions Capability = "PriorityAcrossSessions"
	DeliverAt              Capability = "DeliverAt"
)

// Required lists by Caps.Engine what an engine must declare; an engine that is not listed needs Harness.Required.
var Required = map[string][]Capability{
	"local":    {Durable, Conditions, Counters, SessionOrder, PriorityAcrossSessions, DeliverAt},
	"rocketmq": {Durable, Conditions, Counters, SessionOrder, DeliverAt},
}

// Engine is one opened, empty engine.
type Engine struct {
	Driver driver.Driver
	// Reopen drops the engine as kill -9 would, without a clean close, and opens what it left behind. The suite has ended the
	// old value's Run before the call and never uses that value again.
	Reopen func() driver.Driver
}

// Harness is what the suite needs to know of an engine.
type Harness struct {
	Open     func(t *testing.T) Engine // a fresh, empty engine; it is closed by t.Cleanup
	Required []Capability              // beside those of [Required]
}

// testCase is one guarantee.
type testCase struct {
	name  string
	needs []Capability
	run   func(r *rig)
}

// Run runs every case that the engine's capabilities allow, each against a fresh engine and in parallel.
func Run(t *testing.T, h Harness) {
	caps := h.Open(t).Driver.Caps()
	has := capabilities(caps)
	required, known := Required[caps.Engine]
	if !known && len(h.Required) == 0 {
		t.Fatalf("engine %q is not in brokertest.Required and the harness requires nothing of it", caps.Engine)
	}
	for _, c := range append(slices.Clone(required), h.Required...) {
		if !has[c] {
			t.Errorf("engine %q must declare capability %s", caps.Engine, c)
		}
	}
	all := cases()
	var ran atomic.Int64
	allowed := 0
	t.Run("cases", func(t *testing.T) {
		for _, c := range all {
			if !slices.ContainsFunc(c.needs, func(n Capability) bool { return !has[n] }) {
				allowed++
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					ran.Add(1)
					c.run(newRig(t, h))
				})
			}
		}
		t.Run("undeclared", func(t *testing.T) { undeclared(newRig(t, h), has) })
	})
	t.Logf("brokertest: engine %q ran %d of %d cases, %d need undeclared capabilities", caps.Engine, ran.Load(), len(all), len(all)-allowed)
	if n := int(ran.Load()); n != allowed && !filtered() {
		t.Errorf("%d cases ran, want %d", n, allowed)
	}
}

// filtered reports whether the command line picks single cases.
func filtered() bool {
	for _, name := range []string{"test.run", "test.skip"} {
		if f := flag.Lookup(name); f != nil && strings.Contains(f.Value.String(), "/") {
			return true
		}
	}
	return false
}

func capabilities(c driver.Caps) map[Capability]bool {
	return map[Capability]bool{
		Durable: c.Durable, Conditions: c.Conditions, Counters: c.Counters, SessionOrder: c.SessionOrder,
		PriorityAcrossSessions: c.PriorityAcrossSessions, DeliverAt: c.DeliverAt,
	}
}

// cases is the list of all of them.
func cases() []testCase {
	return slices.Concat(commitCases(), markCases(), counterCases(), logCases(), ingressCases(), leaseCases(), fenceCases(),
		orderCases(), timeCases(), findCases(), reopenCases(), concurrencyCases(), modelCases(), dropCases(), linearCases())
}

// rig is one case's engine with its Run going.
type rig struct {
	t    *testing.T
	h    Harness
	e    Engine
	d    driver.Driver
	stop func()
}

func newRig(t *testing.T, h Harness) *rig {
	t.Helper()
	r := &rig{t: t, h: h, e: h.Open(t)}
	r.d = r.e.Driver
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

// start runs the engine's background work until stop.
func (r *rig) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	d := r.d
	g.Go(func() error { return d.Run(ctx) })
	r.stop = func() {
		cancel()
		if err := g.Wait(); err != nil && ctx.Err() == nil {
			r.t.Errorf("Run: %v", err)
		}
	}
}

// kill drops the engine and opens it again.
func (r *rig) kill() {
	r.t.Helper()
	r.stop()
	r.d = r.e.Reopen()
	r.start()
}
