package soak_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/semabus/semabus/cmd/semabus/internal/soak"
)

// honest is a record of n acknowledged jobs of one publisher, and the effects of a node without fault, in order of place.
func honest(n int) ([]soak.Record, []soak.Forged) {
	effects := make([]soak.Forged, n)
	for i := range effects {
		effects[i] = soak.Forged{Place: i, ID: fmt.Sprint("out-", i), Position: fmt.Sprint(i), At: i}
	}
	return []soak.Record{{Run: "r", Acked: [][]soak.Span{{{From: 0, Until: n}}}, Delivered: int64(n) + 3, Disconnects: 2}}, effects
}

func TestHonestSink(t *testing.T) {
	t.Parallel()
	records, effects := honest(200)
	v, faults := soak.Judge(records, append(effects, effects[7])) // one was read twice
	want := soak.Verdict{Acked: 200, Delivered: 203, Effects: 200, DisconnectsSeen: 2}
	if diff := cmp.Diff(want, v); diff != "" || !v.Held() || len(faults) > 0 {
		t.Errorf("faults %v, verdict (-want +got):\n%s", faults, diff)
	}
}

// TestForgedSink takes an honest sink and does to it what a broken node would.
func TestForgedSink(t *testing.T) {
	t.Parallel()
	const n = 200
	turn := 2 * 16 // from a turn of a session to its next
	for name, c := range map[string]struct {
		forge                         func(r []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged)
		missing, duplicate, reordered int64
		told                          string
	}{
		"a lost effect": {func(r []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged) {
			return r, append(e[:20], e[21:]...)
		}, 1, 0, 0, "missing: job soak-r-0-20 "},
		"everything lost but the state file": {func(r []soak.Record, _ []soak.Forged) ([]soak.Record, []soak.Forged) {
			return r, nil
		}, n, 0, 0, "missing: job soak-r-0-0 "},
		"an acknowledged job of a second publisher": {func(r []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged) {
			r[0].Acked = append(r[0].Acked, []soak.Span{{From: 5, Until: 6}})
			return r, e
		}, 1, 0, 0, "missing: job soak-r-1-5 "},
		"a second effect": {func(r []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged) {
			return r, append(e, soak.Forged{Place: 20, ID: "out-other", Position: "300", At: 300})
		}, 0, 1, 0, "duplicate effect: job soak-r-0-20 "},
		"one output that was committed twice": {func(r []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged) {
			return r, append(e, soak.Forged{Place: 20, ID: "out-20", Position: "300", At: 300})
		}, 0, 1, 0, "duplicate effect"},
		"two effects of a job that was never acknowledged": {func(r []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged) {
			return r, append(e, soak.Forged{Place: 999, ID: "a", At: 300}, soak.Forged{Place: 999, ID: "b", At: 301})
		}, 0, 1, 0, "duplicate effect"},
		"two turns of a session swapped": {func(r []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged) {
			e[21].At, e[21+turn].At = e[21+turn].At, e[21].At
			return r, e
		}, 0, 0, 1, "reordered: turn 0 of session 10 of publisher 0 came after turn 1"},
		"a turn that comes after three later ones": {func(r []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged) {
			e[21].At = 300
			return r, e
		}, 0, 0, 1, "reordered"},
		"jobs without session in any order": {func(r []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged) {
			for i := 0; i < n; i += 2 {
				e[i].At = -i
			}
			return r, e
		}, 0, 0, 0, ""},
		"a run that the ledger forgot": {func(_ []soak.Record, e []soak.Forged) ([]soak.Record, []soak.Forged) {
			return nil, e
		}, 1, 0, 0, "no record of run r"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, faults := soak.Judge(c.forge(honest(n)))
			if v.Missing != c.missing || v.DuplicateEffects != c.duplicate || v.Reordered != c.reordered {
				t.Errorf("missing %d, duplicate %d, reordered %d; want %d, %d, %d",
					v.Missing, v.DuplicateEffects, v.Reordered, c.missing, c.duplicate, c.reordered)
			}
			if v.Held() != (c.told == "") || len(faults) > 10 || !strings.Contains(strings.Join(faults, "\n"), c.told) {
				t.Errorf("held %v, told %q, want %q", v.Held(), faults, c.told)
			}
		})
	}
}
