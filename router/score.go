package router

import (
	"context"
	"math"
	"slices"
	"sync"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/router/driver"
)

// candidate is an intent that a message may be for, with its evidence.
type candidate struct {
	head    *head
	lexical float32
	cosine  float32 // 0 where the index did not return the intent
	score   float32 // fused
	logit   float64 // calibrated ln(p/(1-p))
	prob    float64
	reason  semabus.MatchReason
	certain bool // a filter alone decides, and it held
}

// certainLogit stands for probability 1.
const certainLogit = 40

// scratch is what one scoring needs; it is reused.
type scratch struct {
	extract *extractor
	rare    []float32 // values under live rarity
	acc     []float32
	found   []candidate
	queries [1]driver.Query
	hits    [][]driver.Hit
	bonus   [bonusCells]bonusCell
	padded  []float32
	telling []uint32
}

// bonus is a small hash table from index entry to cosine.
const bonusCells = 4 * vectorHits

type bonusCell struct {
	id     uint64 // 0 = free
	cosine float32
}

var scratches = sync.Pool{New: func() any { return &scratch{extract: newExtractor(), hits: make([][]driver.Hit, 1)} }}

// query is the message side of a scoring.
type query struct {
	features featureVec
	vector   []float32 // nil = none
	all      bool      // collect every intent with any evidence, not only those that can matter
	only     *intent   // collect this one too, whatever its evidence
}

// vectorOf is the message's vector in the router's space, nil where there is none.
func (r *Router) vectorOf(vectors []embed.Vector, m *semabus.Message) []float32 {
	for i := range vectors {
		if vectors[i].Space == r.tier.Space {
			return vectors[i].Values
		}
	}
	if m == nil {
		return nil
	}
	for i := range m.Embeddings {
		if e := &m.Embeddings[i]; e.Space == r.tier.Space && len(e.Values) == r.tier.Dim {
			return unit(slices.Clone(e.Values))
		}
	}
	return nil
}

// collect fills sc.found with the intents that q may be for and their scores, in no particular order.
func (r *Router) collect(ctx context.Context, tenantName string, s *snapshot, q *query, sc *scratch) error {
	sc.found = sc.found[:0]
	if err := r.nearest(ctx, tenantName, s, q, sc); err != nil {
		return err
	}
	for _, v := range s.trained {
		sc.accumulate(v, q.features, q.features.value)
		sc.pick(v, q)
	}
	if len(s.loose) == 0 {
		return nil
	}
	sc.weigh(s.frequency, q.features)
	for _, v := range s.loose {
		sc.accumulate(v, q.features, sc.rare)
		sc.pick(v, q)
	}
	return nil
}

// nearest asks the index for the intents near the message's vector.
func (r *Router) nearest(ctx context.Context, tenantName string, s *snapshot, q *query, sc *scratch) error {
	clear(sc.bonus[:])
	if q.vector == nil || !s.wantsVectors() {
		return nil
	}
	sc.queries[0] = driver.Query{Vector: q.vector, MinScore: vectorFloor, Max: vectorHits}
	hits, err := r.o.Index.Search(ctx, driver.Partition{Tenant: tenantName, Space: r.tier.Space}, sc.queries[:], sc.hits)
	if err != nil {
		return err
	}
	sc.hits = hits
	for _, h := range hits[0] {
		p := h.ID % bonusCells
		for sc.bonus[p].id != 0 {
			p = (p + 1) % bonusCells
		}
		sc.bonus[p] = bonusCell{h.ID, h.Score}
	}
	return nil
}

func (sc *scratch) cosine(id uint64) float32 {
	for p := id % bonusCells; sc.bonus[p].id != 0; p = (p + 1) % bonusCells {
		if sc.bonus[p].id == id {
			return sc.bonus[p].cosine
		}
	}
	return 0
}

