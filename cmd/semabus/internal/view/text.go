package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
)

// WriteMatches prints matches for people; ✓ marks what delivers.
func WriteMatches(w io.Writer, matches []semabus.Match) error {
	t := output.NewTable(" ", "INTENT", "GROUP", "P", "THRESHOLD", "REASON", "VECTOR", "LEXICAL", "NEAREST EXAMPLE")
	for _, m := range matches {
		mark := " "
		if m.Reason.Delivers() {
			mark = "✓"
		}
		name := m.Intent
		if name == "" {
			name = "(the group itself)"
		}
		t.Row(mark, output.Cut(name, 32), output.Cut(m.Group, 32), fmt.Sprintf("%.3f", m.Probability), fmt.Sprintf("%.3f", m.Threshold),
			m.Reason.String(), fmt.Sprintf("%.2f", m.Vector), fmt.Sprintf("%.2f", m.Lexical), output.Cut(m.Example, 48))
	}
	return t.Write(w)
}

// WriteDecision prints a decision for people.
func WriteDecision(w io.Writer, d *semabus.Decision) error {
	if d == nil {
		_, err := fmt.Fprintln(w, "not decided yet")
		return err
	}
	head := "decision " + d.Outcome.String()
	if groups := d.Groups(); len(groups) > 0 {
		head += " → " + strings.Join(groups, ", ")
	}
	fmt.Fprintf(w, "%s (registry version %d", fault.Clean(head), d.RegistryVersion)
	if d.Space != "" {
		fmt.Fprintf(w, ", tier %s, margin %.3f", fault.Clean(d.Tier), d.Margin)
	}
	if d.Degraded {
		fmt.Fprint(w, ", degraded: a tier was away")
	}
	if d.Doubtful {
		fmt.Fprint(w, ", doubtful")
	}
	fmt.Fprintln(w, ")")
	if len(d.Matches)+len(d.Near) == 0 {
		return nil
	}
	return WriteMatches(w, slices.Concat(d.Matches, d.Near))
}
