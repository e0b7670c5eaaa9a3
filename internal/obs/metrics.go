package obs

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	semabus "github.com/semabus/semabus"
)

// Namespace is the first part of every metric's name.
const Namespace = "semabus"

// Metrics counts what a node does. All methods are safe for concurrent use and do nothing on a nil receiver.
type Metrics struct {
	registry *prometheus.Registry
	gauges   *gauges

	published  [outcomes]prometheus.Counter // by semabus.Outcome
	duplicates prometheus.Counter
	rejected   prometheus.Counter
	settled    [settles]prometheus.Counter // by semabus.SettleOutcome
	delivered  prometheus.Counter
	deadLetter prometheus.Counter
	expired    prometheus.Counter
	retained   *prometheus.CounterVec // by reserved queue
	connected  prometheus.Gauge

	publish, decide, commit, deliver prometheus.Histogram // seconds
	batch                            prometheus.Histogram // batches a commit

	calls *prometheus.HistogramVec // by method and code; one observation an RPC, not a message
}

// The sizes of the root package's enumerations that are label values here.
const (
	outcomes = int(semabus.OutcomeLoop) + 1
	settles  = int(semabus.SettleNotForMe) + 1
)

// NewMetrics makes the series of a node under a registry of its own, with the Go runtime's and the process's. Version is
// the node's version, shown in semabus_build_info.
func NewMetrics(version string) *Metrics {
	r := prometheus.NewRegistry()
	m := &Metrics{registry: r, gauges: newGauges()}
	m.counters(r)
	m.histograms(r)
	build := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: Namespace, Name: "build_info",
		Help:        "1, with the version of the node and of its Go tool chain as labels.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()}})
	build.Set(1)
	r.MustRegister(build, m.gauges, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) counters(r *prometheus.Registry) {
	published := vec(r, "messages_published_total", "Messages taken from publishers, by how the decision came out; "+
		"duplicate = answered with an earlier receipt, rejected = refused with a typed error.", "outcome")
	for i := range m.published {
		m.published[i] = published.WithLabelValues(semabus.Outcome(i).String())
	}
	m.duplicates = published.WithLabelValues("duplicate")
	m.rejected = published.WithLabelValues("rejected")
	settled := vec(r, "settles_total", "Deliveries ended by their consumer, by outcome.", "outcome")
	for i := 1; i < settles; i++ { // 0 is "unspecified": refused before it gets here
		m.settled[i] = settled.WithLabelValues(semabus.SettleOutcome(i).String())
	}
	m.delivered = counter(r, "deliveries_total", "Deliveries leased to a consumer, every attempt.")
	m.deadLetter = counter(r, "dead_letters_total", "Deliveries moved to a dead-letter queue.")
	m.expired = counter(r, "expired_total", "Deliveries that nobody leased before their time to live ran out.")
	m.retained = vec(r, "retention_dropped_total", "Deliveries dropped because their reserved queue keeps no more; the ledger knows them.", "queue")
	for _, q := range [...]string{semabus.GroupUnmatched, semabus.GroupHeld, semabus.GroupDeadLetter} {
		m.retained.WithLabelValues(q) // shown from the start
	}
	m.connected = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: Namespace, Name: "subscribers",
		Help: "Open subscriptions."})
	r.MustRegister(m.connected)
}

func (m *Metrics) histograms(r *prometheus.Registry) {
	m.publish = histogram(r, "publish_seconds", "From the arrival of a Publish call to its receipts.", durations())
	m.decide = histogram(r, "decide_seconds", "From a message's text to its decision, embedding included.", durations())
	m.commit = histogram(r, "commit_seconds", "Of one durable commit, fsync included.", durations())
	m.deliver = histogram(r, "deliver_seconds", "From a delivery being due to its lease: time in the queue.", durations())
	m.batch = histogram(r, "commit_batch_size", "Batches that shared one commit.", prometheus.ExponentialBuckets(1, 2, 11))
	m.calls = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: Namespace, Name: "rpc_seconds",
		Help: "Of one RPC; a stream counts once, when it ends.", Buckets: durations()}, []string{"method", "code"})
	r.MustRegister(m.calls)
}

