package bench_test

import (
	"strings"
	"testing"

	"github.com/semabus/semabus/cmd/semabus/internal/bench"
)

const metrics = `# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
process_resident_memory_bytes 1.048576e+08
process_start_time_seconds 1.7e+09
`

func TestParseUsage(t *testing.T) {
	t.Parallel()
	u, err := bench.ParseUsage(strings.NewReader(metrics))
	if err != nil || u.CPU != 12.5 || u.RSS != 100<<20 {
		t.Errorf("%+v, %v", u, err)
	}
	for _, bad := range []string{"", "process_cpu_seconds_total 1\n", "process_cpu_seconds_total many\n", strings.Repeat("a", 2<<20)} {
		if u, err := bench.ParseUsage(strings.NewReader(bad)); err == nil {
			t.Errorf("%.30q gave %+v", bad, u)
		}
	}
}

func FuzzParseUsage(f *testing.F) {
	f.Add(metrics)
	f.Add("process_cpu_seconds_total NaN\nprocess_resident_memory_bytes -Inf\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := bench.ParseUsage(strings.NewReader(text))
		if err == nil && !strings.Contains(text, "process_cpu_seconds_total ") {
			t.Errorf("%q has no CPU time", text)
		}
	})
}
