package router_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router"
)

// TestDecisionEqualsWholeScan: whatever was registered, replaced, deleted and fitted in whatever order, posting lists, index
// and candidates lose nothing: a decision is the one of a scan over every intent by itself.
func TestDecisionEqualsWholeScan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := setup(t)
		w := newWorld(rapid.Uint64().Draw(t, "seed"))
		subject := rapid.IntRange(0, 11)
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				f.remove(fmt.Sprint("intent ", subject.Draw(t, "deleted")))
			case 1:
				f.settle()
			default:
				var list []semabus.Intent
				for range rapid.IntRange(1, 8).Draw(t, "batch") {
					s := subject.Draw(t, "subject")
					in := semabus.Intent{
						Name: fmt.Sprint("intent ", s), Set: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "set"), Description: w.text(s),
					}
					in.Independent = in.Set == "" && rapid.Bool().Draw(t, "independent")
					for range rapid.IntRange(0, 5).Draw(t, "examples") {
						in.Examples = append(in.Examples, w.text(s))
					}
					list = append(list, in)
				}
				f.register(list...)
			}
		}
		for range 6 {
			checkScan(t, f, w.text(subject.Draw(t, "asked")))
		}
		checkScan(t, f, "")
	})
}

// checkScan holds decision and ranking for a text against the scan.
func checkScan(t reporter, f *fixture, text string) {
	vectors := f.vectors(text)
	want := f.WholeScan(tenant, text, vectors)
	d := f.say(text)
	got := map[string]semabus.Match{}
	for _, m := range append(d.Matches, d.Near...) {
		got[m.Intent] = m
	}
	delivered := 0
	for name, p := range want {
		m, told := got[name]
		if told && math.Abs(m.Probability-p) > 1e-4 {
			t.Errorf("%q: %s has probability %g, the scan says %g", text, name, m.Probability, p)
		}
		in, _ := f.Explain(context.Background(), f.request(&semabus.Message{ID: "m", Text: text}), name)
		if near := max(0.01, in.Threshold/4); !told && p > near+1e-4 && len(d.Near) < 8 {
			t.Errorf("%q: %s has probability %g of %g and is not told", text, name, p, in.Threshold)
		}
		if math.Abs(p-in.Threshold) < 1e-4 {
			return // on the edge: either is right
		}
		if p >= in.Threshold {
			delivered++
			if !m.Reason.Delivers() {
				t.Errorf("%q: %s has probability %g over %g and is not delivered: %v", text, name, p, in.Threshold, m.Reason)
			}
		}
	}
	if delivered != len(d.Matches) {
		t.Errorf("%q: %d delivered, the scan says %d", text, len(d.Matches), delivered)
	}
	ranked, err := f.Match(context.Background(), tenant, text, vectors, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(ranked) != f.Len(tenant) {
		t.Errorf("%q: %d ranked of %d intents", text, len(ranked), f.Len(tenant))
	}
	for i, m := range ranked {
		if p, ok := want[m.Intent]; ok && math.Abs(m.Probability-p) > 1e-4 || i > 0 && ranked[i-1].Score < m.Score {
			t.Errorf("%q: rank %d is %+v, the scan says %g", text, i, m, p)
		}
	}
}

// TestVectorsCrowdNobodyOut: an application with many intents near a message takes nothing from another's.
func TestVectorsCrowdNobodyOut(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(semabus.Intent{Name: "mine", Set: "mine", Description: "report about the harbour crane"})
	const text = "the harbour crane report"
	before := f.say(text).Matches[0]
	changes := make([]*router.Change, 200)
	for i := range changes {
		changes[i] = &router.Change{Intent: &semabus.Intent{Name: fmt.Sprint("theirs ", i), Set: "theirs", Description: "the harbour crane report"}}
	}
	f.change(changes...)
	m, err := f.Explain(context.Background(), f.request(&semabus.Message{Text: text}), "mine")
	if err != nil || m.Vector != before.Vector {
		t.Errorf("cosine %g beside another set, %g alone, %v", m.Vector, before.Vector, err)
	}
}
