package obs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/obs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func record(t *testing.T) (*obs.Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	sink := tracetest.NewInMemoryExporter()
	tracer := obs.NewTracer(obs.TraceOptions{Service: "test", Sample: 1}, sdktrace.NewSimpleSpanProcessor(sink))
	t.Cleanup(func() {
		if err := tracer.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return tracer, sink
}

// A message carries the trace from its publisher over the bus to its consumer.
func TestSpansOfOneMessageFormOneTrace(t *testing.T) {
	t.Parallel()
	tracer, sink := record(t)
	const publisher = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	m := &semabus.Message{ID: "m1", TraceParent: publisher, TraceState: "vendor=1"}

	ctx, publish := tracer.Publish(t.Context(), m)
	_, decide := tracer.Decide(ctx, m)
	decide.End(nil)
	commit := tracer.Commit(ctx, m)
	commit.End(nil)
	publish.End(nil)
	if m.TraceParent == publisher || m.TraceState != "vendor=1" {
		t.Errorf("the message carries %q, %q: want the publish span's context and the publisher's state", m.TraceParent, m.TraceState)
	}
	// Another process, another context: only the message connects the two.
	_, deliver := tracer.Deliver(context.Background(), &semabus.Delivery{Message: m, Group: "refunds"})
	deliver.End(nil)

	type span struct{ Name, Trace, Parent string }
	ids := map[trace.SpanID]string{}
	for _, s := range sink.GetSpans() {
		ids[s.SpanContext.SpanID()] = s.Name
	}
	var got []span
	for _, s := range sink.GetSpans() {
		parent := ids[s.Parent.SpanID()]
		if s.Parent.SpanID().String() == "00f067aa0ba902b7" {
			parent = "publisher"
		}
		got = append(got, span{s.Name, s.SpanContext.TraceID().String(), parent})
	}
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	want := []span{{"decide", id, "publish"}, {"commit", id, "publish"}, {"publish", id, "publisher"}, {"deliver", id, "publish"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

func TestSpanOfAnErrorNamesItsReasonButNotItsCause(t *testing.T) {
	t.Parallel()
	tracer, sink := record(t)
	span := tracer.Commit(t.Context(), &semabus.Message{})
	span.End(&semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonDiskFull, Err: errors.New("secret path")})
	got := sink.GetSpans()[0].Status
	if got.Code != codes.Error || got.Description != "UNAVAILABLE DISK_FULL" {
		t.Errorf("status %v %q", got.Code, got.Description)
	}
}

func TestMalformedTraceContextIsIgnored(t *testing.T) {
	t.Parallel()
	for _, parent := range []string{"", "x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf9-00f0-01", "\xff"} {
		ctx := obs.Extract(t.Context(), parent, "a=b")
		if trace.SpanContextFromContext(ctx).IsValid() {
			t.Errorf("%q made a valid span context", parent)
		}
		if p, s := obs.Inject(ctx); p != "" || s != "" {
			t.Errorf("%q: injected %q, %q", parent, p, s)
		}
	}
}

func TestTracerThatIsOff(t *testing.T) {
	tracer, err := obs.OpenTracer(t.Context(), obs.TraceOptions{})
	if err != nil || tracer != nil {
		t.Fatalf("no endpoint: %v, %v", tracer, err)
	}
	m := &semabus.Message{TraceParent: "kept", TraceState: "kept too"}
	ctx, span := tracer.Publish(t.Context(), m)
	span.Set("k", "v")
	span.End(errors.New("x"))
	if ctx != t.Context() || m.TraceParent != "kept" || m.TraceState != "kept too" {
		t.Errorf("a tracer that is off changed something: %+v", m)
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	if n := testing.AllocsPerRun(100, func() {
		_, s := tracer.Decide(ctx, &semabus.Message{})
		s.End(nil)
	}); n != 0 {
		t.Errorf("%v allocations a span, want none", n)
	}
}

func TestOpenTracerRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []obs.TraceOptions{{Endpoint: "host"}, {Endpoint: "http://host:4317"}, {Endpoint: "h:1", Sample: 2}, {Endpoint: "h:1", Sample: -1}} {
		if _, err := obs.OpenTracer(t.Context(), o); semabus.ReasonOf(err) != semabus.ReasonInvalidValue {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A collector that is away must cost nothing but spans, and the loss is logged.
func TestOpenTracerWithoutACollector(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tracer, err := obs.OpenTracer(t.Context(), obs.TraceOptions{Endpoint: "127.0.0.1:1", Insecure: true, Sample: 1, Version: "v0",
		Node: "n", Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Publish(t.Context(), &semabus.Message{ID: "m"})
	span.End(nil)
	closed := tracer.Close(t.Context())
	if !strings.Contains(out.String(), "spans not sent") && closed == nil {
		t.Errorf("the loss of the span was neither logged nor returned: %q", out.String())
	}
}
