package verdict

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/semabus/semabus/bench/internal/meter"
)

// Target is what a value has to be, and is meant to be.
type Target struct {
	Key    string // of the value
	Unit   string
	Gate   float64
	Aim    float64 // beyond the gate; equal to it = there is none
	AtMost bool    // else at least
}

// Met reports whether the value is on the right side of a bound.
func (t Target) Met(value, bound float64) bool {
	if t.AtMost {
		return value <= bound
	}
	return value >= bound // never of a value that is not a number
}

// Verdict says in words how a value stands.
func (t Target) Verdict(value float64) string {
	switch {
	case t.Aim != t.Gate && t.Met(value, t.Aim):
		return "aim reached"
	case t.Met(value, t.Gate):
		return "gate met"
	case t.AtMost:
		return "above the gate"
	}
	return "below the gate"
}

// String is the gate and the aim in words.
func (t Target) String() string {
	sign := "≥"
	if t.AtMost {
		sign = "≤"
	}
	if t.Aim == t.Gate {
		return fmt.Sprintf("gate %s %g %s", sign, t.Gate, t.Unit)
	}
	return fmt.Sprintf("gate %s %g, aim %g %s", sign, t.Gate, t.Aim, t.Unit)
}

// Result is what one measurement found: medians over its rounds.
type Result struct {
	Name   string             `json:"name"`
	Rounds int                `json:"rounds"`
	Values map[string]float64 `json:"values"`
	Gates  map[string]float64 `json:"gates"`
	Aims   map[string]float64 `json:"aims"`
	Held   bool               `json:"held"` // every gate is met

	spreads map[string]meter.Spread
	targets []Target
}

// New holds values, one a round, against the targets.
func New(name string, targets []Target, values map[string][]float64) *Result {
	r := &Result{
		Name: name, Values: map[string]float64{}, Gates: map[string]float64{}, Aims: map[string]float64{}, Held: true,
		spreads: map[string]meter.Spread{}, targets: targets,
	}
	for k, v := range values {
		r.Rounds = max(r.Rounds, len(v))
		r.spreads[k] = meter.Of(v)
		r.Values[k] = meter.Rounded(r.spreads[k].Median, 3)
	}
	for _, t := range targets {
		v, ok := r.Values[t.Key]
		r.Gates[t.Key] = t.Gate
		if t.Aim != t.Gate {
			r.Aims[t.Key] = t.Aim
		}
		r.Held = r.Held && ok && t.Met(v, t.Gate)
	}
	return r
}

// WriteText prints the values with a target, then the others.
func (r *Result) WriteText(w io.Writer) error {
	told := map[string]bool{}
	for _, t := range r.targets {
		told[t.Key] = true
		verdict := "not measured"
		if v, ok := r.Values[t.Key]; ok {
			verdict = t.Verdict(v)
		}
		if err := r.writeLine(w, t.Key, fmt.Sprintf("  %-32s  %s", t, verdict)); err != nil {
			return err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.spreads)) {
		if !told[k] {
			if err := r.writeLine(w, k, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Result) writeLine(w io.Writer, key, rest string) error {
	s, ok := r.spreads[key]
	value, spread := "", ""
	if ok {
		value = fmt.Sprintf("%.2f", s.Median)
	}
	if r.Rounds > 1 {
		spread = fmt.Sprintf(" %23s", fmt.Sprintf("(%.2f … %.2f)", s.Min, s.Max))
	}
	_, err := fmt.Fprintf(w, "%-10s %-22s %12s%s%s\n", r.Name, key, value, spread, rest)
	return err
}

// WriteJSON prints one line.
func (r *Result) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }
