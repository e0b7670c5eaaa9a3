package obs_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/obs"
)

// scrape reads /metrics as Prometheus would and returns the lines that begin with prefix, sorted.
func scrape(t *testing.T, m *obs.Metrics, prefix string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("scrape: status %d, err %v", w.Code, err)
	}
	var out []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, prefix) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	slices.Sort(out)
	return out
}

func TestCountersByOutcome(t *testing.T) {
	t.Parallel()
	m := obs.NewMetrics("v0")
	m.Published(semabus.OutcomeMatched)
	m.Published(semabus.OutcomeMatched)
	m.Published(semabus.OutcomeNone)
	m.Duplicated()
	m.Rejected(3)
	want := []string{
		`semabus_messages_published_total{outcome="ambiguous"} 0`,
		`semabus_messages_published_total{outcome="duplicate"} 1`,
		`semabus_messages_published_total{outcome="loop"} 0`,
		`semabus_messages_published_total{outcome="matched"} 2`,
		`semabus_messages_published_total{outcome="none"} 1`,
		`semabus_messages_published_total{outcome="pending"} 0`,
		`semabus_messages_published_total{outcome="rejected"} 3`,
	}
	if diff := cmp.Diff(want, scrape(t, m, "semabus_messages_published_total")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	m.Settled(semabus.SettleDone)
	m.Settled(semabus.SettleUnspecified) // refused by the bus; must not be counted nor crash
	m.Settled(semabus.SettleOutcome(200))
	m.Published(semabus.Outcome(200))
	want = []string{
		`semabus_settles_total{outcome="done"} 1`,
		`semabus_settles_total{outcome="not_for_me"} 0`,
		`semabus_settles_total{outcome="poison"} 0`,
		`semabus_settles_total{outcome="retry"} 0`,
		`semabus_settles_total{outcome="throttled"} 0`,
	}
	if diff := cmp.Diff(want, scrape(t, m, "semabus_settles_total")); diff != "" {
		t.Errorf("settled (-want +got):\n%s", diff)
	}
}

func TestStagesAreInSeconds(t *testing.T) {
	t.Parallel()
	m := obs.NewMetrics("v0")
	m.PublishTook(250 * time.Millisecond)
	m.DecideTook(500 * time.Microsecond)
	m.CommitTook(2*time.Millisecond, 64)
	m.Delivered(4 * time.Second)
	m.Delivered(-time.Second) // a clock that stepped back is no negative wait
	m.Called("/semabus.v1.Bus/Publish", semabus.CodeOK, 125*time.Millisecond)
	m.Connected(2)
	m.Connected(-1)
	m.DeadLettered()
	m.Expired(3, 2)
	for _, want := range []string{
		"semabus_publish_seconds_sum 0.25",
		"semabus_decide_seconds_sum 0.0005",
		"semabus_commit_seconds_sum 0.002",
		"semabus_commit_batch_size_sum 64",
		"semabus_deliver_seconds_sum 4",
		"semabus_deliveries_total 2",
		`semabus_rpc_seconds_sum{code="OK",method="/semabus.v1.Bus/Publish"} 0.125`,
		"semabus_subscribers 1",
		"semabus_dead_letters_total 3",
		"semabus_expired_total 3",
	} {
		if got := scrape(t, m, want); len(got) != 1 {
			t.Errorf("no line %q in\n%s", want, strings.Join(scrape(t, m, "semabus_"), "\n"))
		}
	}
}

func TestGaugesComeFromTheSources(t *testing.T) {
	t.Parallel()
	m := obs.NewMetrics("v0")
	if got := scrape(t, m, "semabus_queue_depth"); len(got) != 0 {
		t.Errorf("depth without a source: %v", got)
	}
	ready := int64(1)
	m.Watch(obs.Sources{
		Queues: func() []obs.Queue {
			return []obs.Queue{{Tenant: "acme", GroupStats: semabus.GroupStats{Group: "refunds", Ready: ready, Leased: 2,
				OldestReady: 1500 * time.Millisecond}}}
		},
		Engine: func() obs.Engine { return obs.Engine{Messages: 5, Syncs: 7, Bytes: 4096, Intents: 3} },
	})
	ready = 9 // read at the scrape, not before
	want := []string{
		`semabus_queue_depth{group="refunds",state="delayed",tenant="acme"} 0`,
		`semabus_queue_depth{group="refunds",state="leased",tenant="acme"} 2`,
		`semabus_queue_depth{group="refunds",state="ready",tenant="acme"} 9`,
	}
	if diff := cmp.Diff(want, scrape(t, m, "semabus_queue_depth")); diff != "" {
		t.Errorf("depth (-want +got):\n%s", diff)
	}
	for _, want := range []string{`semabus_queue_oldest_ready_seconds{group="refunds",tenant="acme"} 1.5`,
		"semabus_fsyncs_total 7", "semabus_messages_retained 5", "semabus_disk_bytes 4096", "semabus_intents 3"} {
		if len(scrape(t, m, want)) != 1 {
			t.Errorf("no line %q", want)
		}
	}
}

func TestQueueSeriesAreBounded(t *testing.T) {
	t.Parallel()
	m := obs.NewMetrics("v0")
	const queues = obs.MaxQueueSeries + 50
	m.Watch(obs.Sources{Queues: func() []obs.Queue {
		qs := make([]obs.Queue, queues)
		for i := range qs {
			qs[i] = obs.Queue{Tenant: "t", GroupStats: semabus.GroupStats{Group: "g" + string(rune('0'+i%10)) +
				strings.Repeat("x", i), Ready: int64(i)}}
		}
		return qs
	}})
	if got := len(scrape(t, m, "semabus_queue_oldest_ready_seconds{")); got != obs.MaxQueueSeries+1 {
		t.Errorf("%d queues have series, want %d and one for the rest", got, obs.MaxQueueSeries)
	}
	// The 50 shallowest (0 … 49) are summed.
	want := []string{`semabus_queue_depth{group="other",state="ready",tenant="other"} 1225`}
	if diff := cmp.Diff(want, scrape(t, m, `semabus_queue_depth{group="other",state="ready"`)); diff != "" {
		t.Errorf("rest (-want +got):\n%s", diff)
	}
}

func TestNilMetricsDoNothing(t *testing.T) {
	t.Parallel()
	var m *obs.Metrics
	m.Published(semabus.OutcomeMatched)
	m.Duplicated()
	m.Rejected(1)
	m.PublishTook(1)
	m.DecideTook(1)
	m.CommitTook(1, 1)
	m.Delivered(1)
	m.Settled(semabus.SettleDone)
	m.DeadLettered()
	m.Expired(1, 1)
	m.Connected(1)
	m.Called("/x", semabus.CodeOK, 1)
	m.Watch(obs.Sources{})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusNotFound || m.Registry() != nil {
		t.Errorf("nil metrics: status %d, registry %v", w.Code, m.Registry())
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	m := obs.NewMetrics("v0")
	if n := testing.AllocsPerRun(100, func() {
		m.Published(semabus.OutcomeMatched)
		m.DecideTook(time.Microsecond)
		m.CommitTook(time.Millisecond, 8)
		m.Delivered(time.Millisecond)
		m.Settled(semabus.SettleDone)
	}); n != 0 {
		t.Errorf("%v allocations a message, want none", n)
	}
}

func BenchmarkMessage(b *testing.B) {
	m := obs.NewMetrics("v0")
	for b.Loop() {
		m.Published(semabus.OutcomeMatched)
		m.DecideTook(20 * time.Microsecond)
		m.CommitTook(time.Millisecond, 8)
		m.Delivered(time.Millisecond)
		m.Settled(semabus.SettleDone)
	}
}

// TestPageListsEverySeries compares docs/observability.md with what a node shows.
func TestPageListsEverySeries(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, name := range regexp.MustCompile("`(semabus_[a-z_]+)`").FindAllStringSubmatch(string(page), -1) {
		listed[name[1]] = true
	}
	m := obs.NewMetrics("v0")
	m.Called("/semabus.v1.Bus/Publish", semabus.CodeOK, time.Millisecond)
	m.Watch(obs.Sources{
		Engine: func() obs.Engine { return obs.Engine{} },
		Queues: func() []obs.Queue { return []obs.Queue{{Tenant: "t", GroupStats: semabus.GroupStats{Group: "g"}}} },
	})
	for _, line := range scrape(t, m, "# TYPE semabus_") {
		name := strings.Fields(line)[2]
		if !listed[name] {
			t.Errorf("docs/observability.md does not list %s", name)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("docs/observability.md lists %s, which no node shows", name)
	}
}
