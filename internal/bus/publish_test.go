package bus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/bus"
)

func TestBadMessagesAreRefusedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		it            bus.PublishItem
		reason, field string
	}{
		"none":            {bus.PublishItem{}, semabus.ReasonRequired, "message"},
		"10 MB":           {bus.PublishItem{Message: &semabus.Message{ID: "bad", Payload: make([]byte, 10<<20)}}, semabus.ReasonTooLarge, "message"},
		"10 MB of text":   {bus.PublishItem{Message: &semabus.Message{ID: "bad", Text: strings.Repeat("x", 10<<20)}}, semabus.ReasonTooLarge, "message.text"},
		"invalid UTF-8":   {bus.PublishItem{Message: &semabus.Message{ID: "bad", Text: "\xff"}}, semabus.ReasonInvalidUTF8, "message.text"},
		"id of 10 KB":     {bus.PublishItem{Message: &semabus.Message{ID: strings.Repeat("x", 10<<10)}}, semabus.ReasonTooLarge, "message.id"},
		"id upwards":      {bus.PublishItem{Message: &semabus.Message{ID: "a/../../etc"}}, semabus.ReasonInvalidID, "message.id"},
		"op id of 10 KB":  {bus.PublishItem{Message: &semabus.Message{ID: "bad"}, OpID: strings.Repeat("x", 10<<10)}, semabus.ReasonTooLarge, "op_id"},
		"op id of ours":   {bus.PublishItem{Message: &semabus.Message{ID: "bad"}, OpID: "$lease/x"}, semabus.ReasonInvalidID, "op_id"},
		"reserved group":  {bus.PublishItem{Message: &semabus.Message{ID: "bad", To: "$ingress"}}, semabus.ReasonInvalidValue, "message.to"},
		"empty part":      {bus.PublishItem{Message: &semabus.Message{ID: "bad", Topic: "a..b"}}, semabus.ReasonInvalidValue, "message.topic"},
		"topic pattern":   {bus.PublishItem{Message: &semabus.Message{ID: "bad", Topic: "orders.*"}}, semabus.ReasonInvalidValue, "message.topic"},
		"spaced topic":    {bus.PublishItem{Message: &semabus.Message{ID: "bad", Topic: "a b.c"}}, semabus.ReasonInvalidValue, "message.topic"},
		"async + expect":  {bus.PublishItem{Message: &semabus.Message{ID: "bad"}, Async: true, Expect: semabus.ExpectExactlyOne}, semabus.ReasonInvalidValue, "expect"},
		"newer registry":  {bus.PublishItem{Message: &semabus.Message{ID: "bad"}, MinRegistryVersion: 99}, semabus.ReasonRegistryBehind, "min_registry_version"},
		"foreign vectors": {bus.PublishItem{Message: &semabus.Message{ID: "bad", Embeddings: []semabus.Embedding{{Space: "s", Values: []float32{1}}}}}, semabus.ReasonSpaceMismatch, "message.embeddings"},
		"short vector":    {bus.PublishItem{Message: &semabus.Message{ID: "bad", Embeddings: []semabus.Embedding{{Space: space(b), Values: []float32{1}}}}}, semabus.ReasonInvalidValue, "message.embeddings[0].values"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, b, c.it, c.reason, c.field)
			if _, err := b.Why(t.Context(), alice, "bad", ""); semabus.CodeOf(err) != semabus.CodeNotFound {
				t.Errorf("something is stored: %v", err)
			}
		})
	}
	odd := publish(t, b, &semabus.Message{ID: "/./etc", To: "./g"})
	if d := one(t, b, "./g"); d.Message.ID != odd.ID {
		t.Errorf("an odd but legal name: %+v", d.Message)
	}
}

func space(b *bus.Bus) string {
	s, _ := b.Space()
	return s
}

func TestEveryFaultOfAMessageIsListed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rs := b.Publish(t.Context(), alice, []bus.PublishItem{
		{Message: &semabus.Message{To: "g"}}, {Message: &semabus.Message{To: "g", Priority: 77, TTL: -1}}})
	joined, ok := rs[1].Err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Fatalf("%v", rs[1].Err)
	}
	for i, want := range []string{"messages[1].priority", "messages[1].ttl"} {
		if e, ok := semabus.AsError(joined.Unwrap()[i]); !ok || e.Field != want {
			t.Errorf("fault %d is %v, want %s", i, joined.Unwrap()[i], want)
		}
	}
}

func TestExpect(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, g := range []string{"a", "b"} {
		_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: g, Topics: []string{"both"}})
		must(t, err)
	}
	try := func(e semabus.Expect, m semabus.Message) error {
		return b.Publish(t.Context(), alice, []bus.PublishItem{{Message: &m, Expect: e}})[0].Err
	}
	none, single, both := semabus.Message{Topic: "nobody"}, semabus.Message{To: "a"}, semabus.Message{Topic: "both"}
	for name, c := range map[string]struct {
		err    error
		reason string
	}{
		"any, none": {try(semabus.ExpectAny, none), ""}, "any, both": {try(semabus.ExpectAny, both), ""},
		"at least one, none": {try(semabus.ExpectAtLeastOne, none), semabus.ReasonNoMatch},
		"at least one, one":  {try(semabus.ExpectAtLeastOne, single), ""},
		"at least one, both": {try(semabus.ExpectAtLeastOne, both), ""},
		"exactly one, none":  {try(semabus.ExpectExactlyOne, none), semabus.ReasonNoMatch},
		"exactly one, one":   {try(semabus.ExpectExactlyOne, single), ""},
		"exactly one, both":  {try(semabus.ExpectExactlyOne, both), semabus.ReasonTooManyMatches},
	} {
		if semabus.ReasonOf(c.err) != c.reason || (c.reason == "") != (c.err == nil) {
			t.Errorf("%s: %v, want %q", name, c.err, c.reason)
		}
	}
}

