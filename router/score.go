package router

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/semabus/semabus/router/driver"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
)

// Scoring goes over the views one after another: the message's features pick posting lists, whose weights are summed in one
// place a slot; the index gives the cosines of the intents near the message's vector, which are added where the intent's
// model gives vectors a weight. What scores enough to take part becomes a contender; see contest.go for what follows.

// scratch is what one decision needs; it is reused.
type scratch struct {
	extract *extractor
	rare    []float32 // feature values under live rarity
	acc     []float32 // score of each slot of the view at hand
	cosines []float32 // cosine of each slot, where the view uses vectors
	queries [1]driver.Query
	hits    [][]driver.Hit
	telling []uint32

	contenders []contender
	grouped    []contender // contenders with those of one set side by side
	parts      []part
	found      []candidate
}

var scratches = sync.Pool{New: func() any { return &scratch{extract: newExtractor()} }}

// borrow takes a scratch out of the pool; giveBack returns it without what it points to.
func borrow() *scratch {
	return scratches.Get().(*scratch) //nolint:errcheck // the pool holds nothing else
}

func (sc *scratch) giveBack() {
	clear(sc.contenders)
	clear(sc.grouped)
	clear(sc.parts)
	clear(sc.found)
	sc.contenders, sc.grouped, sc.parts, sc.found = sc.contenders[:0], sc.grouped[:0], sc.parts[:0], sc.found[:0]
	sc.telling = sc.telling[:0]
	sc.queries[0].Vector = nil
	scratches.Put(sc)
}

// tell is the message's telling features, listed when they are first asked for.
func (sc *scratch) tell(q *query) []uint32 {
	if len(sc.telling) == 0 {
		sc.telling = telling(sc.telling, q.features)
	}
	return sc.telling
}

// query is the message side of a scoring.
type query struct {
	features featureVec
	vector   []float32 // nil = none
	audience bool      // the message has one: the best of a set may be barred
	all      bool      // every intent is told, whatever its evidence
	only     *intent   // this one is told, whatever its evidence
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

// collect fills sc.contenders with the intents that take part and their scores, views and slots in order.
func (r *Router) collect(ctx context.Context, tenantName string, s *snapshot, q *query, sc *scratch) error {
	near, err := r.nearest(ctx, tenantName, s, q, sc)
	if err != nil {
		return err
	}
	for _, v := range s.trained {
		sc.accumulate(v, q.features, q.features.value)
		sc.addVectors(v, near)
		sc.pick(v, q)
	}
	if len(s.loose) == 0 {
		return nil
	}
	sc.weigh(s.frequency, q.features)
	for _, v := range s.loose {
		sc.accumulate(v, q.features, sc.rare)
		sc.addVectors(v, near)
		sc.pick(v, q)
	}
	return nil
}

// nearest asks the index for the intents near the message's vector.
func (r *Router) nearest(ctx context.Context, tenantName string, s *snapshot, q *query, sc *scratch) ([]driver.Hit, error) {
	if q.vector == nil || !s.wantsVectors() {
		return nil, nil
	}
	sc.queries[0] = driver.Query{Vector: q.vector, MinScore: vectorFloor, Max: vectorHits}
	hits, err := r.o.Index.Search(ctx, driver.Partition{Tenant: tenantName, Space: r.tier.Space}, sc.queries[:], sc.hits)
	if err != nil {
		return nil, err
	}
	sc.hits = hits
	return hits[0], nil
}

// weigh sets sc.rare to the features' values under live rarity, scaled so that a loose score of a full overlap is
// looseScale: value · rarity² / norm of (value · rarity), one rarity for each side of the comparison. The norm of the values
// themselves, 1 but for a long text, stays.
func (sc *scratch) weigh(t *frequencyTable, f featureVec) {
	sc.rare = sc.rare[:0]
	total := t.total.Load()
	var sum, plain float64
	for i, h := range f.hash {
		k := rarity(t.count(h), total)
		w := f.value[i] * k
		sum += float64(w * w)
		plain += float64(f.value[i] * f.value[i])
		sc.rare = append(sc.rare, w*k)
	}
	if sum == 0 {
		return
	}
	scale := float32(looseScale * math.Sqrt(plain/sum))
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

// addVectors adds the vector evidence to sc.acc and notes the cosines.
func (sc *scratch) addVectors(v *view, near []driver.Hit) {
	if !v.vectors || len(near) == 0 {
		sc.cosines = sc.cosines[:0]
		return
	}
	sc.cosines = slices.Grow(sc.cosines[:0], len(v.slots))[:len(v.slots)]
	clear(sc.cosines)
	for _, h := range near {
		if slot, ok := v.slotOf(h.ID); ok {
			sc.cosines[slot] = h.Score
			sc.acc[slot] += v.slots[slot].model.vector * vectorEvidence(h.Score)
		}
	}
}

// pick appends the slots that may be told: of each set those near its best.
func (sc *scratch) pick(v *view, q *query) {
	for _, r := range v.runs {
		floor := r.model.lowest
		if r.hi-r.lo > 1 && !r.filtered && !q.audience {
			floor = max(floor, sc.best(v, r)-window)
		}
		if q.all {
			floor = negInf
		}
		for i := r.lo; i < r.hi; i++ {
			score := sc.acc[i]
			if score < floor && (q.only == nil || v.slots[i].in != q.only) || v.isDead(i) {
				continue
			}
			c := contender{head: v.slots[i], score: score}
			if len(sc.cosines) > 0 {
				c.cosine = sc.cosines[i]
			}
			sc.contenders = append(sc.contenders, c)
		}
	}
}

// best is the best score of a run.
func (sc *scratch) best(v *view, r run) float32 {
	best := negInf
	for i, score := range sc.acc[r.lo:r.hi] {
		if score > best && !v.isDead(r.lo+uint32(i)) {
			best = score
		}
	}
	return best
}
