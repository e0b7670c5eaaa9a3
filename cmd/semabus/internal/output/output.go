package output

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"golang.org/x/text/width"

	"github.com/semabus/semabus/cmd/semabus/internal/fault"
)

// JSON prints v as one line.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Table collects rows of text for people.
type Table struct {
	rows [][]string
}

// NewTable starts a table with the names of its columns.
func NewTable(header ...string) *Table { return &Table{rows: [][]string{header}} }

// Row adds a row; it may have fewer cells than the header.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fault.Clean(c)
	}
	t.rows = append(t.rows, row)
}

// Len is the number of rows without the header.
func (t *Table) Len() int { return len(t.rows) - 1 }

// Write prints the table; one without rows is its header.
func (t *Table) Write(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(c))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, c := range row {
			line.WriteString(c)
			line.WriteString(strings.Repeat(" ", widths[i]-Width(c)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Width is how many columns a terminal gives s.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// Cut shortens s to n columns, with an ellipsis where something is missing. Line ends become spaces first.
func Cut(s string, n int) string {
	s = fault.Clean(s)
	if Width(s) <= n {
		return s
	}
	used := 1 // the ellipsis
	for i, r := range s {
		if used += runeWidth(r); used > n {
			return s[:i] + "…"
		}
	}
	return s
}

// Time is an instant for people, in their time zone; "" for none.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// Duration is d without zero units at its end: 24h, not 24h0m0s.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Or is s, or a dash where there is none.
func Or(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
