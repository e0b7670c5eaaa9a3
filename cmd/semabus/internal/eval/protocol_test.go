package eval_test

import (
	"crypto/sha1" // the documented rule
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/eval"
)

// desk is a set of our own: 4 intents, 56 training rows and one out of scope, 20 test rows and three out of scope.
func desk(t *testing.T) *eval.Set {
	t.Helper()
	s, err := eval.Load("testdata/desk")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLoad(t *testing.T) {
	t.Parallel()
	s := desk(t)
	if s.Name != "desk" || len(s.Intents) != 4 || len(s.Rows) != 80 {
		t.Fatalf("%s has %d intents and %d rows", s.Name, len(s.Intents), len(s.Rows))
	}
	if !s.SingleLabel() || !s.Descriptions() || !s.Marked() {
		t.Error("the set's fields were not seen")
	}
	if diff := cmp.Diff([]string{"en", "zh"}, s.Languages()); diff != "" {
		t.Error(diff)
	}
	if got := len(s.Intents[0].Examples[""]); got != 5 {
		t.Errorf("%d listed examples", got)
	}
}

func TestMissingValidSplit(t *testing.T) {
	t.Parallel()
	valid := 0
	for _, r := range desk(t).Rows {
		sum := sha1.Sum([]byte(r.ID))
		want := binary.BigEndian.Uint32(sum[:4])%5 == 0 && strings.Contains(r.ID, "-train-")
		if got := r.Split == "valid"; got != want {
			t.Errorf("%s is in %s", r.ID, r.Split)
		}
		if r.Split == "valid" {
			valid++
		}
	}
	if valid == 0 {
		t.Error("no valid row")
	}
}

func TestPlans(t *testing.T) {
	t.Parallel()
	s := desk(t)
	type want struct{ intents, firstExamples, messages, outOfScope int }
	for _, c := range []struct {
		o eval.Options
		w want
	}{
		{eval.Options{Protocol: "shots", Shots: 3}, want{4, 6, 23, 3}},
		{eval.Options{Protocol: "shots", Shots: 2, Seed: 7}, want{4, 4, 23, 3}},
		{eval.Options{Protocol: "description"}, want{4, 0, 23, 3}},
		{eval.Options{Protocol: "unseen"}, want{3, -1, 23, 8}},
		{eval.Options{Protocol: "unseen", Seed: 1, HoldOut: .5}, want{2, -1, 23, 13}},
		{eval.Options{Protocol: "independent", Copies: 2}, want{8, 9, 23, 3}},
		{eval.Options{Protocol: "crosslingual", TrainLang: "en", TestLang: "zh"}, want{4, -1, 9, 1}},
		{eval.Options{Protocol: "full", Limit: 7}, want{4, -1, 7, 1}},
	} {
		p, err := eval.Plan(s, c.o)
		if err != nil {
			t.Errorf("%+v: %v", c.o, err)
			continue
		}
		got := want{len(p.Intents), len(p.Intents[0].Examples), len(p.Gold), 0}
		for _, g := range p.Gold {
			if len(g) == 0 {
				got.outOfScope++
			}
		}
		if c.w.firstExamples < 0 {
			got.firstExamples = c.w.firstExamples
		}
		if diff := cmp.Diff(c.w, got, cmp.AllowUnexported(want{})); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.o, diff)
		}
	}
}

func TestPlanRegisters(t *testing.T) {
	t.Parallel()
	s := desk(t)
	p, err := eval.Plan(s, eval.Options{Protocol: "independent", Copies: 1, Epsilon: .05})
	if err != nil {
		t.Fatal(err)
	}
	want := semabus.Intent{
		Name: "coffee", Group: "coffee", Independent: true, Description: "Orders for coffee and tea",
		Budget: &semabus.Budget{MaxWrong: .05}, Examples: p.Intents[0].Examples,
	}
	if diff := cmp.Diff(want, p.Intents[0]); diff != "" {
		t.Errorf("independent (-want +got):\n%s", diff)
	}
	if p, err = eval.Plan(s, eval.Options{Protocol: "full"}); err != nil {
		t.Fatal(err)
	}
	if p.Intents[0].Budget != nil || p.Intents[0].Set == "" || p.Valid == 0 {
		t.Errorf("full registers %+v with %d valid messages", p.Intents[0], p.Valid)
	}
	for _, e := range p.Intents[0].Examples {
		if strings.Contains(e, "tall") {
			t.Error("an out-of-scope training row was registered")
		}
	}
}

