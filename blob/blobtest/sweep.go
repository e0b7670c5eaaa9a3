package blobtest

import (
	"context"
	"errors"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob"
)

func sweepCases() []testCase {
	return []testCase{
		{"sweep/what nothing refers to", unreferenced},
		{"sweep/touched between mark and deletion", func(r *rig) {
			h := r.put(tenant, []byte("x"))
			r.clock.add(2 * time.Hour)
			got, err := r.s.Sweep(r.t.Context(), tenant, time.Time{}, func(ctx context.Context, hash string) (bool, error) {
				_, err := r.s.Touch(ctx, tenant, []string{hash}) // a message refers to it right now
				return false, err
			})
			if err != nil || got.Deleted != 0 {
				r.t.Errorf("Sweep: %+v, %v", got, err)
			}
			r.holds(tenant, []byte("x"))
			if r.stat(tenant, h).Touched.Before(r.clock.Now()) {
				r.t.Error("the touch was lost")
			}
		}},
		{"sweep/is ended by an error", endedSweep},
		{"sweep/many", func(r *rig) {
			const n = 220
			for i := range n {
				r.put(tenant, []byte(strings.Repeat("x", i)))
			}
			got, err := r.s.Sweep(r.t.Context(), tenant, r.clock.Now().Add(time.Second), func(context.Context, string) (bool, error) { return false, nil })
			if err != nil || got.Seen != n || got.Deleted != got.Seen {
				r.t.Errorf("Sweep: %+v, %v", got, err)
			}
		}},
		{"sweep/touch of what is gone", func(r *rig) {
			h := r.put(tenant, []byte("x"))
			none := hashOf([]byte("none"))
			_, err := r.s.Touch(r.t.Context(), tenant, []string{h, none})
			r.code("Touch", err, semabus.CodeNotFound)
			if e, _ := semabus.AsError(err); e == nil || e.Value != none || e.Field != "sha256[1]" {
				r.t.Errorf("Touch names %v, want sha256[1] and its hash", err)
			}
		}},
	}
}

// unreferenced sweeps before and after a blob has become old.
func unreferenced(r *rig) {
	kept, old := r.put(tenant, []byte("referred to")), r.put(tenant, []byte("forgotten"))
	r.clock.add(blob.DefaultGrace - time.Minute)
	young := r.put(tenant, []byte("just arrived"))
	asked := map[string]int{}
	referenced := func(_ context.Context, hash string) (bool, error) {
		asked[hash]++
		return hash == kept, nil
	}
	for _, want := range []blob.Swept{{Seen: 3}, {Seen: 3, Deleted: 1, Bytes: int64(len("forgotten"))}, {Seen: 2}} {
		got, err := r.s.Sweep(r.t.Context(), tenant, time.Time{}, referenced)
		if err != nil || got != want {
			r.t.Errorf("Sweep: %+v, %v; want %+v", got, err, want)
		}
		if want == (blob.Swept{Seen: 3}) {
			r.clock.add(2 * time.Minute)
		}
	}
	r.lacks(tenant, old)
	r.holds(tenant, []byte("referred to"))
	r.holds(tenant, []byte("just arrived"))
	if asked[young] != 0 || asked[kept] != 2 || asked[old] != 1 {
		r.t.Errorf("asked %v times", asked)
	}
}

// endedSweep lets the mark fail in the middle.
func endedSweep(r *rig) {
	for _, s := range []string{"a", "b", "c"} {
		r.put(tenant, []byte(s))
	}
	r.clock.add(2 * time.Hour)
	broken, n := errors.New("registry away"), 0
	got, err := r.s.Sweep(r.t.Context(), tenant, time.Time{}, func(context.Context, string) (bool, error) {
		if n++; n == 2 {
			return false, broken
		}
		return false, nil
	})
	if !errors.Is(err, broken) || got.Deleted != 1 {
		r.t.Errorf("Sweep: %+v, %v; want one deletion and the error", got, err)
	}
}
