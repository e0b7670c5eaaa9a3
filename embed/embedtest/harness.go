package embedtest

import (
	"flag"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/semabus/semabus/embed/driver"
)

// Harness is what the suite needs to know of a driver.
type Harness struct {
	Open      func(t *testing.T) driver.Driver // a driver ready for use; what has to be closed is closed by t.Cleanup
	Tiers     []string                         // names of tiers that it must have, in order; nil = any
	Tolerance float32                          // how far a value may differ between two answers for a text; 0 = not a bit
}

// testCase is one promise.
type testCase struct {
	name string
	run  func(r *rig)
}

// Run runs every case, each against a freshly opened driver and in parallel.
func Run(t *testing.T, h Harness) {
	all := slices.Concat(tierCases(), vectorCases(), inputCases(), callCases())
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
