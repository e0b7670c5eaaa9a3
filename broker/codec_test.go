package broker_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
)

// full is a message with every field set.
func full() *semabus.Message {
	at := time.Date(2031, 5, 6, 7, 8, 9, 10, time.UTC)
	return &semabus.Message{
		ID: "m-1", Source: "alice", Type: "com.example.refund", Subject: "order 7", Time: at, Topic: "orders.refund", To: "desk",
		Payload: []byte{0, 1, 0xff}, ContentType: "application/octet-stream", Text: "请退款",
		Parts:      []semabus.Part{{MediaType: "text/plain", Text: "part"}, {MediaType: "image/png", Blob: fmt.Sprintf("%064x", 7), Size: 1 << 40}},
		Embeddings: []semabus.Embedding{{Space: "s1", Values: []float32{0.5, -1, math.MaxFloat32}}, {Space: "s2", Values: []float32{1}}},
		Headers:    map[string]string{"lang": "zh", "empty": "", "Ü": "ü"}, Audience: []string{"desk", "", "audit"},
		Session: "s-1", InReplyTo: "m-0", Cause: "m-00", Root: "m-000", Hops: 3, Priority: 9, Cost: 2.5, DedupKey: "k",
		DeliverAt: at.Add(time.Hour), Deadline: time.Date(1731, 1, 2, 3, 4, 5, 999_999_999, time.UTC), TTL: time.Minute, ReplyTo: "answers",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=b",
	}
}

func match(name string) semabus.Match {
	return semabus.Match{Intent: name, Group: "g-" + name, Set: "desk", Reason: semabus.MatchMeaning, Score: -1.5, Probability: 0.75,
		Threshold: 0.5, Vector: math.SmallestNonzeroFloat64, Lexical: math.Copysign(0, -1), Example: "例", Version: math.MaxUint64}
}