// TestRepeatIsAnsweredThoughItWouldBeRefusedNow: the registry changed, the first answer did not.
func TestRepeatIsAnsweredThoughItWouldBeRefusedNow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "a", Topics: []string{"news"}})
	must(t, err)
	items := func() []bus.PublishItem {
		return []bus.PublishItem{
			{Message: &semabus.Message{Topic: "news"}, OpID: "op", Expect: semabus.ExpectAtLeastOne},
			{Message: &semabus.Message{Topic: "news", DedupKey: "key"}, Expect: semabus.ExpectAtLeastOne},
			{Message: &semabus.Message{Topic: "news"}, Producer: "p", Sequence: 1, Expect: semabus.ExpectAtLeastOne},
		}
	}
	first := b.Publish(t.Context(), alice, items())
	_, err = b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "a"})
	must(t, err)
	for i, r := range b.Publish(t.Context(), alice, items()) {
		must(t, r.Err)
		if r.Receipt.DuplicateOf != first[i].Receipt.ID || !slices.Equal(r.Receipt.Groups, []string{"a"}) {
			t.Errorf("item %d: %+v, first %+v", i, r.Receipt, first[i].Receipt)
		}
	}
	refused(t, b, bus.PublishItem{Message: &semabus.Message{Topic: "news"}, OpID: "new", Expect: semabus.ExpectAtLeastOne}, semabus.ReasonNoMatch, "expect")
}

func TestAudienceComesBeforeEverything(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	for lane, m := range map[string]*semabus.Message{
		"address": {To: "refunds", Audience: []string{"cards"}}, "meaning": {Text: "please refund my order", Audience: []string{"cards"}},
	} {
		r := publish(t, b, m)
		if slices.Contains(r.Groups, "refunds") {
			t.Errorf("%s: %+v", lane, r)
		}
		w, err := b.Why(t.Context(), alice, r.ID, "refunds")
		must(t, err)
		if w.Reason != semabus.MissNotPermitted {
			t.Errorf("%s: reason %s, %s", lane, w.Reason, w.Text)
		}
	}
	if r := publish(t, b, &semabus.Message{Text: "please refund my order", Audience: []string{"refunds"}}); !slices.Equal(r.Groups, []string{"refunds"}) {
		t.Errorf("permitted: %+v", r)
	}
}

// TestFullGroupDelaysNobody: overflow is a dead letter of that group, and a refusal where nobody else gets the message.
func TestFullGroupDelaysNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, depth := range map[string]int64{"slow": 2, "quick": 0} {
		_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: name, MaxDepth: depth, Topics: []string{"news"}})
		must(t, err)
	}
	for range 5 {
		publish(t, b, &semabus.Message{Topic: "news"})
	}
	if slow, quick, dead := len(fetch(t, b, "slow")), len(fetch(t, b, "quick")), len(fetch(t, b, semabus.GroupDeadLetter)); slow != 2 || quick != 5 || dead != 3 {
		t.Errorf("slow has %d, quick %d, the dead letters %d; want 2, 5, 3", slow, quick, dead)
	}
	e := refused(t, b, bus.PublishItem{Message: &semabus.Message{To: "slow"}}, semabus.ReasonOverloaded, "group")
	if e.Code != semabus.CodeResourceExhausted || e.RetryAfter == 0 {
		t.Errorf("%+v", e)
	}
}

func TestTextIsExtracted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	m := &semabus.Message{Payload: []byte("please refund the double charge"), ContentType: "text/plain"}
	r := publish(t, b, m)
	if !slices.Equal(r.Groups, []string{"refunds"}) {
		t.Fatalf("receipt %+v", r)
	}
	// A repeat is compared by what the publisher said, in either mode.
	for i, async := range []bool{false, true} {
		res := b.Publish(t.Context(), alice, []bus.PublishItem{{Producer: "p", Sequence: 1, Async: async, Message: &semabus.Message{
			Payload: []byte("please refund the double charge"), ContentType: "text/plain"}}})[0]
		must(t, res.Err)
		if (res.Receipt.DuplicateOf != "") != (i > 0) {
			t.Errorf("time %d: %+v", i, res.Receipt)
		}
	}
}

func TestLargeFrame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	items := make([]bus.PublishItem, 4096)
	for i := range items {
		items[i] = bus.PublishItem{Message: &semabus.Message{To: fmt.Sprintf("g%d", i%7), Text: "t"}, Producer: "p", Sequence: uint64(i + 1)}
	}
	for i, r := range b.Publish(t.Context(), alice, items) {
		if r.Err != nil || !r.Receipt.Final {
			t.Fatalf("item %d: %+v", i, r)
		}
	}
	st, err := b.GroupStats(t.Context(), alice, nil)
	must(t, err)
	n := int64(0)
	for _, g := range st {
		n += g.Ready
	}
	if n != 4096 || len(st) != 7 {
		t.Errorf("%d deliveries in %d groups", n, len(st))
	}
}