// durations are bucket bounds from 5 µs to 10.5 s, each twice the one before.
func durations() []float64 { return prometheus.ExponentialBuckets(5e-6, 2, 22) }

func vec(r *prometheus.Registry, name, help, label string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: Namespace, Name: name, Help: help}, []string{label})
	r.MustRegister(v)
	return v
}

func counter(r *prometheus.Registry, name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: Namespace, Name: name, Help: help})
	r.MustRegister(c)
	return c
}

func histogram(r *prometheus.Registry, name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: Namespace, Name: name, Help: help, Buckets: buckets})
	r.MustRegister(h)
	return h
}

// Registry is where the series live; nil for a nil receiver.
func (m *Metrics) Registry() *prometheus.Registry {
	if m == nil {
		return nil
	}
	return m.registry
}

// Handler serves the series in Prometheus' text format; 404 for a nil receiver.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Published counts one accepted message by the outcome of its decision.
func (m *Metrics) Published(o semabus.Outcome) {
	if m != nil && int(o) < outcomes {
		m.published[o].Inc()
	}
}

// Duplicated counts one message that was answered with an earlier receipt.
func (m *Metrics) Duplicated() {
	if m != nil {
		m.duplicates.Inc()
	}
}

// Rejected counts n messages that were refused with a typed error.
func (m *Metrics) Rejected(n int) {
	if m != nil {
		m.rejected.Add(float64(n))
	}
}

// PublishTook is the time of one Publish call, whatever the number of its messages.
func (m *Metrics) PublishTook(d time.Duration) {
	if m != nil {
		m.publish.Observe(d.Seconds())
	}
}

// DecideTook is the time of one message's decision.
func (m *Metrics) DecideTook(d time.Duration) {
	if m != nil {
		m.decide.Observe(d.Seconds())
	}
}

// CommitTook is the time of one commit and the number of batches in it.
func (m *Metrics) CommitTook(d time.Duration, batches int) {
	if m != nil {
		m.commit.Observe(d.Seconds())
		m.batch.Observe(float64(batches))
	}
}

// Delivered counts one granted lease; waited is the time since the delivery became due, 0 where it is not known.
func (m *Metrics) Delivered(waited time.Duration) {
	if m != nil {
		m.delivered.Inc()
		m.deliver.Observe(max(0, waited.Seconds()))
	}
}

// Settled counts one settled delivery by its outcome.
func (m *Metrics) Settled(o semabus.SettleOutcome) {
	if m != nil && o > semabus.SettleUnspecified && int(o) < settles {
		m.settled[o].Inc()
	}
}

// DeadLettered counts one delivery moved to a dead-letter queue.
func (m *Metrics) DeadLettered() {
	if m != nil {
		m.deadLetter.Inc()
	}
}

// Expired counts n deliveries whose time to live ran out; dead of them were moved to a dead-letter queue.
func (m *Metrics) Expired(n, dead int) {
	if m != nil {
		m.expired.Add(float64(n))
		m.deadLetter.Add(float64(dead))
	}
}

// Retained counts n deliveries dropped because their reserved queue keeps no more.
func (m *Metrics) Retained(queue string, n int) {
	if m != nil && n > 0 {
		m.retained.WithLabelValues(queue).Add(float64(n))
	}
}

// Connected adds to the number of open subscriptions: +1 at the start of one, −1 at its end.
func (m *Metrics) Connected(delta int) {
	if m != nil {
		m.connected.Add(float64(delta))
	}
}

// Called counts one RPC that took d. Method is the full name from the contract ("/semabus.v1.Bus/Publish"), never what a
// client typed.
func (m *Metrics) Called(method string, code semabus.Code, d time.Duration) {
	if m != nil {
		m.calls.WithLabelValues(method, code.String()).Observe(d.Seconds())
	}
}
