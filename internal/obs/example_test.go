package obs_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/obs"
)

// A node counts a message at each stage and lets Prometheus read the result. Without a collector the tracer is nil, which
// is a tracer that is off.
func Example() {
	ctx := context.Background()
	metrics := obs.NewMetrics("v0.1.0")
	tracer, _ := obs.OpenTracer(ctx, obs.TraceOptions{})

	m := &semabus.Message{ID: "m1", Text: "I was charged twice"}
	ctx, span := tracer.Publish(ctx, m)
	_, decide := tracer.Decide(ctx, m)
	metrics.DecideTook(40 * time.Microsecond)
	decide.End(nil)
	metrics.Published(semabus.OutcomeMatched)
	span.End(nil)

	w := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.Contains(line, `outcome="matched"`) {
			fmt.Print(line)
		}
	}
	// Output: semabus_messages_published_total{outcome="matched"} 1
}
