package bus_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/localbroker"
	"github.com/semabus/semabus/internal/bus"
	"github.com/semabus/semabus/internal/obs"
)

// spansOf lists the spans of a trace as "name of the span < name of its parent", sorted.
func spansOf(sink *tracetest.InMemoryExporter, id string) (out []string) {
	names := map[string]string{}
	for _, s := range sink.GetSpans() {
		names[s.SpanContext.SpanID().String()] = s.Name
	}
	for _, s := range sink.GetSpans() {
		if s.SpanContext.TraceID().String() != id {
			continue
		}
		parent := names[s.Parent.SpanID().String()]
		if s.Parent.IsRemote() && parent == "" {
			parent = "publisher"
		}
		out = append(out, s.Name+" < "+parent)
	}
	slices.Sort(out)
	return out
}

// TestEveryMessageHasItsWholeTrace: messages of several publishers that share one commit, and one that a worker decides later,
// each have their way through the bus in the trace that they came with; what an agent answers with goes on in it.
func TestEveryMessageHasItsWholeTrace(t *testing.T) {
	t.Parallel()
	sink := tracetest.NewInMemoryExporter()
	tracer := obs.NewTracer(obs.TraceOptions{}, sdktrace.NewSimpleSpanProcessor(sink))
	t.Cleanup(func() { must(t, tracer.Close(context.Background())) })
	engine, err := localbroker.Open(localbroker.Options{Dir: t.TempDir(), Clock: semabus.SystemClock{}, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	b := traced(t, engine, tracer)
	desk(t, b)

	ids := []string{strings.Repeat("a1", 16), strings.Repeat("b2", 16), strings.Repeat("c3", 16)}
	message := func(id string) *semabus.Message {
		return &semabus.Message{Text: "please refund my order", TraceParent: "00-" + id + "-00f067aa0ba902b7-01"}
	}
	for _, r := range b.Publish(t.Context(), alice, []bus.PublishItem{{Message: message(ids[0])}, {Message: message(ids[1])}}) {
		must(t, r.Err)
	}
	async(t, b, message(ids[2]))
	defer run(t, b)()
	leased := take(t, b, "refunds", 3)

	want := []string{"commit < publish", "decide < publish", "deliver < publish", "publish < publisher"}
	later := append([]string{"commit < publish"}, want...) // once to $ingress, once with the decision
	for i, want := range [][]string{want, want, later} {
		if diff := cmp.Diff(want, spansOf(sink, ids[i])); diff != "" {
			t.Errorf("message %d (-want +got):\n%s", i, diff)
		}
	}

	sink.Reset()
	for _, r := range b.Settle(t.Context(), alice, []semabus.Settlement{{Token: leased[0].Lease.Token, Outcome: semabus.SettleDone,
		Outputs: []*semabus.Message{{To: "sink", Text: "done", TraceParent: leased[0].Message.TraceParent}}}}) {
		must(t, r.Err)
	}
	take(t, b, "sink", 1)
	_, id, _ := strings.Cut(leased[0].Message.TraceParent, "-")
	id, _, _ = strings.Cut(id, "-")
	want[3] = "publish < publisher" // its parent, the first message's publish span, was reset away
	if diff := cmp.Diff(want, spansOf(sink, id)); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}
