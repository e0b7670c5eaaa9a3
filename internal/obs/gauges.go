package obs

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	semabus "github.com/semabus/semabus"
)

// MaxQueueSeries bounds the queues that have gauges of their own: the deepest ones. The rest is summed under tenant and
// group "other".
const MaxQueueSeries = 1000

// Sources are asked when somebody reads /metrics, so that gauges cost nothing in between. Either may be nil. They must not
// block for long and are called from the HTTP server's goroutine, one scrape at a time or several.
type Sources struct {
	Queues func() []Queue
	Engine func() Engine
}

// Queue is one group's depth.
type Queue struct {
	Tenant string
	semabus.GroupStats
}

// Engine are the gauges and counters a storage engine keeps itself.
type Engine struct {
	Messages int64 // retained
	Marks    int64 // idempotence marks kept
	Bytes    int64 // on disk
	Syncs    int64 // fsyncs since the engine was opened
	Commits  int64 // batches since the engine was opened
	Intents  int64 // registered, all tenants
}

// Watch sets where the gauges come from, replacing what was set before. It does nothing on a nil receiver.
func (m *Metrics) Watch(s Sources) {
	if m != nil {
		m.gauges.sources.Store(&s)
	}
}

// gauges reads the sources at each scrape. It implements prometheus.Collector.
type gauges struct {
	sources                                         atomic.Pointer[Sources]
	depth, oldest                                   *prometheus.Desc
	messages, marks, bytes, syncs, commits, intents *prometheus.Desc
}

func newGauges() *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(Namespace+"_"+name, help, labels, nil)
	}
	return &gauges{
		depth:    desc("queue_depth", "Deliveries of a group, by state.", "tenant", "group", "state"),
		oldest:   desc("queue_oldest_ready_seconds", "Age of a group's oldest delivery that is ready.", "tenant", "group"),
		messages: desc("messages_retained", "Messages the engine keeps."),
		marks:    desc("marks_retained", "Idempotence marks the engine keeps."),
		bytes:    desc("disk_bytes", "Bytes the engine uses on disk."),
		syncs:    desc("fsyncs_total", "Fsyncs since the engine was opened."),
		commits:  desc("commits_total", "Batches committed since the engine was opened."),
		intents:  desc("intents", "Registered intents of all tenants."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.depth, g.oldest, g.messages, g.marks, g.bytes, g.syncs, g.commits, g.intents} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	s := g.sources.Load()
	if s == nil {
		return
	}
	if s.Engine != nil {
		e := s.Engine()
		send := func(d *prometheus.Desc, t prometheus.ValueType, v int64) {
			ch <- prometheus.MustNewConstMetric(d, t, float64(v))
		}
		send(g.messages, prometheus.GaugeValue, e.Messages)
		send(g.marks, prometheus.GaugeValue, e.Marks)
		send(g.bytes, prometheus.GaugeValue, e.Bytes)
		send(g.syncs, prometheus.CounterValue, e.Syncs)
		send(g.commits, prometheus.CounterValue, e.Commits)
		send(g.intents, prometheus.GaugeValue, e.Intents)
	}
	if s.Queues != nil {
		for _, q := range deepest(s.Queues(), MaxQueueSeries) {
			g.queue(ch, q)
		}
	}
}

func (g *gauges) queue(ch chan<- prometheus.Metric, q Queue) {
	depth := func(state string, n int64) {
		ch <- prometheus.MustNewConstMetric(g.depth, prometheus.GaugeValue, float64(n), q.Tenant, q.Group, state)
	}
	depth("ready", q.Ready)
	depth("delayed", q.Delayed)
	depth("leased", q.Leased)
	ch <- prometheus.MustNewConstMetric(g.oldest, prometheus.GaugeValue, q.OldestReady.Seconds(), q.Tenant, q.Group)
}

// deepest keeps the limit deepest queues and sums the rest into one called "other".
func deepest(qs []Queue, limit int) []Queue {
	if len(qs) <= limit {
		return qs
	}
	size := func(q Queue) int64 { return q.Ready + q.Delayed + q.Leased }
	sorted := slices.SortedStableFunc(slices.Values(qs), func(a, b Queue) int { return cmp.Compare(size(b), size(a)) })
	other := Queue{Tenant: "other", GroupStats: semabus.GroupStats{Group: "other"}}
	for _, q := range sorted[limit:] {
		other.Ready += q.Ready
		other.Delayed += q.Delayed
		other.Leased += q.Leased
		other.OldestReady = max(other.OldestReady, q.OldestReady)
	}
	return append(sorted[:limit:limit], other)
}
