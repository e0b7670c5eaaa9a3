package router

import (
	"math"

	semabus "github.com/semabus/semabus"
)

// model scores the intents of one set that were fitted together: all of them once the set was fitted, or those that joined
// since, or a set too young to be fitted. Immutable.
type model struct {
	set         *set
	trained     bool        // weights tell siblings apart; else they are the intents' own texts under live rarity
	calibration calibration // evidence → probability
	vector      float32     // weight of the vector evidence in the score, ≥ 0
	lowest      float32     // score under which an intent is not told, whatever its rivals
}

// none is the score of being for nobody, which takes part in every contest.
func (m *model) none() float32 {
	if m.trained {
		return noneTrained
	}
	return noneLoose
}

// head is one intent's place in a segment. Immutable.
type head struct {
	in     *intent
	model  *model
	limits limits
	told   float64 // logit from which it is told, delivered or not
}

func newHead(in *intent, m *model, l limits) *head {
	p := max(lowestProbability, l.deliver*toldShare)
	return &head{in: in, model: m, limits: l, told: math.Log(p / (1 - p))}
}

const (
	looseScale        = 25   // logits a full lexical overlap is worth
	looseVector       = 6    // logits a cosine of 1 is worth before a set is fitted
	vectorFloor       = 0.25 // cosines below it are no evidence
	vectorHits        = 1024 // nearest intents of a tenant whose vector evidence counts
	contends          = 2    // score from which an intent counts against its siblings
	rivalry           = 2    // logits below a set's best score in which they count in any case
	window            = 8    // logits below a set's best score in which intents are told and count
	lowestProbability = 0.01 // intents under it are not told, and no threshold is lower
	toldShare         = 0.25 // share of its threshold from which an intent is near, and told
	noneTrained       = 3
	noneLoose         = 5
	looseLowest       = 1
	hinted            = 1   // score of a text that hardly hints at an intent: a word that a fitted set has seen somewhere
	unfittedWrong     = 0.5 // threshold on the probability before held-out texts tell a better one
)

// lowestLogit is lowestProbability as a logit.
var lowestLogit = math.Log(lowestProbability / (1 - lowestProbability))

func looseModel(s *set) *model {
	return &model{set: s, calibration: priorLoose, vector: looseVector, lowest: looseLowest}
}

func trainedModel(s *set, c calibration, vector float32) *model {
	m := &model{set: s, trained: true, calibration: c, vector: vector}
	// Without rivals the margin is the score over that of being for nobody, so that the logit is linear in the score.
	slope := max(c.margin+c.score, 1e-3)
	m.lowest = float32((lowestLogit - c.bias + c.margin*noneTrained) / slope)
	return m
}

// hint is the probability of an intent at which a text hardly hints, and at no other of the set's n: a threshold from few
// held-out texts must not let it through.
func (m *model) hint(n int) float64 {
	others := float64(n-1) * math.Exp(-noneTrained)
	return sigmoid(m.calibration.logit(marginIn(others, hinted-noneTrained, false), hinted))
}

// looseHead is an intent's head before its set is fitted. Nothing was held out yet, so the threshold follows from the
// budget and the prior calibration alone.
func looseHead(in *intent, m *model) *head {
	return newHead(in, m, priorLimits(in.def.intent.Budget))
}

func priorLimits(b *semabus.Budget) limits {
	if b == nil || b.MaxWrong <= 0 && b.MaxMissed <= 0 {
		return same(unfittedWrong)
	}
	sure := unfittedWrong
	if b.MaxWrong > 0 {
		sure = math.Max(0.05, 1-2*b.MaxWrong)
	}
	reach := sure
	if b.MaxMissed > 0 {
		reach = math.Min(unfittedWrong, b.MaxMissed)
	}
	switch {
	case b.MaxWrong <= 0:
		return same(reach)
	case b.Prefer == semabus.PreferRecall && reach < sure:
		return limits{deliver: reach, sure: sure}
	}
	return same(sure)
}

// vectorEvidence is what a cosine adds to a score of weight one: nothing up to the floor, then evenly up to 1.
func vectorEvidence(cosine float32) float32 {
	return max(0, cosine-vectorFloor) / (1 - vectorFloor)
}

func norm(v []float32) float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return float32(math.Sqrt(sum))
}

// unit scales v to unit length; nil for a vector without length.
func unit(v []float32) []float32 {
	n := norm(v)
	if n == 0 {
		return nil
	}
	for i := range v {
		v[i] /= n
	}
	return v
}