func TestRefusedArguments(t *testing.T) {
	t.Parallel()
	s := desk(t)
	for _, c := range []struct {
		o      eval.Options
		code   semabus.Code
		reason string
	}{
		{eval.Options{Protocol: "budget"}, semabus.CodeUnimplemented, semabus.ReasonNotBuilt},
		{eval.Options{Protocol: "nonsense"}, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue},
		{eval.Options{Protocol: "shots"}, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue},
		{eval.Options{Protocol: "crosslingual", TrainLang: "en", TestLang: "fr"}, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue},
		{eval.Options{Protocol: "unseen", Seed: 1}, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue},
		{eval.Options{Protocol: "independent"}, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue},
	} {
		_, err := eval.Plan(s, c.o)
		if semabus.CodeOf(err) != c.code || semabus.ReasonOf(err) != c.reason {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	if _, err := eval.Load(t.TempDir()); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestStratified(t *testing.T) {
	t.Parallel()
	in := []string{"a1", "a2", "a3", "a4", "a5", "a6", "b1", "b2", "b3", "c1"}
	got := eval.Stratified(in, 5, 3)
	counts := map[byte]int{}
	for _, s := range got {
		counts[s[0]]++
	}
	// Exact shares are 3, 1.5 and 0.5; equal remainders go by order.
	if diff := cmp.Diff(map[byte]int{'a': 3, 'b': 2}, counts); diff != "" {
		t.Errorf("%v: %s", got, diff)
	}
	if diff := cmp.Diff(got, eval.Stratified(in, 5, 3)); diff != "" {
		t.Error("the same seed gave another sample")
	}
	if got := eval.Stratified(in, 0, 3); len(got) != len(in) {
		t.Error("no limit must keep all")
	}
}

func TestChangedSets(t *testing.T) {
	t.Parallel()
	s := desk(t)
	renamed := eval.Renamed(s, 5)
	for i := range s.Rows {
		if s.Rows[i].Label == renamed.Rows[i].Label && !s.Rows[i].OOS {
			t.Fatalf("%s kept its label", s.Rows[i].ID)
		}
	}
	if p, err := eval.Plan(renamed, eval.Options{Protocol: "shots", Shots: 2}); err != nil || len(p.Gold[0]) != 1 {
		t.Errorf("renamed labels lost their intents: %v", err)
	}
	// Another name changes neither what is registered nor what is published.
	for _, o := range []eval.Options{{Protocol: "shots", Shots: 2, Seed: 7, Limit: 9}, {Protocol: "description", Limit: 11}} {
		before, err := eval.Plan(s, o)
		if err != nil {
			t.Fatal(err)
		}
		after, err := eval.Plan(renamed, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before.Texts, after.Texts); diff != "" {
			t.Errorf("%+v publishes other messages:\n%s", o, diff)
		}
		for i := range before.Intents {
			b, a := &before.Intents[i], &after.Intents[i]
			if b.Description != a.Description || !cmp.Equal(b.Examples, a.Examples) {
				t.Errorf("%+v registers %+v, before %+v", o, a, b)
			}
		}
	}
	half := eval.Halved(s, 5)
	if len(half.Intents) != 2 || len(half.Rows) >= len(s.Rows) {
		t.Errorf("half of the set has %d intents and %d rows", len(half.Intents), len(half.Rows))
	}
	mixed := eval.Mixed(s, renamed)
	p, err := eval.Plan(mixed, eval.Options{Protocol: "shots", Shots: 2})
	if err != nil || len(p.Intents) != 8 || len(p.Gold) != 46 {
		t.Errorf("mixed: %d intents, %d messages, %v", len(p.Intents), len(p.Gold), err)
	}
}
