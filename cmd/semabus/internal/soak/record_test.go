package soak_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/semabus/semabus/cmd/semabus/internal/soak"
)

// TestSpans compares spans and their union with the places they stand for.
func TestSpans(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	random := func() []bool {
		out := make([]bool, 40)
		for i := range out {
			out[i] = r.IntN(3) > 0
		}
		return out
	}
	places := func(s []soak.Span) []bool {
		out := make([]bool, 40)
		for _, x := range s {
			for i := x.From; i < x.Until; i++ {
				out[i] = true
			}
		}
		return out
	}
	for range 200 {
		a, b := random(), random()
		both := slices.Clone(a)
		for i := range both {
			both[i] = a[i] || b[i]
		}
		if diff := cmp.Diff(a, places(soak.Spans(a))); diff != "" {
			t.Fatalf("spans of %v: %s", a, diff)
		}
		if diff := cmp.Diff(soak.Spans(both), soak.Union(soak.Spans(a), soak.Spans(b))); diff != "" {
			t.Fatalf("union: %s", diff)
		}
	}
}

func TestMerged(t *testing.T) {
	t.Parallel()
	got := soak.Merged(
		soak.Record{Run: "a", Acked: [][]soak.Span{}},
		soak.Record{Run: "b", Acked: [][]soak.Span{{{From: 0, Until: 1}}}},
		soak.Record{Run: "a", Acked: [][]soak.Span{{{From: 0, Until: 5}}, {{From: 2, Until: 3}}}, Delivered: 9, Disconnects: 1},
		soak.Record{Run: "a", Acked: [][]soak.Span{{{From: 4, Until: 8}}}, Delivered: 7, Disconnects: 2},
	)
	want := []soak.Record{
		{Run: "a", Acked: [][]soak.Span{{{From: 0, Until: 8}}, {{From: 2, Until: 3}}}, Delivered: 9, Disconnects: 2},
		{Run: "b", Acked: [][]soak.Span{{{From: 0, Until: 1}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "state.json")
	if _, ok, err := soak.ReadState(path); ok || err != nil {
		t.Errorf("a state file that is not there: %v, %v", ok, err)
	}
	want := soak.Record{Run: "r", Acked: [][]soak.Span{{{From: 1, Until: 2}}}, Delivered: 3, Disconnects: 4}
	got, ok, err := soak.State(path, want)
	if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
		t.Errorf("%v, %v: %s", ok, err, diff)
	}
	if err := os.WriteFile(path, []byte(`{"run":"r","acked":[[{"from":3,"until":1}]]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := soak.ReadState(path); err == nil {
		t.Error("a state file that makes no sense must be an error")
	}
	if a, b := soak.StatePath("127.0.0.1:7420"), soak.StatePath("[::1]:7420"); a == b || filepath.Dir(a) != filepath.Dir(b) {
		t.Errorf("state files %s and %s", a, b)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"run":"r","acked":[[{"from":0,"until":9}]],"delivered":9,"disconnects_seen":1}`))
	f.Add([]byte(`{"run":"","acked":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := soak.DecodeRecord(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := soak.DecodeRecord(again); err != nil || back.Run != r.Run {
			t.Errorf("%s: %v", again, err)
		}
	})
}