// weigh sets sc.rare to the features' values under live rarity, scaled so that a loose score of a full overlap is
// looseScale: value · rarity² / norm of (value · rarity), one rarity for each side of the comparison.
func (sc *scratch) weigh(t *frequencyTable, f featureVec) {
	sc.rare = sc.rare[:0]
	total := t.total.Load()
	var sum float64
	for i, h := range f.hash {
		k := rarity(t.count(h), total)
		w := f.value[i] * k
		sum += float64(w * w)
		sc.rare = append(sc.rare, w*k)
	}
	if sum == 0 {
		return
	}
	scale := float32(looseScale / math.Sqrt(sum))
	for i := range sc.rare {
		sc.rare[i] *= scale
	}
}

// accumulate sums the view's weights of the features into sc.acc, one place a slot.
func (sc *scratch) accumulate(v *view, f featureVec, values []float32) {
	if cap(sc.acc) < len(v.slots) {
		sc.acc = make([]float32, len(v.slots)+len(v.slots)/4)
	}
	sc.acc = sc.acc[:len(v.slots)]
	acc := sc.acc
	clear(acc)
	for i, h := range f.hash {
		x := values[i]
		if x == 0 {
			continue
		}
		for _, p := range v.lookup(h) {
			acc[p.slot] += x * p.weight
		}
	}
}

// pick appends the slots of each run that come near its best, or that clear the floor of an intent without siblings.
func (sc *scratch) pick(v *view, q *query) {
	for _, r := range v.runs {
		acc := sc.acc[r.lo:r.hi]
		if r.model.vector > 0 && q.vector != nil {
			for i := range acc {
				if c := sc.cosine(v.ids[int(r.lo)+i]); c > 0 {
					acc[i] += r.model.vector * vectorEvidence(c)
				}
			}
		}
		floor := v.floor(r, acc)
		if q.all {
			floor = negInf
		}
		for i, score := range acc {
			slot := r.lo + uint32(i)
			h := v.slots[slot]
			if (score < floor && h.in != q.only) || v.isDead(slot) {
				continue
			}
			c := sc.cosine(h.in.id)
			var fused float32
			if r.model.vector > 0 && q.vector != nil {
				fused = r.model.vector * vectorEvidence(c)
			}
			sc.found = append(sc.found, candidate{head: h, lexical: score - fused, cosine: c, score: score})
		}
	}
}

// floor is the score below which an intent of the run cannot matter, given the scores of the run.
func (v *view) floor(r run, scores []float32) float32 {
	if r.model.set.solo {
		return r.model.lowest
	}
	best := negInf
	for i, s := range scores {
		if s > best && !v.isDead(r.lo+uint32(i)) {
			best = s
		}
	}
	return max(best-scoreWindow, r.model.lowest)
}

// compete turns scores into calibrated probabilities: within a set an intent's evidence is its score against the others'.
// Barred candidates (nobody may send them the message) do not compete. found is sorted by set, best first.
func compete(found []candidate) {
	slices.SortFunc(found, func(a, b candidate) int {
		if a.head.model.set != b.head.model.set {
			if a.head.model.set.key < b.head.model.set.key {
				return -1
			}
			return 1
		}
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		case a.head.in.def.intent.Name < b.head.in.def.intent.Name:
			return -1
		}
		return 1
	})
	for lo := 0; lo < len(found); {
		hi := lo + 1
		for hi < len(found) && found[hi].head.model.set == found[lo].head.model.set {
			hi++
		}
		competeSet(found[lo:hi])
		lo = hi
	}
}

func competeSet(list []candidate) {
	none := list[0].head.model.none()
	best, sum := none, 0.0
	for i := range list {
		if c := &list[i]; c.reason == 0 && !c.certain {
			best = max(best, c.score)
		}
	}
	for i := range list {
		if c := &list[i]; c.reason == 0 && !c.certain && c.score > best-2*scoreWindow {
			sum += math.Exp(float64(c.score - best))
		}
	}
	sum += math.Exp(float64(none - best))
	for i := range list {
		c := &list[i]
		if c.certain {
			c.logit, c.prob = certainLogit, 1
			continue
		}
		all := sum
		if c.reason != 0 { // barred: as if it were let in
			all += math.Exp(float64(min(c.score-best, 80)))
		}
		c.logit = c.head.model.calibration.logit(marginOf(c.score, float64(best)+math.Log(all)), c.score)
		c.prob = sigmoid(c.logit)
	}
}
