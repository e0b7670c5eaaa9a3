package output_test

import (
	"strings"
	"testing"
	"time"

	"github.com/semabus/semabus/cmd/semabus/internal/output"
)

// TestTable: columns line up for wide characters too, and foreign text cannot move the cursor.
func TestTable(t *testing.T) {
	t.Parallel()
	table := output.NewTable("NAME", "N", "TEXT")
	table.Row("退款", "1", "a\tb\nc")
	table.Row("refunds", "23", "\x1b[2J")
	table.Row("short")
	var b strings.Builder
	if err := table.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := "NAME     N   TEXT\n退款     1   a b c\nrefunds  23  \uFFFD[2J\nshort\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if table.Len() != 3 {
		t.Errorf("%d rows", table.Len())
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"short", 10, "short"}, {"exactly", 7, "exactly"}, {"too long by far", 8, "too lon…"}, {"我要退款谢谢", 7, "我要退…"}, {"a\nb", 5, "a b"}} {
		if got := output.Cut(c.in, c.n); got != c.want || output.Width(got) > c.n {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestForPeople(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{24 * time.Hour: "24h", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", 0: "0s", 500 * time.Millisecond: "500ms"} {
		if got := output.Duration(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	if output.Time(time.Time{}) != "" || output.Or("") != "–" || output.Or("x") != "x" {
		t.Error("what is absent must be shown as absent")
	}
	var b strings.Builder
	if err := output.JSON(&b, map[string]string{"a": "<退款>"}); err != nil || b.String() != "{\"a\":\"<退款>\"}\n" {
		t.Errorf("JSON %q, %v", b.String(), err)
	}
}
