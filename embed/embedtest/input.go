package embedtest

import (
	"strings"
	"unicode/utf8"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed/driver"
)

func inputCases() []testCase {
	return []testCase{
		{"input/odd texts", func(r *rig) {
			for _, kind := range []driver.Kind{driver.Query, driver.Passage} {
				for _, text := range odd() {
					r.embed(kind, text)
				}
				r.embed(kind, odd()...)
			}
		}},
		{"input/long words", func(r *rig) {
			limit := r.longest()
			for _, unit := range []string{"a", "字", "🎉", "é", "e\u0301", "a b ", "\x00", " "} {
				r.embed(driver.Query, strings.Repeat(unit, limit/len(unit)))
			}
		}},
		{"input/no text", func(r *rig) {
			if err := r.d.Embed(r.t.Context(), nil, driver.Query, nil); err != nil {
				r.t.Errorf("driver, no texts: %v", err)
			}
			if out, err := r.e.Embed(r.t.Context(), nil, driver.Query); err != nil || len(out) != 0 {
				r.t.Errorf("embedder, no texts: %d vectors, %v", len(out), err)
			}
		}},
		{"input/too long is cut on a rune border", truncation},
		{"input/whole texts are not marked", func(r *rig) {
			for _, text := range []string{"where is my parcel", "我的包裹在哪里"} {
				for j, v := range r.embed(driver.Query, text)[0] {
					if v.Truncated {
						r.t.Errorf("tier %q: %q is marked Truncated", r.tiers[j].Name, text)
					}
				}
			}
		}},
		{"input/largest text of the bus", func(r *rig) {
			text := strings.Repeat("refund 退款 🎉 ", semabus.MaxTextBytes)[:semabus.MaxTextBytes]
			for !utf8.ValidString(text) {
				text = text[:len(text)-1]
			}
			vs, err := r.e.EmbedOne(r.t.Context(), text, driver.Query, nil)
			if err != nil {
				r.t.Fatal(err)
			}
			for j, v := range vs {
				if len(text) > r.tiers[j].MaxBytes && !v.Truncated {
					r.t.Errorf("tier %q looked at %d of %d bytes and did not say so", v.Tier, r.tiers[j].MaxBytes, len(text))
				}
			}
		}},
	}
}

// longest is the largest text a driver may be handed, in bytes.
func (r *rig) longest() int {
	n := 0
	for _, tier := range r.tiers {
		n = max(n, tier.MaxBytes)
	}
	return n
}

// truncation compares a text beyond each tier's bound with its beginning.
func truncation(r *rig) {
	for j, tier := range r.tiers {
		for pad := range utf8.UTFMax { // each offset of a rune of three bytes over the bound
			kept := strings.Repeat(".", pad) + strings.Repeat("字", (tier.MaxBytes-pad)/len("字"))
			long, err := r.e.EmbedOne(r.t.Context(), kept+"字 and more", driver.Query, nil)
			if err != nil {
				r.t.Fatal(err)
			}
			short, err := r.e.EmbedOne(r.t.Context(), kept, driver.Query, nil)
			if err != nil {
				r.t.Fatal(err)
			}
			if !long[j].Truncated {
				r.t.Errorf("tier %q: a text over its bound is not marked Truncated", tier.Name)
			}
			r.sameValues("cut", kept, j, long[j].Values, short[j].Values)
		}
	}
}
