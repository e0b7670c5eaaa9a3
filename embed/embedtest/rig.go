package embedtest

import (
	"math"
	"testing"

	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/driver"
)

// rig is one case's driver.
type rig struct {
	t     *testing.T
	h     Harness
	d     driver.Driver
	e     *embed.Embedder
	tiers []driver.Tier
}

func newRig(t *testing.T, h Harness) *rig {
	t.Helper()
	d := h.Open(t)
	return &rig{t: t, h: h, d: d, e: embed.New(d, embed.Options{}), tiers: d.Tiers()}
}

// rows makes room for the answer to n texts.
func (r *rig) rows(n int) [][]driver.Vector {
	out := make([][]driver.Vector, n)
	for i := range out {
		out[i] = make([]driver.Vector, len(r.tiers))
	}
	return out
}

// embed asks the driver itself and checks the shape of the answer.
func (r *rig) embed(kind driver.Kind, texts ...string) [][]driver.Vector {
	r.t.Helper()
	return r.ask(r.d, kind, texts...)
}

func (r *rig) ask(d driver.Driver, kind driver.Kind, texts ...string) [][]driver.Vector {
	r.t.Helper()
	out := r.rows(len(texts))
	if err := d.Embed(r.t.Context(), texts, kind, out); err != nil {
		r.t.Fatalf("Embed of %d texts: %v", len(texts), err)
	}
	for i := range out {
		r.shape(texts[i], out[i])
	}
	return out
}

// shape checks dimension and length of one text's vectors.
func (r *rig) shape(text string, row []driver.Vector) {
	r.t.Helper()
	for j, v := range row {
		if len(v.Values) != r.tiers[j].Dim {
			r.t.Fatalf("tier %q, text %.40q: %d values, want %d", r.tiers[j].Name, text, len(v.Values), r.tiers[j].Dim)
		}
		sum := 0.0
		for _, x := range v.Values {
			sum += float64(x) * float64(x)
		}
		if sum != 0 && !(math.Abs(sum-1) < 0.01) {
			r.t.Errorf("tier %q, text %.40q: squared length %v, want 1 or 0", r.tiers[j].Name, text, sum)
		}
	}
}

// same checks that two answers for one text agree within the harness's tolerance.
func (r *rig) same(what, text string, a, b []driver.Vector) {
	r.t.Helper()
	for j := range r.tiers {
		if a[j].Truncated != b[j].Truncated {
			r.t.Errorf("%s: tier %q, text %.40q: Truncated is %v and %v", what, r.tiers[j].Name, text, a[j].Truncated, b[j].Truncated)
		}
		r.sameValues(what, text, j, a[j].Values, b[j].Values)
	}
}

func (r *rig) sameValues(what, text string, tier int, a, b []float32) {
	r.t.Helper()
	if len(a) != len(b) {
		r.t.Errorf("%s: tier %q, text %.40q: %d and %d values", what, r.tiers[tier].Name, text, len(a), len(b))
		return
	}
	for k := range a {
		if d := a[k] - b[k]; !(d <= r.h.Tolerance && -d <= r.h.Tolerance) {
			r.t.Errorf("%s: tier %q, text %.40q: value %d is %v and %v", what, r.tiers[tier].Name, text, k, a[k], b[k])
			return
		}
	}
}

// texts are ordinary messages and what else people send.
func texts() []string {
	return append(odd(),
		"I was charged twice for my order", "double charge on one order", "where is the nearest cash machine?",
		"我的信用卡丢了", "请给我退款，谢谢", "Mein Paket ist noch nicht da", "¿Dónde está mi pedido?", "注文をキャンセルしたい",
	)
}

// odd are texts that break careless code.
func odd() []string {
	return []string{
		"", " ", "\x00", "a\x00b", "\u200b\ufeff", "\u202eabc\u202c", "🎉", "👩‍👩‍👧 family", "e\u0301\u0301\u0301", "\u0301",
		"\n\t\r\v", "...!?", "ｆｕｌｌ　ｗｉｄｔｈ", "mixed 混合 текст نص ข้อความ", "\U0010ffff", "\ufffd\ufffd", "0", "a",
	}
}
