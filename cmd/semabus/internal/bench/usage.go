package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	semabus "github.com/semabus/semabus"
)

// Usage is what a node's process has used, from its own metrics.
type Usage struct {
	CPU float64 // seconds since its start, user and system, all threads
	RSS float64 // bytes resident now
}

// usage asks the node for it. Errors: UNAVAILABLE.
func usage(ctx context.Context, http1 *http.Client, addr string) (Usage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return Usage{}, noMetrics(addr, err)
	}
	answer, err := http1.Do(req)
	if err != nil {
		return Usage{}, noMetrics(addr, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return Usage{}, noMetrics(addr, fmt.Errorf("it answered %s", answer.Status))
	}
	u, err := ParseUsage(answer.Body)
	if err != nil {
		return Usage{}, noMetrics(addr, err)
	}
	return u, nil
}

func noMetrics(addr string, err error) error {
	return &semabus.Error{
		Code: semabus.CodeUnavailable, Reason: semabus.ReasonEngineUnavailable, Op: "bench", Field: "--http", Value: semabus.Shorten(addr),
		Fix: "name the HTTP address of the node at --addr; without it CPU and memory stay unknown", Err: err,
	}
}

// ParseUsage reads process_cpu_seconds_total and process_resident_memory_bytes out of metrics in the Prometheus text
// format.
func ParseUsage(r io.Reader) (Usage, error) {
	var u Usage
	want := map[string]*float64{"process_cpu_seconds_total": &u.CPU, "process_resident_memory_bytes": &u.RSS}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && len(want) > 0 {
		name, value, _ := strings.Cut(lines.Text(), " ")
		into, ok := want[name]
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return Usage{}, fmt.Errorf("metric %s: %w", name, err)
		}
		*into = v
		delete(want, name)
	}
	if err := lines.Err(); err != nil {
		return Usage{}, err
	}
	for name := range want {
		return Usage{}, fmt.Errorf("the metrics have no %s", name)
	}
	return u, nil
}
