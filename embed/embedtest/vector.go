package embedtest

import (
	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/driver"
)

func vectorCases() []testCase {
	return []testCase{
		{"vectors/deterministic", func(r *rig) {
			again := r.h.Open(r.t)
			for _, kind := range []driver.Kind{driver.Query, driver.Passage} {
				first, second, other := r.embed(kind, texts()...), r.embed(kind, texts()...), r.ask(again, kind, texts()...)
				for i, text := range texts() {
					r.same("second answer", text, first[i], second[i])
					r.same("second value of the driver", text, first[i], other[i])
				}
			}
		}},
		{"vectors/alone or among others", batching},
		{"vectors/equal texts in one batch", func(r *rig) {
			const text = "cancel my order"
			out := r.embed(driver.Query, text, "something else", text)
			r.same("repeated", text, out[0], out[2])
		}},
		{"vectors/a word more in common", nearer},
		{"vectors/kinds share a space", func(r *rig) {
			for _, text := range []string{"where is my parcel", "I lost my card yesterday"} {
				q, p := r.embed(driver.Query, text)[0], r.embed(driver.Passage, text)[0]
				for j, tier := range r.tiers {
					if c := embed.Dot(q[j].Values, p[j].Values); c < 0.5 {
						r.t.Errorf("tier %q: %q as query and as passage have cosine %v", tier.Name, text, c)
					}
				}
			}
		}},
		{"vectors/capacity is reused", reuse},
		{"vectors/old contents do not matter", func(r *rig) {
			const text = "I was charged twice"
			want := r.embed(driver.Query, text)[0]
			out := r.rows(1)
			for j, tier := range r.tiers {
				out[0][j] = driver.Vector{Values: make([]float32, tier.Dim+j%2*7), Truncated: true}
				for k := range out[0][j].Values {
					out[0][j].Values[k] = float32(k) - 3
				}
			}
			if err := r.d.Embed(r.t.Context(), []string{text}, driver.Query, out); err != nil {
				r.t.Fatal(err)
			}
			r.same("over old contents", text, want, out[0])
		}},
	}
}

// reuse checks that Values with room enough are written in place, by the driver and through the portable embedder.
func reuse(r *rig) {
	const text = "where is my parcel"
	out := r.embed(driver.Query, "another text before")
	before := make([]*float32, len(r.tiers))
	for j := range r.tiers {
		before[j] = &out[0][j].Values[0]
	}
	if err := r.d.Embed(r.t.Context(), []string{text}, driver.Query, out); err != nil {
		r.t.Fatal(err)
	}
	for j, tier := range r.tiers {
		if &out[0][j].Values[0] != before[j] {
			r.t.Errorf("tier %q: the driver allocated new Values where the old had room", tier.Name)
		}
	}
	vs, err := r.e.EmbedOne(r.t.Context(), "another text before", driver.Query, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for j := range vs {
		before[j] = &vs[j].Values[0]
	}
	again, err := r.e.EmbedOne(r.t.Context(), text, driver.Query, vs)
	if err != nil {
		r.t.Fatal(err)
	}
	for j := range again {
		if &again[j].Values[0] != before[j] || &again[0] != &vs[0] {
			r.t.Errorf("tier %q: EmbedOne allocated where dst had room", again[j].Tier)
		}
		r.sameValues("through dst", text, j, again[j].Values, out[0][j].Values)
	}
}

// batching compares a batch with its texts one by one, and with the batch reversed.
func batching(r *rig) {
	list := texts()
	for _, kind := range []driver.Kind{driver.Query, driver.Passage} {
		batch := r.embed(kind, list...)
		for i, text := range list {
			r.same("alone", text, batch[i], r.embed(kind, text)[0])
		}
		reversed := make([]string, len(list))
		for i := range list {
			reversed[len(list)-1-i] = list[i]
		}
		back := r.embed(kind, reversed...)
		for i, text := range list {
			r.same("reversed", text, batch[i], back[len(list)-1-i])
		}
	}
}

// nearer compares texts that share words with one that shares none.
func nearer(r *rig) {
	for _, c := range [][3]string{
		{"I was charged twice for my order", "my order was charged twice", "the weather is nice in spring"},
		{"please cancel my subscription", "cancel the subscription", "a recipe for tomato soup"},
	} {
		out := r.embed(driver.Query, c[:]...)
		for j, tier := range r.tiers {
			near := embed.Dot(out[0][j].Values, out[1][j].Values)
			far := embed.Dot(out[0][j].Values, out[2][j].Values)
			if near <= far {
				r.t.Errorf("tier %q: %q is as far from %q (%v) as from %q (%v)", tier.Name, c[0], c[1], near, c[2], far)
			}
		}
	}
}
