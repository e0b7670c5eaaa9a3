package embedtest

import "slices"

// smallestBound is the least a tier must look at: a sentence.
const smallestBound = 256

func tierCases() []testCase {
	return []testCase{
		{"tiers/named", func(r *rig) {
			if len(r.tiers) == 0 {
				r.t.Fatal("no tier")
			}
			names, spaces := map[string]bool{}, map[string]bool{}
			var order []string
			for _, tier := range r.tiers {
				if tier.Name == "" || names[tier.Name] || tier.Space == "" || spaces[tier.Space] {
					r.t.Errorf("name %q or space %q is empty or taken", tier.Name, tier.Space)
				}
				if tier.Dim <= 0 || tier.MaxBytes < smallestBound {
					r.t.Errorf("tier %q: dimension %d, bound %d bytes", tier.Name, tier.Dim, tier.MaxBytes)
				}
				names[tier.Name], spaces[tier.Space] = true, true
				order = append(order, tier.Name)
			}
			if r.h.Tiers != nil && !slices.Equal(order, r.h.Tiers) {
				r.t.Errorf("tiers %q, want %q", order, r.h.Tiers)
			}
		}},
		{"tiers/constant", func(r *rig) {
			want := slices.Clone(r.tiers)
			clear(r.d.Tiers()) // a caller's scribbling stays its own
			r.embed(0, texts()...)
			if got := r.d.Tiers(); !slices.Equal(got, want) {
				r.t.Errorf("tiers were %v, are %v", want, got)
			}
			if got := r.h.Open(r.t).Tiers(); !slices.Equal(got, want) {
				r.t.Errorf("tiers of a second value are %v, of the first %v", got, want)
			}
		}},
	}
}
