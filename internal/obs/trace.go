package obs

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	semabus "github.com/semabus/semabus"
)

// TraceOptions configure a [Tracer].
type TraceOptions struct {
	Endpoint string       // host:port of an OTLP collector (gRPC); "" = tracing is off
	Insecure bool         // plain text to the collector
	Sample   float64      // share of new traces that are recorded, 0–1; a caller's own decision is always followed
	Service  string       // service.name; "" = "semabus"
	Version  string       // service.version
	Node     string       // service.instance.id; "" = none
	Logger   *slog.Logger // hears that spans could not be sent; nil = nobody does
}

// sendTimeout bounds one attempt to send spans. There is no second attempt: a collector that is away costs spans only.
const sendTimeout = 3 * time.Second

func (o TraceOptions) withDefaults() TraceOptions {
	if o.Service == "" {
		o.Service = "semabus"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o TraceOptions) validate() error {
	if o.Sample < 0 || o.Sample > 1 {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: "trace.sample",
			Limit: "0 to 1", Fix: "give the share of traces to record", Op: "obs.OpenTracer"}
	}
	if !strings.Contains(o.Endpoint, ":") || strings.Contains(o.Endpoint, "/") {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: "trace.endpoint",
			Value: semabus.Shorten(o.Endpoint), Fix: "give host:port of an OTLP gRPC collector", Op: "obs.OpenTracer"}
	}
	return nil
}

// Tracer makes the spans of the main path. A nil *Tracer is valid: its spans record nothing and cost nothing.
type Tracer struct {
	tracer   trace.Tracer
	shutdown func(context.Context) error
}

// OpenTracer connects to a collector. Without an endpoint it returns nil, which is a Tracer that is off. The exporter
// sends in the background from now until [Tracer.Close]; a collector that is away costs spans, never messages. The
// process's OpenTelemetry error handler becomes the Logger. Options out of range give INVALID_ARGUMENT/INVALID_VALUE.
func OpenTracer(ctx context.Context, o TraceOptions) (*Tracer, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Logger.Warn("spans not sent", "error", err) }))
	opts := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(o.Endpoint), otlptracegrpc.WithTimeout(sendTimeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false})}
	if o.Insecure {
		opts = append(opts, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, opts...)
	if err != nil {
		return nil, &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonEngineUnavailable, Field: "trace.endpoint",
			Value: semabus.Shorten(o.Endpoint), Fix: "start the collector or leave trace.endpoint empty", Op: "obs.OpenTracer", Err: err}
	}
	return newTracer(o, sdktrace.WithBatcher(exporter)), nil
}

// NewTracer records into a span processor of the caller's, for tests and embedders with an exporter of their own.
func NewTracer(o TraceOptions, p sdktrace.SpanProcessor) *Tracer {
	return newTracer(o.withDefaults(), sdktrace.WithSpanProcessor(p))
}

func newTracer(o TraceOptions, sink sdktrace.TracerProviderOption) *Tracer {
	attrs := []attribute.KeyValue{attribute.String("service.name", o.Service)}
	if o.Version != "" {
		attrs = append(attrs, attribute.String("service.version", o.Version))
	}
	if o.Node != "" {
		attrs = append(attrs, attribute.String("service.instance.id", o.Node))
	}
	p := sdktrace.NewTracerProvider(sink, sdktrace.WithResource(resource.NewSchemaless(attrs...)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Sample))))
	return &Tracer{tracer: p.Tracer("github.com/semabus/semabus"), shutdown: p.Shutdown}
}

// Close sends what is still buffered and ends the exporter. It takes as long as one attempt to send, or until ctx ends.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.shutdown(ctx)
}

// Publish starts the span of one message's way through the bus, under the context its publisher sent in the message, else
// under ctx. It writes the span's own context into the message, so that its deliveries hang under it.
func (t *Tracer) Publish(ctx context.Context, m *semabus.Message) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.start(Extract(ctx, m.TraceParent, m.TraceState), "publish", trace.SpanKindProducer)
	span.Set("messaging.system", "semabus")
	span.Set("messaging.message.id", m.ID)
	m.TraceParent, m.TraceState = Inject(ctx)
	return ctx, span
}

// Decide starts the span of a message's routing decision, under the message's publish span: that of an asynchronous message
// is another goroutine's, perhaps another process's, and only the message knows it.
func (t *Tracer) Decide(ctx context.Context, m *semabus.Message) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.start(Extract(ctx, m.TraceParent, m.TraceState), "decide", trace.SpanKindInternal)
}

// Commit starts the span of the durable commit that a message is in, under the message's publish span. Messages that share
// a commit have a span each, so that every trace is whole.
func (t *Tracer) Commit(ctx context.Context, m *semabus.Message) Span {
	if t == nil {
		return Span{}
	}
	_, span := t.start(Extract(ctx, m.TraceParent, m.TraceState), "commit", trace.SpanKindInternal)
	return span
}

// Deliver starts the span of handing a message to a member of a group, under the message's publish span. It ends when the
// delivery has been sent.
func (t *Tracer) Deliver(ctx context.Context, d *semabus.Delivery) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.start(Extract(ctx, d.Message.TraceParent, d.Message.TraceState), "deliver", trace.SpanKindConsumer)
	span.Set("messaging.system", "semabus")
	span.Set("messaging.message.id", d.Message.ID)
	span.Set("messaging.consumer.group.name", d.Group)
	return ctx, span
}

func (t *Tracer) start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, Span{span: span}
}

// Span is one timed stage. The zero value records nothing.
type Span struct{ span trace.Span }

// Set adds an attribute. Attributes name things (ids, groups, codes); they never carry what a message says.
func (s Span) Set(key, value string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// End ends the span; an error marks it as failed with the error's code and reason, without its cause.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, strings.TrimSpace(semabus.CodeOf(err).String()+" "+semabus.ReasonOf(err)))
	}
	s.span.End()
}

// Extract returns ctx with the remote span of a W3C traceparent and tracestate. Malformed values are ignored, as W3C Trace
// Context §3.2.2.4 asks; ctx keeps the span it has.
func Extract(ctx context.Context, traceparent, tracestate string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent, "tracestate": tracestate})
}

// Inject is the W3C traceparent and tracestate of the span in ctx, empty where there is none.
func Inject(ctx context.Context) (traceparent, tracestate string) {
	c := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, c)
	return c["traceparent"], c["tracestate"]
}