func decision() *semabus.Decision {
	return &semabus.Decision{MessageID: "m-1", Outcome: semabus.OutcomeMatched, Matches: []semabus.Match{match("a"), match("b")},
		Near: []semabus.Match{{Intent: "c", Reason: semabus.MissOutcompeted}}, Margin: 0.25, RegistryVersion: 12, Space: "sp", Tier: "t",
		Degraded: true, Doubtful: true, At: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func TestMessageRoundTrip(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*semabus.Message{
		"every field": full(), "empty": {}, "payload only": {Payload: bytes.Repeat([]byte{7}, 64<<10)}, "negative": {Priority: -1, TTL: -1, Hops: -3},
		"long text": {ID: "x", Text: string(bytes.Repeat([]byte("汉"), 10_000)), Payload: []byte("p")},
	} {
		raw := broker.EncodeMessage(m)
		got, err := broker.DecodeMessage(raw)
		must(t, err)
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if n := cap(raw); n > 2*len(raw)+1024 {
			t.Errorf("%s: %d bytes took room for %d", name, len(raw), n)
		}
	}
}

// TestEqualMessagesHaveEqualBytes: headers are a map, whose order must not show.
func TestEqualMessagesHaveEqualBytes(t *testing.T) {
	t.Parallel()
	m := full()
	for i := range 40 {
		m.Headers[fmt.Sprint(i)] = "v"
	}
	first := broker.EncodeMessage(m)
	for range 20 {
		if !bytes.Equal(first, broker.EncodeMessage(m)) {
			t.Fatal("two encodings of one message differ")
		}
	}
}

// TestFingerprintCoversWhatThePublisherSaid: each field of the publisher changes it, none of the bus's does.
func TestFingerprintCoversWhatThePublisherSaid(t *testing.T) {
	t.Parallel()
	base := broker.Fingerprint(full())
	said := map[string]func(*semabus.Message){
		"type": func(m *semabus.Message) { m.Type = "x" }, "subject": func(m *semabus.Message) { m.Subject = "x" },
		"topic": func(m *semabus.Message) { m.Topic = "x" }, "to": func(m *semabus.Message) { m.To = "x" },
		"payload": func(m *semabus.Message) { m.Payload = []byte{0, 1, 0xfe} }, "content type": func(m *semabus.Message) { m.ContentType = "x" },
		"text": func(m *semabus.Message) { m.Text = "x" }, "part": func(m *semabus.Message) { m.Parts[0].Text = "x" },
		"embedding": func(m *semabus.Message) { m.Embeddings[0].Values[1] = 2 }, "header": func(m *semabus.Message) { m.Headers["lang"] = "en" },
		"audience": func(m *semabus.Message) { m.Audience = m.Audience[:1] }, "session": func(m *semabus.Message) { m.Session = "x" },
		"in reply to": func(m *semabus.Message) { m.InReplyTo = "x" }, "priority": func(m *semabus.Message) { m.Priority = 1 },
		"cost": func(m *semabus.Message) { m.Cost = 1 }, "deliver at": func(m *semabus.Message) { m.DeliverAt = m.DeliverAt.Add(1) },
		"deadline": func(m *semabus.Message) { m.Deadline = m.Deadline.Add(1) }, "ttl": func(m *semabus.Message) { m.TTL++ },
		"reply to": func(m *semabus.Message) { m.ReplyTo = "x" }, "dedup key": func(m *semabus.Message) { m.DedupKey = "x" },
		"moved border": func(m *semabus.Message) { m.Type, m.Subject = m.Type+m.Subject[:1], m.Subject[1:] },
	}
	for name, change := range said {
		m := full()
		if change(m); broker.Fingerprint(m) == base {
			t.Errorf("%s does not change the fingerprint", name)
		}
	}
	m := full()
	m.ID, m.Source, m.Time, m.Cause, m.Root, m.Hops, m.TraceParent, m.TraceState = "other", "bob", time.Time{}, "", "", 0, "", ""
	if broker.Fingerprint(m) != base {
		t.Error("what the bus sets changes the fingerprint")
	}
	big, other := &semabus.Message{Payload: make([]byte, 1<<20)}, &semabus.Message{Payload: make([]byte, 1<<20)}
	if other.Payload[1<<19] = 1; broker.Fingerprint(big) == broker.Fingerprint(other) {
		t.Error("the middle of a large payload does not count")
	}
}

// TestFingerprintIsStored: dedup marks outlive versions of the program, so these numbers never change.
func TestFingerprintIsStored(t *testing.T) {
	t.Parallel()
	const want = 0xd78325b80ae546a6
	if got := broker.Fingerprint(full()); got != want {
		t.Errorf("fingerprint is %#x, was %#x in every version before", got, uint64(want))
	}
}

func TestDecisionMatchDeadLetterRoundTrip(t *testing.T) {
	t.Parallel()
	d, err := broker.DecodeDecision(broker.EncodeDecision(decision()))
	must(t, err)
	if diff := cmp.Diff(decision(), d); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
	want := match("a")
	m, err := broker.DecodeMatch(broker.EncodeMatch(&want))
	must(t, err)
	if diff := cmp.Diff(&want, m); diff != "" || !math.Signbit(m.Lexical) {
		t.Errorf("match (-want +got):\n%s", diff)
	}
	dead := &broker.DeadLetter{Group: "g", Reason: broker.DeadExhausted, Attempts: 16, Errors: []string{"one", "", "three"}, Match: match("a")}
	got, err := broker.DecodeDeadLetter(broker.EncodeDeadLetter(dead))
	must(t, err)
	if diff := cmp.Diff(dead, got); diff != "" {
		t.Errorf("dead letter (-want +got):\n%s", diff)
	}
}

// decoders are all of them, each with something that it wrote.
func decoders() map[string]struct {
	sample []byte
	decode func([]byte) (again []byte, err error)
} {
	a := match("a")
	type decoder = struct {
		sample []byte
		decode func([]byte) ([]byte, error)
	}
	return map[string]decoder{
		"message": {broker.EncodeMessage(full()), func(raw []byte) ([]byte, error) {
			m, err := broker.DecodeMessage(raw)
			if err != nil {
				return nil, err
			}
			return broker.EncodeMessage(m), nil
		}},
		"decision": {broker.EncodeDecision(decision()), func(raw []byte) ([]byte, error) {
			d, err := broker.DecodeDecision(raw)
			if err != nil {
				return nil, err
			}
			return broker.EncodeDecision(d), nil
		}},
		"match": {broker.EncodeMatch(&a), func(raw []byte) ([]byte, error) {
			m, err := broker.DecodeMatch(raw)
			if err != nil {
				return nil, err
			}
			return broker.EncodeMatch(m), nil
		}},
		"dead letter": {broker.EncodeDeadLetter(&broker.DeadLetter{Group: "g", Reason: "LOOP", Errors: []string{"e"}, Match: a}), func(raw []byte) ([]byte, error) {
			d, err := broker.DecodeDeadLetter(raw)
			if err != nil {
				return nil, err
			}
			return broker.EncodeDeadLetter(d), nil
		}},
	}
}

// TestDecodersSurviveDamage cuts and flips every byte: the answer is a value or DATA_DAMAGED, never a panic.
func TestDecodersSurviveDamage(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for name, d := range decoders() {
		for _, raw := range [][]byte{nil, {}, {2}, {1, 0xff}} {
			if _, err := d.decode(raw); len(raw) != 1 && len(raw) != 0 && semabus.ReasonOf(err) != semabus.ReasonDataDamaged {
				t.Errorf("%s: %x gave %v", name, raw, err)
			}
		}
		for i := range d.sample {
			for _, raw := range [][]byte{d.sample[:i], flip(d.sample, i, byte(1+r.IntN(255)))} {
				if _, err := d.decode(raw); err != nil && semabus.CodeOf(err) != semabus.CodeDataLoss {
					t.Fatalf("%s, byte %d: %v", name, i, err)
				}
			}
		}
		if _, err := d.decode(append([]byte{9}, d.sample[1:]...)); semabus.ReasonOf(err) != semabus.ReasonDataDamaged {
			t.Errorf("%s: a version of the future gave %v", name, err)
		}
		later := append(append([]byte(nil), d.sample...), 99, 3, 'n', 'e', 'w')
		if again, err := d.decode(later); err != nil || !bytes.Equal(again, d.sample) {
			t.Errorf("%s: a field of the future is not skipped: %v", name, err)
		}
	}
}

func flip(raw []byte, at int, by byte) []byte {
	out := append([]byte(nil), raw...)
	out[at] ^= by
	return out
}

// fuzz feeds one decoder: what decodes has a form that decodes to the same.
func fuzz(f *testing.F, name string) {
	d := decoders()[name]
	f.Add(d.sample)
	f.Add([]byte{1})
	f.Add(d.sample[:len(d.sample)/2])
	f.Fuzz(func(t *testing.T, raw []byte) {
		once, err := d.decode(raw)
		if err != nil {
			if semabus.CodeOf(err) != semabus.CodeDataLoss {
				t.Fatalf("untyped: %v", err)
			}
			return
		}
		twice, err := d.decode(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x decodes to %x, which decodes to %x, %v", raw, once, twice, err)
		}
	})
}

func FuzzDecodeMessage(f *testing.F)    { fuzz(f, "message") }
func FuzzDecodeDecision(f *testing.F)   { fuzz(f, "decision") }
func FuzzDecodeMatch(f *testing.F)      { fuzz(f, "match") }
func FuzzDecodeDeadLetter(f *testing.F) { fuzz(f, "dead letter") }

func BenchmarkEncodeMessage(b *testing.B) {
	m := full()
	b.ReportAllocs()
	for b.Loop() {
		broker.EncodeMessage(m)
	}
}

func BenchmarkDecodeMessage(b *testing.B) {
	raw := broker.EncodeMessage(full())
	b.ReportAllocs()
	for b.Loop() {
		_, err := broker.DecodeMessage(raw)
		must(b, err)
	}
}
