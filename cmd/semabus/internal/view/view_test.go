package view_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// TestNames: every field of every result has a name in snake_case.
func TestNames(t *testing.T) {
	t.Parallel()
	snake := regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)*$`)
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] || typ == reflect.TypeFor[time.Time]() {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !snake.MatchString(name) {
				t.Errorf("%s.%s is %q", typ, f.Name, name)
			}
			walk(f.Type)
		}
	}
	for _, v := range []any{view.Answer{}, view.Browsed{}, view.DeadLetter{}, view.Delivery{}, view.Explanation{}, view.Group{}, view.GroupStats{}, view.Info{}, view.Intent{}, view.Key{}, view.Receipt{}, view.Set{}} {
		walk(reflect.TypeOf(v))
	}
	if len(seen) < 14 {
		t.Errorf("only %d types were seen", len(seen))
	}
}

// TestMessage: nothing of a message is lost in its JSON form.
func TestMessage(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	m := &semabus.Message{ID: "i", Source: "s", Type: "t", Subject: "u", Time: at, Topic: "a.b", To: "g", Payload: []byte{0xff}, ContentType: "x/y",
		Text: "<退款>", Parts: []semabus.Part{{MediaType: "m", Blob: "b", Size: 3}}, Headers: map[string]string{"k": "v"}, Audience: []string{"g"},
		Session: "c", InReplyTo: "r", Cause: "q", Root: "o", Hops: 2, Priority: 9, Cost: 1.5, DedupKey: "d", DeliverAt: at, Deadline: at,
		TTL: 1500 * time.Millisecond, ReplyTo: "z", TraceParent: "p", TraceState: "e"}
	raw, err := json.Marshal(view.NewMessage(m))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	const when = "2030-01-02T03:04:05Z"
	want := map[string]any{"id": "i", "source": "s", "type": "t", "subject": "u", "time": when, "topic": "a.b", "to": "g", "payload": "/w==",
		"content_type": "x/y", "text": "<退款>", "parts": []any{map[string]any{"media_type": "m", "blob": "b", "size": 3.0}},
		"headers": map[string]any{"k": "v"}, "audience": []any{"g"}, "session": "c", "in_reply_to": "r", "cause": "q", "root": "o", "hops": 2.0,
		"priority": 9.0, "cost": 1.5, "dedup_key": "d", "deliver_at": when, "deadline": when, "ttl": "1.5s", "reply_to": "z", "trace_parent": "p",
		"trace_state": "e"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if view.NewMessage(nil) != nil || view.NewDecision(nil) != nil {
		t.Error("what is absent became something")
	}
}

// TestText: a decision for people names who receives, who does not, and why.
func TestText(t *testing.T) {
	t.Parallel()
	d := &semabus.Decision{Outcome: semabus.OutcomeMatched, RegistryVersion: 3, Space: "s", Tier: "hashed", Margin: .5, Degraded: true,
		Matches: []semabus.Match{{Intent: "refunds", Group: "g", Reason: semabus.MatchMeaning, Probability: .9, Threshold: .5, Example: "a\x1b[31mb"}},
		Near:    []semabus.Match{{Group: "orders", Reason: semabus.MissNotPermitted}}}
	var b strings.Builder
	if err := view.WriteDecision(&b, d); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"decision matched → g (registry version 3, tier hashed, margin 0.500, degraded: a tier was away)",
		"✓  refunds", "0.900", "(the group itself)", "not_permitted", "a\uFFFD[31mb"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%q is missing in\n%s", part, b.String())
		}
	}
	b.Reset()
	if err := view.WriteDecision(&b, nil); err != nil || b.String() != "not decided yet\n" {
		t.Errorf("pending: %q, %v", b.String(), err)
	}
	a := view.NewAnswer(&client.Answer{Text: "x"})
	if raw, err := json.Marshal(a); err != nil || string(raw) != `{"text":"x","deliveries":[]}` {
		t.Errorf("%s, %v", raw, err)
	}
}
