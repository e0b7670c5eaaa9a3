// Package obs is how a node is watched from outside: Prometheus metrics, OpenTelemetry traces and the construction of the
// log. Every package but the root and the drivers may import it; it imports the root only.
//
// Main path: internal/node makes one [Metrics], one [Tracer] and one logger and hands them down. The bus reports each
// stage of a message (publish → decide → commit → deliver) to the Metrics and wraps it in a span of the Tracer; the trace
// context travels inside the message (TraceParent, TraceState), so that a consumer's span hangs under its publisher's.
// The HTTP door serves [Metrics.Handler] at /metrics.
//
// Guarantees: a nil *Metrics and a nil *Tracer are valid and do nothing, so no caller needs a check. Reporting never
// blocks, never fails and allocates nothing: every series of the hot path is resolved when the Metrics is made. Label
// values come from closed lists, except for queue gauges, whose number is bounded by [MaxQueueSeries]. Nothing a message
// says (text, payload, headers) becomes a label, an attribute or a log field here.
package obs
