package router_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router"
)

func filtered() *semabus.Message {
	return &semabus.Message{
		ID: "m1", Source: "shop", Type: "com.example.refund", Subject: "order 7", Topic: "", Session: "s1", Priority: 7,
		Headers: map[string]string{"tier": "gold", "amount": "120"}, Text: "please refund", ContentType: "text/plain",
		Time: time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC),
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{
		"":     true,
		"true": true,
		`headers["tier"] == "gold" && priority >= 5`:                               true,
		`headers.tier in ["tin", "gold"]`:                                          true,
		`int(headers["amount"]) > 200`:                                             false,
		`headers["absent"] == "x"`:                                                 false, // an error of the evaluation
		`has(headers.absent)`:                                                      false,
		`!has(headers.absent) && text.startsWith("please")`:                        true,
		`type.matches("^com[.]example[.]") && source == "shop" && id == "m1"`:      true,
		`subject.contains("order") && session == "s1" && topic == "" && to == ""`:  true,
		`content_type == "text/plain" && time > timestamp("2026-01-01T00:00:00Z")`: true,
		`time.getFullYear() == 2025`:                                               false,
		`1 / (priority - 7) > 0`:                                                   false, // division by zero
		`size(text) > 1000 || priority < 3`:                                        false,
	} {
		held, err := router.CompileFilter(source, filtered())
		if err != nil || held != want {
			t.Errorf("%s: %v, %v; want %v", source, held, err, want)
		}
	}
}

// TestInvalidFilters: a faulty filter is refused when it is registered, with the place of the fault.
func TestInvalidFilters(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for source, says := range map[string]string{
		"priority >":                     "line 1, column 11",
		"true &&\n  nonsense == 1":       "line 2, column 3",
		"priority == 'high'":             "no matching overload",
		"priority":                       "type int",
		`"yes"`:                          "type string",
		"headers.map(k, k)":              "",
		"\xff":                           "",
		strings.Repeat("(", 2000):        "",
		strings.Repeat("x", 1<<20):       "1048576 bytes",
		"text.matches('(')":              "",
		"{'a': 1}.b == 1 && unknown(id)": "undeclared",
	} {
		_, err := f.Check(context.Background(), tenant, &semabus.Intent{Name: "a", Filter: source})
		if source == "text.matches('(')" { // a regular expression is checked when it is used
			continue
		}
		wantInvalid(t, err, semabus.ReasonInvalidFilter, "intent.filter")
		if err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: error %v does not say %q", source, err, says)
		}
	}
}

// TestCostlyFilter: a filter that would take too long does not hold, and does not hold up the message.
func TestCostlyFilter(t *testing.T) {
	t.Parallel()
	source := `[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, ` +
		`[1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a + b + c + d + e + f > 0))))))`
	held, err := router.CompileFilter(source, filtered())
	if err != nil || held {
		t.Errorf("held %v, %v; want it cut short", held, err)
	}
}

func TestCheckListsEveryFault(t *testing.T) {
	t.Parallel()
	f := setup(t)
	long := strings.Repeat("x", semabus.MaxIDBytes+1)
	for field, c := range map[string]struct {
		in     semabus.Intent
		reason string
	}{
		"intent.name":                {semabus.Intent{Filter: "true"}, semabus.ReasonRequired},
		"intent.group":               {semabus.Intent{Name: "a", Group: "$dead", Filter: "true"}, semabus.ReasonInvalidID},
		"intent.set":                 {semabus.Intent{Name: "a", Set: long, Filter: "true"}, semabus.ReasonTooLarge},
		"intent.independent":         {semabus.Intent{Name: "a", Set: "s", Independent: true, Filter: "true"}, semabus.ReasonInvalidValue},
		"intent.description":         {semabus.Intent{Name: "a", Description: "\xff"}, semabus.ReasonInvalidUTF8},
		"intent.examples[1]":         {semabus.Intent{Name: "a", Examples: []string{"x", " "}}, semabus.ReasonRequired},
		"intent.examples":            {semabus.Intent{Name: "a", Examples: make([]string, semabus.MaxExamples+1)}, semabus.ReasonTooMany},
		"intent.counter_examples[0]": {semabus.Intent{Name: "a", Filter: "true", CounterExamples: []string{strings.Repeat("x", semabus.MaxTextBytes+1)}}, semabus.ReasonTooLarge},
		"intent.topics[0]":           {semabus.Intent{Name: "a", Topics: []string{"orders.*.new"}}, semabus.ReasonInvalidValue},
		"intent.topics":              {semabus.Intent{Name: "a", Topics: make([]string, 257)}, semabus.ReasonTooMany},
		"intent.budget.max_wrong":    {semabus.Intent{Name: "a", Filter: "true", Budget: &semabus.Budget{MaxWrong: 1}}, semabus.ReasonInvalidValue},
		"intent.budget.max_missed":   {semabus.Intent{Name: "a", Filter: "true", Budget: &semabus.Budget{MaxMissed: -0.1}}, semabus.ReasonInvalidValue},
		"intent.budget.prefer":       {semabus.Intent{Name: "a", Filter: "true", Budget: &semabus.Budget{Prefer: 9}}, semabus.ReasonInvalidValue},
		"intent":                     {semabus.Intent{Name: "a", CounterExamples: []string{"x"}}, semabus.ReasonIntentNoEvidence},
	} {
		_, err := f.Check(context.Background(), tenant, &c.in)
		wantInvalid(t, err, c.reason, field)
	}
	for _, name := range []string{"$x", "a\nb", "\x7f", "\xff", long} {
		if _, err := f.Check(context.Background(), tenant, &semabus.Intent{Name: name, Filter: "true"}); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
			t.Errorf("name %q: %v", name, err)
		}
	}
	_, err := f.Check(context.Background(), tenant, &semabus.Intent{Description: "\xff", Filter: "=="})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 3 {
		t.Errorf("error %v, want three faults", err)
	}
	in, err := f.Check(context.Background(), tenant, &semabus.Intent{Name: "名 /./ 🙂", Topics: []string{"a", "a.b.*"}})
	if err != nil || in.Group != in.Name {
		t.Errorf("Check = %+v, %v", in, err)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{`headers["a"] == "b"`, "priority > 3 && !(text.contains('x'))", "[1].exists(x, x == priority)", "true ? false : true", "'\\u00'", "time + duration('1h') > time"} {
		f.Add(s, "text")
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		m := filtered()
		m.Text = text
		held, err := router.CompileFilter(source, m)
		if err != nil && semabus.ReasonOf(err) != semabus.ReasonInvalidFilter {
			t.Errorf("%q: %v", source, err)
		}
		if again, _ := router.CompileFilter(source, m); again != held {
			t.Errorf("%q: once %v, once %v", source, held, again)
		}
	})
}
