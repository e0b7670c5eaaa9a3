package router

import (
	"math"
	"slices"
)

const (
	minTextsFitted = 2       // texts from which an intent counts as having examples
	minFitted      = 2       // such intents from which a set is fitted
	maxFitted      = 4096    // intents up to which a set is fitted; a larger one keeps its loose heads
	keptWeights    = 0.2     // share of the learned weights that is kept: the largest; the rest does not change rankings
	keptAlways     = 1 << 12 // weights that a set keeps in any case: of a few texts every word counts, and the calibration knows them all
	leastWeight    = 1e-12   // a smaller one is zero
	leastHits      = 10      // held-out texts from which a threshold follows from them
	ownEvidence    = 60      // texts of its own at which an intent's threshold weighs as much as its set's
)

// setFit is the fit of one set under way.
type setFit struct {
	set     *set
	members []*intent
	samples []sample
	others  []sample // the background sample: texts for nobody, or hardly anybody
	texts   []string // of samples, then of others
	vectors [][]float32
	keys    []uint32 // local number of a feature → feature
}

// newSetFit gathers a set's samples; nil where the set is too young, or too large, to be fitted.
func newSetFit(s *set, members []*intent) *setFit {
	rich := 0
	for _, in := range members {
		if len(in.def.texts()) >= minTextsFitted {
			rich++
		}
	}
	if s.solo || rich < minFitted || len(members) > maxFitted {
		return nil
	}
	f := &setFit{set: s, members: members}
	f.gather()
	return f
}

// gather extracts the samples. A text registered for several intents is one sample with several labels.
func (f *setFit) gather() {
	x := newExtractor()
	local := map[uint32]int32{}
	known := map[string]int{}
	add := func(text string, label, not int32) {
		if i, ok := known[text]; ok && not < 0 {
			if s := &f.samples[i]; !s.has(label) {
				s.labels = append(s.labels, label)
			}
			return
		}
		v := x.extract(text)
		if len(v.hash) == 0 {
			return
		}
		s := sample{feats: make([]int32, len(v.hash)), vals: slices.Clone(v.value), not: not}
		for j, h := range v.hash {
			n, ok := local[h]
			if !ok {
				n = int32(len(f.keys))
				local[h] = n
				f.keys = append(f.keys, h)
			}
			s.feats[j] = n
		}
		if not < 0 {
			s.labels = []int32{label}
			known[text] = len(f.samples)
		}
		f.samples, f.texts = append(f.samples, s), append(f.texts, text)
	}
	for label, in := range f.members {
		for _, t := range in.def.texts() {
			add(t, int32(label), -1)
		}
	}
	for label, in := range f.members {
		for _, t := range in.def.against() {
			add(t, -1, int32(label))
		}
	}
	f.shrink()
	f.gatherOthers(x)
}

// gatherOthers extracts the background sample, as far as its features occur in the set's own texts.
func (f *setFit) gatherOthers(x *extractor) {
	local := make(map[uint32]int32, len(f.keys))
	for n, h := range f.keys {
		local[h] = int32(n)
	}
	for _, t := range backgroundTexts() {
		v := x.extract(t)
		s := sample{not: -1}
		for j, h := range v.hash {
			if n, ok := local[h]; ok {
				s.feats, s.vals = append(s.feats, n), append(s.vals, v.value[j])
			}
		}
		f.others, f.texts = append(f.others, s), append(f.texts, t)
	}
}

// shrink leaves the rarest features out while a dense fit would take too much memory.
func (f *setFit) shrink() {
	most := max(1, maxDenseFits/len(f.members))
	if len(f.keys) <= most {
		return
	}
	count := make([]int, len(f.keys))
	for _, s := range f.samples {
		for _, n := range s.feats {
			count[n]++
		}
	}
	least := 2
	for {
		kept := 0
		for _, n := range count {
			if n >= least {
				kept++
			}
		}
		if kept <= most {
			break
		}
		least++
	}
	to := make([]int32, len(f.keys))
	var keys []uint32
	for n, c := range count {
		to[n] = -1
		if c >= least {
			to[n] = int32(len(keys))
			keys = append(keys, f.keys[n])
		}
	}
	f.keys = keys
	for i := range f.samples {
		s := &f.samples[i]
		n := 0
		for j, old := range s.feats {
			if to[old] >= 0 {
				s.feats[n], s.vals[n] = to[old], s.vals[j]
				n++
			}
		}
		s.feats, s.vals = s.feats[:n], s.vals[:n]
	}
}

// run calibrates on held-out texts, fits on all, and returns the set's view.
func (f *setFit) run() *view {
	l := newLinear(len(f.keys), len(f.members))
	pairs, weight := f.calibrate(l)
	use := make([]int32, len(f.samples))
	for i := range use {
		use[i] = int32(i)
	}
	l.fit(f.samples, use)

	m := trainedModel(f.set, fitCalibration(pairs, priorTrained), weight)
	heads := f.heads(m, pairs)
	least := smallestKept(l.w)
	var triples []triple
	for n, key := range f.keys {
		for y, w := range l.w[n*l.nl : (n+1)*l.nl] {
			if abs32(w) >= least {
				triples = append(triples, triple{key, uint32(y), w})
			}
		}
	}
	return newView(newSegment(heads, triples))
}

// heads gives each member its threshold, from its own held-out texts and, while it has few, its set's.
func (f *setFit) heads(m *model, pairs []pair) []*head {
	var pool curve
	own := make([]curve, len(f.members))
	for i := range pairs {
		p := &pairs[i]
		logit := m.calibration.logit(p.margin, p.score)
		pool.add(logit, p.hit, float64(p.weight))
		own[p.label].add(logit, p.hit, float64(p.weight))
	}
	scale := ownEvidence / max(ownEvidence, pool.hits())
	heads := make([]*head, len(f.members))
	for y, in := range f.members {
		b := in.def.intent.Budget
		limit := priorLimits(b)
		if pool.hits() >= leastHits {
			limit = own[y].plus(&pool, scale).limit(b)
			if b == nil || b.MaxWrong <= 0 && b.MaxMissed <= 0 {
				limit = same(max(limit.deliver, m.hint(len(f.members))))
			}
		}
		heads[y] = newHead(in, m, limit)
	}
	return heads
}

// smallestKept is the size from which a weight belongs to the largest keptWeights of those that are not zero, to 1/128; that of
// any that is not zero where there are no more than keptAlways.
func smallestKept(w []float32) float32 {
	const buckets = 1 << 15
	count := make([]int, buckets)
	total := 0
	for _, x := range w {
		if x != 0 {
			count[bucket(x)]++
			total++
		}
	}
	if total <= keptAlways {
		return leastWeight
	}
	kept, most := 0, max(keptAlways, int(keptWeights*float64(total)))
	for b := buckets - 1; b > 0; b-- {
		if kept += count[b]; kept >= most {
			return unbucket(b)
		}
	}
	return leastWeight
}

// bucket is exponent and seven bits of the mantissa of |x|.
func bucket(x float32) int { return int(math.Float32bits(x)&0x7fffffff) >> 16 }

func unbucket(b int) float32 { return math.Float32frombits(uint32(b) << 16) }
