package eval_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/semabus/semabus/cmd/semabus/internal/eval"
)

func sure(p ...float64) []eval.Confidence {
	out := make([]eval.Confidence, len(p))
	for i := range p {
		out[i].Probability = p[i]
	}
	return out
}

func near(t *testing.T, name string, got, want float64, ok bool) {
	t.Helper()
	if !ok || math.Abs(got-want) > 1e-12 {
		t.Errorf("%s = %v, %v; want %v", name, got, ok, want)
	}
}

func TestAUROC(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		in, out []eval.Confidence
		want    float64
	}{
		{"apart", sure(.9, .8), sure(.1, .2), 1},
		{"reversed", sure(.1), sure(.9), 0},
		{"all tied", sure(.5, .5), sure(.5), .5},
		// pairs: .9>.5 .9>.2 .5=.5 .5>.2 .1<.5 .1<.2 → (1+1+½+1)/6
		{"mixed", sure(.9, .5, .1), sure(.5, .2), 3.5 / 6},
	} {
		got, ok := eval.AUROC(c.in, c.out)
		near(t, c.name, got, c.want, ok)
	}
	if _, ok := eval.AUROC(sure(.5), nil); ok {
		t.Error("AUROC without out-of-scope messages must not apply")
	}
	// The raw score decides where probabilities tie.
	got, ok := eval.AUROC([]eval.Confidence{{Probability: 1, Score: 3}}, []eval.Confidence{{Probability: 1, Score: 2}})
	near(t, "score breaks ties", got, 1, ok)
}

// ranked are five messages: a→a, a→b, b→b, c→(nothing), and one out of scope that is ranked a.
func ranked() []eval.Outcome {
	return []eval.Outcome{
		{Gold: []string{"a"}, Ranked: []string{"a", "b", "c"}},
		{Gold: []string{"a"}, Ranked: []string{"b", "a", "c"}},
		{Gold: []string{"b"}, Ranked: []string{"b", "c", "a"}},
		{Gold: []string{"c"}},
		{Ranked: []string{"a", "b", "c"}},
	}
}

func TestRanking(t *testing.T) {
	t.Parallel()
	o := ranked()
	got, ok := eval.Accuracy(o)
	near(t, "accuracy", got, 2.0/4, ok)
	// F1: a = 2/(2+0+1) = 2/3, b = 2/(2+1+0) = 2/3, c = 0.
	got, ok = eval.MacroF1(o)
	near(t, "macro F1", got, (2.0/3+2.0/3+0)/3, ok)
	got, ok = eval.RecallAt(o, 1)
	near(t, "recall@1", got, 2.0/4, ok)
	got, ok = eval.RecallAt(o, 2)
	near(t, "recall@2", got, 3.0/4, ok)
	got, ok = eval.MRR(o)
	near(t, "MRR", got, (1+0.5+1+0)/4, ok)
	if _, ok := eval.Accuracy(o[4:]); ok {
		t.Error("accuracy without in-scope messages must not apply")
	}
}

func TestRecallOfSeveralGold(t *testing.T) {
	t.Parallel()
	o := []eval.Outcome{{Gold: []string{"a", "d"}, Ranked: []string{"a", "b", "c", "d"}}}
	got, ok := eval.RecallAt(o, 3)
	near(t, "recall@3", got, 0.5, ok)
	got, ok = eval.RecallAt(o, 5)
	near(t, "recall@5", got, 1, ok)
}

func TestKeepThreshold(t *testing.T) {
	t.Parallel()
	var valid []eval.Outcome
	for i := range 20 {
		valid = append(valid, eval.Outcome{Gold: []string{"a"}, Best: eval.Confidence{Probability: float64(i+1) / 20}})
	}
	valid = append(valid, eval.Outcome{Best: eval.Confidence{Probability: 0}}) // out of scope: no part in the choice
	th, ok := eval.KeepThreshold(valid, 0.95)
	if want := (eval.Confidence{Probability: 2.0 / 20}); !ok || th != want {
		t.Fatalf("threshold = %v, %v; want %v: 19 of 20 are at or above it", th, ok, want)
	}
	test := []eval.Outcome{
		{Gold: []string{"a"}, Ranked: []string{"a"}, Best: eval.Confidence{Probability: .5}},  // right
		{Gold: []string{"a"}, Ranked: []string{"b"}, Best: eval.Confidence{Probability: .5}},  // wrong
		{Gold: []string{"a"}, Ranked: []string{"a"}, Best: eval.Confidence{Probability: .05}}, // rejected = wrong
		{Ranked: []string{"a"}, Best: eval.Confidence{Probability: .1}},                       // at the threshold: accepted
		{Ranked: []string{"a"}, Best: eval.Confidence{Probability: .09}},                      // rejected
	}
	in, oos, inOK, oosOK := eval.AtThreshold(test, th)
	near(t, "in scope", in, 1.0/3, inOK)
	near(t, "OOS recall", oos, 1.0/2, oosOK)
}

func TestCountDeliveries(t *testing.T) {
	t.Parallel()
	o := []eval.Outcome{
		{Gold: []string{"a"}, Delivered: []eval.Receipt{{"a", 0}, {"a", 1}}}, // both copies
		{Gold: []string{"a"}, Delivered: []eval.Receipt{{"a", 0}, {"b", 0}}}, // one copy, one wrong
		{Gold: []string{"a", "b"}, Delivered: []eval.Receipt{{"c", 1}}},      // covered, but wrongly
		{Gold: []string{"c"}},                 // missed
		{Delivered: []eval.Receipt{{"a", 0}}}, // out of scope, accepted
		{},                                    // out of scope, rejected
	}
	got := eval.CountDeliveries(o, 2)
	want := eval.Delivery{
		Deliveries: 6, Right: 3, Pairs: 10, InScope: 4, Covered: 3, OutOfScope: 2, Accepted: 1, ByCopy: []int{2, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}
