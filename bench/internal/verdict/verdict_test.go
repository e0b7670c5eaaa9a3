package verdict_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/semabus/semabus/bench/internal/verdict"
)

var targets = []verdict.Target{
	{Key: "rate", Unit: "/s", Gate: 100, Aim: 200},
	{Key: "wait", Unit: "ms", Gate: 5, Aim: 5, AtMost: true},
}

// Two figures of two rounds: one has reached its aim, the other is above its gate.
func Example() {
	r := verdict.New("queue", targets, map[string][]float64{"rate": {190, 230}, "wait": {5, 7}, "others": {3, 3}})
	_ = r.WriteText(os.Stdout)
	// Output:
	// queue      rate                         210.00       (190.00 … 230.00)  gate ≥ 100, aim 200 /s            aim reached
	// queue      wait                           6.00           (5.00 … 7.00)  gate ≤ 5 ms                       above the gate
	// queue      others                         3.00           (3.00 … 3.00)
}

func TestHeld(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rate, wait []float64
		held       bool
		words      string
	}{
		"both":         {[]float64{100}, []float64{5}, true, "gate met"},
		"one below":    {[]float64{99.9}, []float64{5}, false, "below the gate"},
		"one above":    {[]float64{100}, []float64{5.1}, false, "above the gate"},
		"not measured": {[]float64{100}, nil, false, "not measured"},
		"not a number": {[]float64{math.NaN()}, []float64{1}, false, "below the gate"},
		"by median":    {[]float64{1, 150, 160}, []float64{1, 2, 90}, true, "gate met"},
	} {
		values := map[string][]float64{"rate": c.rate}
		if c.wait != nil {
			values["wait"] = c.wait
		}
		r := verdict.New(name, targets, values)
		var b bytes.Buffer
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		if r.Held != c.held || !strings.Contains(b.String(), c.words) {
			t.Errorf("%s: held %v\n%s", name, r.Held, &b)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := verdict.New("queue", targets, map[string][]float64{"rate": {1, 2, 400}, "wait": {1}, "others": {.12345}}).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || strings.Count(b.String(), "\n") != 1 {
		t.Fatalf("%v: %s", err, &b)
	}
	want := map[string]any{
		"name": "queue", "rounds": 3.0, "held": false, "values": map[string]any{"rate": 2.0, "wait": 1.0, "others": .123},
		"gates": map[string]any{"rate": 100.0, "wait": 5.0}, "aims": map[string]any{"rate": 200.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
