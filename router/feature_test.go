package router_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/semabus/semabus/router"
)

// TestFeaturesThatMeanTheSame: letter case, punctuation, apostrophes and full-width forms make no difference.
func TestFeaturesThatMeanTheSame(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"I can't log in", "i CANT log-in!", "I can’t  log\tin"},
		{"order 77", "Order: 77.", "ｏｒｄｅｒ ７７"},
		{"银行卡丢了", "银行卡丢了。", "「银行卡丢了」"},
		{"Ärger", "ärger"},
	} {
		want, _ := router.Features(same[0])
		slices.Sort(want)
		for _, other := range same[1:] {
			got, _ := router.Features(other)
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%q and %q differ", same[0], other)
			}
		}
	}
	for _, text := range []string{"", " \t\n", "...!?", "🙂🙂", "\xff\xfe"} {
		if h, _ := router.Features(text); len(h) != 0 {
			t.Errorf("%q has %d features", text, len(h))
		}
	}
}

// TestValuesHaveUnitNorm up to the length where they begin to fall more slowly, so that a long message keeps its evidence.
func TestValuesHaveUnitNorm(t *testing.T) {
	t.Parallel()
	norm := func(text string) float64 {
		_, v := router.Features(text)
		var sum float64
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		return math.Sqrt(sum)
	}
	for _, text := range []string{"a", "card", "my card was stolen", "信用卡", "card, card"} {
		if n := norm(text); math.Abs(n-1) > 1e-5 {
			t.Errorf("%q: norm %g", text, n)
		}
	}
	if n := norm(strings.Repeat("many different words stand in this message about nothing ", 3) + "and parcels invoices harbours ladders violins carpets"); n <= 1 {
		t.Errorf("norm %g of a long text, want over 1", n)
	}
}

// checkFeatures holds a text's features against their bounds, and against an extractor that has read other texts before.
func checkFeatures(t *testing.T, x router.Extractor, text string) {
	h, v := router.Features(text)
	if len(h) != len(v) || len(h) > router.MaxFeatures {
		t.Fatalf("%d features, %d values", len(h), len(v))
	}
	seen := map[uint32]bool{}
	for i := range h {
		if seen[h[i]] || !(v[i] > 0) || math.IsInf(float64(v[i]), 0) {
			t.Fatalf("feature %d: hash %x, value %g, seen before %v", i, h[i], v[i], seen[h[i]])
		}
		seen[h[i]] = true
	}
	h2, v2 := x.Extract(text)
	if !slices.Equal(h, h2) || !slices.Equal(v, v2) {
		t.Fatal("a used extractor finds something else")
	}
	if len(text) > router.MaxScanBytes {
		cut, _ := router.Features(text[:router.MaxScanBytes])
		if !slices.Equal(h, cut) {
			t.Fatal("features beyond the bytes that are scanned")
		}
	}
}

func TestLongTexts(t *testing.T) {
	t.Parallel()
	x := router.NewExtractor()
	var words strings.Builder
	for i := range 20000 {
		words.WriteString(syllables(i) + " ")
	}
	for _, text := range []string{words.String(), strings.Repeat("a", 1<<20), strings.Repeat("卡", 1<<18), strings.Repeat("\xe5", 1<<16), "short"} {
		checkFeatures(t, x, text)
	}
}

func FuzzFeatures(f *testing.F) {
	for _, s := range []string{"I can't log in", "银行卡 lost", "ＡＢＣ ’s", "\xff\x80x", "a b c a b c", strings.Repeat("xy ", 900)} {
		f.Add(s, "other text")
	}
	f.Fuzz(func(t *testing.T, text, before string) {
		x := router.NewExtractor()
		x.Extract(before)
		checkFeatures(t, x, text)
	})
}

func FuzzChange(f *testing.F) {
	f.Add([]byte(`{"version":1,"intent":{"Name":"a","Description":"b"}}`))
	f.Add([]byte(`{"version":2,"set":{"Name":"x","Dispatch":1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := router.DecodeChange(b)
		if err != nil {
			return
		}
		again, err := router.DecodeChange(router.EncodeChange(c))
		if err != nil || again.Version != c.Version || (again.Intent == nil) != (c.Intent == nil) {
			t.Errorf("%s: %+v, %v", b, again, err)
		}
	})
}
