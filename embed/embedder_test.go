package embed_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/driver"
)

// letters is a driver of two tiers for what the embedded model cannot show: it counts the vowels, looks at 8 and at 16 bytes,
// and says what it was asked.
type letters struct {
	asked [][]string
	spoil func(out [][]driver.Vector) error // changes an answer
}

func (*letters) Tiers() []driver.Tier {
	return []driver.Tier{{Name: "small", Space: "vowels-8", Dim: 5, MaxBytes: 8}, {Name: "large", Space: "vowels-16", Dim: 5, MaxBytes: 16}}
}

func (l *letters) Embed(_ context.Context, texts []string, _ driver.Kind, out [][]driver.Vector) error {
	l.asked = append(l.asked, slices.Clone(texts))
	for i, text := range texts {
		for j, tier := range l.Tiers() {
			v := &out[i][j]
			s := text[:min(len(text), tier.MaxBytes)]
			v.Values, v.Truncated = v.Values[:0], len(s) < len(text)
			sum := 0.0
			for _, c := range "aeiou" {
				n := float64(strings.Count(s, string(c)))
				v.Values, sum = append(v.Values, float32(n)), sum+n*n
			}
			for k := range v.Values {
				if sum > 0 {
					v.Values[k] /= float32(math.Sqrt(sum))
				}
			}
		}
	}
	if l.spoil != nil {
		return l.spoil(out)
	}
	return nil
}

func TestEmbedInBatches(t *testing.T) {
	t.Parallel()
	d := &letters{}
	e := embed.New(d, embed.Options{Batch: 2})
	vs, err := e.Embed(t.Context(), []string{"a", "e", "i", "o", "u"}, driver.Passage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"a", "e"}, {"i", "o"}, {"u"}}, d.asked); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	for i, v := range vs {
		want := make([]float32, 5)
		want[i] = 1
		if diff := cmp.Diff([]embed.Vector{
			{Tier: "small", Space: "vowels-8", Values: want, Language: embed.LanguageLatin},
			{Tier: "large", Space: "vowels-16", Values: want, Language: embed.LanguageLatin},
		}, v); diff != "" {
			t.Errorf("text %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestTiersOfDifferentBounds(t *testing.T) {
	t.Parallel()
	d := &letters{}
	e := embed.New(d, embed.Options{})
	vs, err := e.EmbedOne(t.Context(), "aaaaaaaa eeeeee字字字", driver.Query, nil) // byte 16 is inside a rune
	if err != nil {
		t.Fatal(err)
	}
	if !vs[0].Truncated || !vs[1].Truncated || d.asked[0][0] != "aaaaaaaa eeeeee" {
		t.Errorf("the driver was handed %q; truncated: %v, %v", d.asked[0][0], vs[0].Truncated, vs[1].Truncated)
	}
	if vs, err = e.EmbedOne(t.Context(), "aaaaaaaa eeeeee", driver.Query, vs); err != nil || !vs[0].Truncated || vs[1].Truncated {
		t.Errorf("15 bytes: %v, truncated: %v, %v; want true, false", err, vs[0].Truncated, vs[1].Truncated)
	}
}

func TestVectorsDoNotShareMemory(t *testing.T) {
	t.Parallel()
	e := embed.New(&letters{}, embed.Options{})
	first, err := e.EmbedOne(t.Context(), "a", driver.Query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.EmbedOne(t.Context(), "u", driver.Query, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Embed(t.Context(), []string{"e", "i"}, driver.Query); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{1, 0, 0, 0, 0}, first[0].Values); diff != "" {
		t.Errorf("a later call wrote into an earlier result (-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	typed := &semabus.Error{Code: semabus.CodeResourceExhausted, Reason: semabus.ReasonOverloaded}
	for _, c := range []struct {
		name   string
		spoil  func(out [][]driver.Vector) error
		code   semabus.Code
		reason string
	}{
		{"too few values", func(out [][]driver.Vector) error { out[0][1].Values = out[0][1].Values[:4]; return nil }, semabus.CodeInternal, semabus.ReasonInternal},
		{"no values", func(out [][]driver.Vector) error { out[0][0].Values = nil; return nil }, semabus.CodeInternal, semabus.ReasonInternal},
		{"not of unit length", func(out [][]driver.Vector) error { out[0][0].Values[2] = 3; return nil }, semabus.CodeInternal, semabus.ReasonInternal},
		{"not a number", func(out [][]driver.Vector) error { out[0][1].Values[2] = float32(math.NaN()); return nil }, semabus.CodeInternal, semabus.ReasonInternal},
		{"typed", func([][]driver.Vector) error { return typed }, typed.Code, typed.Reason},
		{"unclassified", func([][]driver.Vector) error { return errors.New("connection refused") }, semabus.CodeUnavailable, semabus.ReasonEngineUnavailable},
		{"deadline", func([][]driver.Vector) error { return context.DeadlineExceeded }, semabus.CodeDeadlineExceeded, "DEADLINE_EXCEEDED"},
		{"cancelled", func([][]driver.Vector) error { return context.Canceled }, semabus.CodeCanceled, "CANCELLED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := embed.New(&letters{spoil: c.spoil}, embed.Options{})
			if vs, err := e.Embed(t.Context(), []string{"a"}, driver.Query); vs != nil || semabus.CodeOf(err) != c.code || semabus.ReasonOf(err) != c.reason {
				t.Errorf("Embed: %v, %v; want %v %s", vs, err, c.code, c.reason)
			}
			if vs, err := e.EmbedOne(t.Context(), "a", driver.Query, nil); vs != nil || semabus.CodeOf(err) != c.code || semabus.ReasonOf(err) != c.reason {
				t.Errorf("EmbedOne: %v, %v; want %v %s", vs, err, c.code, c.reason)
			}
		})
	}
}

func TestNoModel(t *testing.T) {
	t.Parallel()
	e := embed.New(nil, embed.Options{})
	if tiers := e.Tiers(); len(tiers) != 0 {
		t.Errorf("tiers %v, want none", tiers)
	}
	if _, err := e.EmbedOne(t.Context(), "a", driver.Query, nil); semabus.ReasonOf(err) != semabus.ReasonCapabilityMissing {
		t.Errorf("error %v, want CAPABILITY_MISSING", err)
	}
}

func TestLanguageOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]embed.Language{
		"":                  embed.LanguageNone,
		"12:30 🎉":           embed.LanguageNone,
		"Where is my card?": embed.LanguageLatin,
		"Où est ma carte":   embed.LanguageLatin,
		"我的卡在哪里":            embed.LanguageChinese,
		"我的iPhone丢了":        embed.LanguageMixed,
		"请重启 server":        embed.LanguageMixed,
		"please restart the billing server, 谢谢":   embed.LanguageLatin,
		"где моя карта":                           embed.LanguageOther,
		strings.Repeat("a", 600) + "我的卡在哪里我的卡在哪里": embed.LanguageLatin,
	} {
		if got := embed.LanguageOf(text); got != want {
			t.Errorf("LanguageOf(%.30q) = %q, want %q", text, got, want)
		}
	}
}

func TestDot(t *testing.T) {
	t.Parallel()
	a := []float32{1, 2, 3, 4, 5, 6, 7}
	if got := embed.Dot(a, a); got != 140 {
		t.Errorf("Dot = %v, want 140", got)
	}
	if got := embed.Dot(a, a[:2]); got != 5 {
		t.Errorf("Dot with a shorter vector = %v, want 5", got)
	}
	if got := embed.Dot(nil, a); got != 0 {
		t.Errorf("Dot with nothing = %v, want 0", got)
	}
}
