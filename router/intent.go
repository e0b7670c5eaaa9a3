package router

import (
	"math"
	"math/bits"
	"slices"

	semabus "github.com/semabus/semabus"
)

// definition is what is registered under a name: the intent as its owner wrote it, and the texts that feedback added. It
// is immutable once it is in a snapshot.
type definition struct {
	intent  semabus.Intent
	useful  []labelled
	counter []labelled
}

// labelled is a text that feedback added, with where it came from.
type labelled struct {
	text string
	from semabus.Provenance
}

// maxLabelled bounds what feedback adds to one side of an intent; the oldest are forgotten first.
const maxLabelled = 2000

// texts lists what stands for the intent: its description, its examples, the useful messages.
func (d *definition) texts() []string {
	out := make([]string, 0, 1+len(d.intent.Examples)+len(d.useful))
	if d.intent.Description != "" {
		out = append(out, d.intent.Description)
	}
	out = append(out, d.intent.Examples...)
	for _, l := range d.useful {
		out = append(out, l.text)
	}
	return out
}

// text is texts()[i].
func (d *definition) text(i int) string {
	if d.intent.Description != "" {
		if i == 0 {
			return d.intent.Description
		}
		i--
	}
	if i < len(d.intent.Examples) {
		return d.intent.Examples[i]
	}
	return d.useful[i-len(d.intent.Examples)].text
}

// against lists what does not stand for the intent.
func (d *definition) against() []string {
	out := slices.Clone(d.intent.CounterExamples)
	for _, l := range d.counter {
		out = append(out, l.text)
	}
	return out
}

// withFeedback is d with one more labelled text.
func (d *definition) withFeedback(text string, useful bool, from semabus.Provenance) *definition {
	n := &definition{intent: d.intent, useful: slices.Clone(d.useful), counter: slices.Clone(d.counter)}
	side := &n.useful
	if !useful {
		side = &n.counter
	}
	*side = append(*side, labelled{text, from})
	if len(*side) > maxLabelled {
		*side = (*side)[len(*side)-maxLabelled:]
	}
	return n
}

// intent is a compiled definition. It is immutable.
type intent struct {
	def      *definition
	id       uint64 // registry version of the change that made it; its entry in the vector index
	set      *set
	filter   *filter
	meaning  bool // has texts to compare with
	weights  []weight
	vector   []float32 // centroid of its texts, unit length; nil = none
	examples []example
}

// weight is one feature of an intent's loose scorer.
type weight struct {
	key   uint32
	value float32
}

// example is one registered text by its telling features, for naming the text nearest to a message.
type example struct {
	index int32    // into def.texts(); the description is index 0 where there is one
	keys  []uint32 // rising
	bits  uint64   // keys as a Bloom filter
}

const (
	maxLooseWeights = 400 // features of a loose scorer
	maxExamples     = 512 // texts that can be named as the nearest
	maxExampleKeys  = 48
	counterShare    = 0.5 // of a counter-example's features taken off (J. Rocchio, 1971)
)

// set is the identity of the intents that compete; immutable, one value for the life of the set.
type set struct {
	key  string // "=" + name of the set, or "~" + name of the independent intent
	name string
	solo bool

	order uint64 // of creation within the tenant
}

func setKey(in *semabus.Intent) string {
	if in.Independent {
		return "~" + in.Name
	}
	return "=" + in.Set
}

// compile derives what matching needs from a definition; the vector is added by the caller.
func compile(x *extractor, d *definition, s *set, id uint64) (*intent, error) {
	f, err := compileFilter(d.intent.Filter)
	if err != nil {
		return nil, err
	}
	in := &intent{def: d, id: id, set: s, filter: f}
	texts := d.texts()
	sum := map[uint32]float32{}
	for i, t := range texts {
		v := x.extract(t)
		in.meaning = in.meaning || len(v.hash) > 0
		for j, h := range v.hash {
			sum[h] += v.value[j] / float32(len(texts))
		}
		if len(in.examples) < maxExamples && len(v.hash) > 0 {
			in.examples = append(in.examples, newExample(int32(i), telling(nil, v)))
		}
	}
	against := d.against()
	for _, t := range against {
		v := x.extract(t)
		for j, h := range v.hash {
			sum[h] -= counterShare * v.value[j] / float32(len(against))
		}
	}
	in.weights = looseWeights(sum)
	return in, nil
}

// features lists each feature of the definition's texts once.
func features(x *extractor, d *definition) []uint32 {
	var all []uint32
	for _, t := range d.texts() {
		all = append(all, x.extract(t).hash...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func newExample(index int32, keys []uint32) example {
	return example{index: index, keys: keys, bits: bloom(keys)}
}

func bloom(keys []uint32) (b uint64) {
	for _, k := range keys {
		b |= 1 << (k & 63)
	}
	return b
}

// telling appends a text's words and Han pairs, without function words.
func telling(dst []uint32, v featureVec) []uint32 {
	for i, k := range v.kind {
		if k == kindWord && len(dst) < maxExampleKeys {
			dst = append(dst, v.hash[i])
		}
	}
	slices.Sort(dst)
	return dst
}

// nearest is the text of the intent that shares most with the message (the Dice coefficient of their telling features);
// "" stands for the description, and for no text that shares anything.
func (in *intent) nearest(keys []uint32) string {
	mask, best, at := bloom(keys), 0.0, -1
	for i := range in.examples {
		e := &in.examples[i]
		if bits.OnesCount64(e.bits&mask) == 0 {
			continue
		}
		if s := 2 * float64(common(e.keys, keys)) / float64(len(e.keys)+len(keys)+1); s > best {
			best, at = s, int(e.index)
		}
	}
	if at < 0 || at == 0 && in.def.intent.Description != "" {
		return ""
	}
	return in.def.text(at)
}

// common counts the keys that both rising lists have.
func common(a, b []uint32) (n int) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			n, i, j = n+1, i+1, j+1
		}
	}
	return n
}

// looseWeights is sum as a vector of unit norm, its largest features only, in order of key.
func looseWeights(sum map[uint32]float32) []weight {
	out := make([]weight, 0, len(sum))
	var norm float64
	for h, v := range sum {
		out = append(out, weight{h, v})
	}
	slices.SortFunc(out, func(a, b weight) int {
		switch {
		case abs32(a.value) > abs32(b.value):
			return -1
		case abs32(a.value) < abs32(b.value):
			return 1
		case a.key < b.key:
			return -1
		}
		return 1
	})
	for _, w := range out {
		norm += float64(w.value) * float64(w.value)
	}
	out = out[:min(len(out), maxLooseWeights)]
	slices.SortFunc(out, func(a, b weight) int { return int(int64(a.key) - int64(b.key)) })
	inv := float32(1 / max(1e-9, math.Sqrt(norm)))
	for i := range out {
		out[i].value *= inv
	}
	return slices.Clip(out)
}

func abs32(x float32) float32 { return max(x, -x) }
