package blobtest

import (
	"flag"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob/driver"
)

// Backend is one opened, empty backend.
type Backend struct {
	Driver driver.Driver
	// Reopen drops the backend as kill -9 would and opens what it left behind. The old value is not used again.
	Reopen func() driver.Driver
	// Damage changes one byte of a stored blob's content, behind the backend's back.
	Damage func(tenant, hash string, offset int64)
}

// Harness is what the suite needs to know of a backend.
type Harness struct {
	// Open makes a fresh, empty backend that takes its time from the clock; it is closed by t.Cleanup.
	Open func(t *testing.T, clock semabus.Clock) Backend
}

// testCase is one promise.
type testCase struct {
	name string
	run  func(r *rig)
}

// Run runs every case, each against a fresh backend and in parallel.
func Run(t *testing.T, h Harness) {
	all := slices.Concat(putCases(), readCases(), listCases(), sweepCases(), concurrencyCases())
	var ran atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for _, c := range all {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				ran.Add(1)
				c.run(newRig(t, h))
			})
		}
	})
	if n := int(ran.Load()); n != len(all) && !filtered() {
		t.Errorf("%d cases ran, want %d", n, len(all))
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
