package router

import (
	"math"
	"math/rand/v2"
	"slices"

	semabus "github.com/semabus/semabus"
)

// Probabilities are calibrated on texts that the scorer did not see. The set is fitted a few times with a part of its
// intents and a part of the remaining intents' texts held out; a held-out text of a known intent shows how right answers
// score, a text of a held-out intent how messages score that are for nobody.

// pair is one held-out text against one intent.
type pair struct {
	label  int32
	margin float32 // score minus the log-sum-exp of the other intents' scores
	score  float32
	hit    bool // the text was registered for the intent
	source source
	weight float32
}

// source is where a held-out text comes from.
type source uint8

const (
	inside   source = iota // an intent that takes part
	outside                // an intent that is held out: a message much like those of the set, for nobody in it
	anywhere               // the background sample
	sources
)

const (
	mostFolds       = 10 // the more folds, the nearer a fold's fit is to the one that serves
	leastFolds      = 3
	foldedSamples   = 15000   // samples times folds, and times draws: what calibration may cost
	mostDraws       = 5       // the more draws of the folds, the less a small set's thresholds hang on one of them
	heldOutLarge    = 6000    // held-out texts looked at in a large set
	fusedSums       = 4 << 20 // dot products that may be spent on them where vectors weigh
	pairsEach       = 6       // best intents of a held-out text that make pairs
	backgroundShare = 0.05    // of the messages that reach a set, for nobody in it: what probabilities assume
	marginLimit     = 15
)

// calibrate returns the pairs of the held-out texts, and what vector evidence weighs in their scores.
func (f *setFit) calibrate(l *linear) (pairs []pair, weight float32) {
	pairs, list := f.heldOut(l, 0)
	if weight = bestWeight(list); weight > 0 {
		pairs, _ = f.heldOut(l, weight)
	}
	balance(pairs, f.draws(l.nl))
	return pairs, weight
}

// folds is in how many parts the samples of nl labels are held out.
func (f *setFit) folds(nl int) int {
	return max(leastFolds, min(mostFolds, nl, foldedSamples/max(1, len(f.samples))))
}

// draws is how often they are parted anew.
func (f *setFit) draws(nl int) int {
	return max(1, min(mostDraws, foldedSamples/max(1, f.folds(nl)*len(f.samples))))
}

// heldOut scores every sample by a fit that did not see it, once in each draw of the folds, and some of them as trials without
// the vectors' share.
func (f *setFit) heldOut(l *linear, weight float32) (pairs []pair, list []trial) {
	for n := range f.draws(l.nl) {
		d := drawFolds(f.samples, l.nl, f.folds(l.nl), n)
		pairs, list = f.heldOutIn(d, l, weight, pairs, list)
	}
	return pairs, list
}

// heldOutIn is heldOut for one draw.
func (f *setFit) heldOutIn(d *draw, l *linear, weight float32, pairs []pair, list []trial) ([]pair, []trial) {
	for k := range d.folds {
		var use []int32
		for i := range f.samples {
			if d.fold[i] == k || d.without(&f.samples[i], k) {
				continue
			}
			use = append(use, int32(i))
		}
		if len(use) == 0 {
			continue
		}
		l.fit(f.samples, use)
		h := holdout{setFit: f, l: l, weight: weight, centroids: f.centroids(use), pairs: pairs, trials: list}
		for i := range f.samples {
			switch {
			case d.without(&f.samples[i], k):
				h.score(i, outside)
			case d.fold[i] == k:
				h.score(i, inside)
			}
		}
		for i := k; i < len(f.others); i += d.folds {
			h.scoreOther(i)
		}
		pairs, list = h.pairs, h.trials
	}
	return pairs, list
}

// holdout is one fold: a fit, and what it says of the texts it did not see.
type holdout struct {
	*setFit
	l         *linear
	weight    float32 // of vector evidence
	centroids [][]float32
	pairs     []pair
	trials    []trial
}

func (h *holdout) score(i int, from source) {
	texts := heldOutLarge
	if h.weight > 0 {
		texts = min(texts, max(500, fusedSums/h.l.nl))
	}
	every := max(1, len(h.samples)/texts)
	tried := i%h.everyTrial() == 0
	if i%every != 0 && !tried {
		return
	}
	s := &h.samples[i]
	scores := make([]float32, h.l.nl)
	h.l.score(s, scores)
	if tried && from == inside && len(s.labels) > 0 && learnable(s, scores) {
		h.trials = append(h.trials, trial{s.labels, slices.Clone(scores), cosines(h.vectors[i], h.centroids)})
	}
	if h.weight > 0 {
		fuse(scores, cosines(h.vectors[i], h.centroids), h.weight)
	}
	h.pairs = appendPairs(h.pairs, s, scores, from)
}

func (h *holdout) scoreOther(i int) {
	scores := make([]float32, h.l.nl)
	h.l.score(&h.others[i], scores)
	if h.weight > 0 {
		fuse(scores, cosines(h.vectors[len(h.samples)+i], h.centroids), h.weight)
	}
	h.pairs = appendPairs(h.pairs, &h.others[i], scores, anywhere)
}

// draw is one way to part samples into folds. Where there are enough labels each is also held out as a whole, in a fold that
// has none of its samples.
type draw struct {
	folds int
	fold  []int // of each sample
	label []int // fold that holds a label out; nil = labels are not held out
}

// without reports whether fold k holds out a label of the sample.
func (d *draw) without(s *sample, k int) bool {
	if d.label == nil {
		return false
	}
	for _, y := range s.labels {
		if d.label[y] == k {
			return true
		}
	}
	return s.not >= 0 && d.label[s.not] == k
}

// drawFolds spreads labels, and the samples of each label, evenly over the folds: in their order the first time, shuffled by n
// after that.
func drawFolds(samples []sample, nl, folds, n int) *draw {
	order, labels := make([]int, len(samples)), make([]int, nl)
	for i := range order {
		order[i] = i
	}
	for y := range labels {
		labels[y] = y
	}
	if n > 0 {
		rnd := rand.New(rand.NewPCG(uint64(n), 0)) //nolint:gosec // chance, not secrets
		rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		rnd.Shuffle(nl, func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
	}
	d := &draw{folds: folds, fold: make([]int, len(samples))}
	if nl >= folds {
		d.label = make([]int, nl)
		for y := range d.label {
			d.label[y] = labels[y] % folds
		}
	}
	seen := make([]int, nl)
	for _, i := range order {
		y := samples[i].not
		if y < 0 {
			y = samples[i].labels[0]
		}
		if d.label != nil {
			d.fold[i] = (d.label[y] + 1 + seen[y]%(folds-1)) % folds
		} else {
			d.fold[i] = seen[y] % folds
		}
		seen[y]++
	}
	return d
}

// appendPairs adds the pairs of one held-out text. A text whose intent had nothing else to learn from says nothing.
func appendPairs(pairs []pair, s *sample, scores []float32, from source) []pair {
	if from == inside && !learnable(s, scores) {
		return pairs
	}
	best := top(scores, pairsEach)
	if from == inside {
		for _, y := range append(s.labels, s.not) {
			if y >= 0 && !slices.Contains(best, y) {
				best = append(best, y)
			}
		}
	}
	sum, least := contestSum(scores)
	for _, y := range best {
		pairs = append(pairs, pair{
			label: y, margin: marginIn(sum, scores[y]-noneTrained, scores[y] >= least), score: scores[y], hit: from == inside && s.has(y), source: from, weight: 1,
		})
	}
	return pairs
}

// learnable reports whether each label of the sample had another one to learn from.
func learnable(s *sample, scores []float32) bool {
	for _, y := range s.labels {
		if scores[y] == negInf {
			return false
		}
	}
	return true
}

// contestSum is Σ exp(score-none) over the scores that count in a contest, and the least of those.
func contestSum(scores []float32) (sum float64, least float32) {
	best := negInf
	for _, s := range scores {
		best = max(best, s)
	}
	least = max(min(contends, best-rivalry), best-window)
	for _, s := range scores {
		if s >= least {
			sum += math.Exp(float64(s - noneTrained))
		}
	}
	return sum, least
}

// marginIn is ln(p/(1-p)) for the share p of a score in a contest: against the sum of those that count and 1 for nobody. One
// that does not count is weighed as if it did, beside the others. over is the score over that of being for nobody.
func marginIn(sum float64, over float32, counts bool) float32 {
	own := math.Exp(float64(over))
	if counts {
		sum -= own
	}
	rest := 1 + max(0, sum)
	return float32(min(marginLimit, max(-marginLimit, float64(over)-math.Log(rest))))
}

// balance weighs the texts of each source of messages for nobody to the share that probabilities assume of it; a text that
// was held out in several draws counts once.
func balance(pairs []pair, draws int) {
	var count [sources]float64
	for i := range pairs {
		count[pairs[i].source]++
	}
	for i := range pairs {
		weight := 1 / float64(draws)
		if from := pairs[i].source; from != inside && count[inside] > 0 {
			weight *= backgroundShare / (1 - backgroundShare) * count[inside] / count[from]
		}
		pairs[i].weight = float32(weight)
	}
}

// calibration maps evidence to ln(p/(1-p)): margin·a + score·b + c.
type calibration struct{ margin, score, bias float64 }

// The calibrations a set starts from, and is pulled to while it has little evidence of its own.
var (
	priorTrained = calibration{margin: 0.6, score: 0.2, bias: -2}
	priorLoose   = calibration{margin: 0.5, score: 0.2, bias: -1}
)

const priorStrength = 4 // weight of the pull, in texts

func (c calibration) logit(margin, score float32) float64 {
	return c.margin*float64(margin) + c.score*float64(score) + c.bias
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// fitCalibration is logistic regression of hit on margin and score with a pull towards prior. Neither slope is negative: more
// evidence never lowers a probability.
func fitCalibration(pairs []pair, prior calibration) calibration {
	r := regression{pairs: pairs, start: [3]float64{prior.margin, prior.score, prior.bias}}
	w := r.minimise()
	for i, slope := range w[:2] {
		if slope < 0 {
			r.start[i], r.fixed[i] = 0, true
			w = r.minimise()
		}
	}
	return calibration{max(0, w[0]), max(0, w[1]), w[2]}
}

// regression is a logistic regression on (margin, score, 1) under way; a fixed weight keeps its start.
type regression struct {
	pairs []pair
	start [3]float64
	fixed [3]bool
}

// pull is the weight of the squared distance from the start, by coordinate: of the spread its evidence usually has.
var pull = [3]float64{priorStrength * 4, priorStrength * 16, priorStrength / 4.0}

// minimise is Newton's method with steps halved until they descend; the loss is strictly convex, so it ends at its minimum.
func (r *regression) minimise() [3]float64 {
	w := r.start
	loss := r.loss(w)
	for range 50 {
		step := r.step(w)
		next, improved := w, false
		for size := 1.0; size > 1e-4 && !improved; size /= 2 {
			for i := range next {
				next[i] = w[i] - size*step[i]
			}
			l := r.loss(next)
			improved = l < loss
			if improved {
				done := loss-l < 1e-9*loss
				w, loss = next, l
				if done {
					return w
				}
			}
		}
		if !improved {
			return w
		}
	}
	return w
}

func (p *pair) at(w [3]float64) float64 {
	return w[0]*float64(p.margin) + w[1]*float64(p.score) + w[2]
}

// loss is -Σ weight · ln P(hit), and the pull.
func (r *regression) loss(w [3]float64) (sum float64) {
	for i := range w {
		sum += 0.5 * pull[i] * (w[i] - r.start[i]) * (w[i] - r.start[i])
	}
	for i := range r.pairs {
		p := &r.pairs[i]
		x := p.at(w)
		if p.hit {
			x = -x
		}
		sum += float64(p.weight) * (max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))) // ln(1+exp x)
	}
	return sum
}

// step is what Newton's method takes from w: the gradient under the inverse Hessian.
func (r *regression) step(w [3]float64) [3]float64 {
	var grad [3]float64
	var hess [3][3]float64
	for i := range 3 {
		grad[i] = pull[i] * (w[i] - r.start[i])
		hess[i][i] = pull[i]
	}
	for i := range r.pairs {
		p := &r.pairs[i]
		x := [3]float64{float64(p.margin), float64(p.score), 1}
		q := sigmoid(p.at(w))
		e := q
		if p.hit {
			e--
		}
		v := q * (1 - q) * float64(p.weight)
		for a := range 3 {
			grad[a] += e * x[a] * float64(p.weight)
			for b := range 3 {
				hess[a][b] += v * x[a] * x[b]
			}
		}
	}
	for i, fixed := range r.fixed {
		if fixed {
			grad[i] = 0
			for j := range 3 {
				hess[i][j], hess[j][i] = 0, 0
			}
			hess[i][i] = 1
		}
	}
	return solve3(hess, grad)
}

// solve3 solves a symmetric positive definite system by elimination.
func solve3(m [3][3]float64, v [3]float64) [3]float64 {
	for i := range 3 {
		for j := i + 1; j < 3; j++ {
			f := m[j][i] / m[i][i]
			for k := i; k < 3; k++ {
				m[j][k] -= f * m[i][k]
			}
			v[j] -= f * v[i]
		}
	}
	for i := 2; i >= 0; i-- {
		for k := i + 1; k < 3; k++ {
			v[i] -= m[i][k] * v[k]
		}
		v[i] /= m[i][i]
	}
	return v
}

// curve counts hits and misses by calibrated logit, in bins of a tenth from -6.4 to 6.4.
type curve struct{ hit, miss [curveBins]float64 }

const (
	curveBins = 128
	curveStep = 0.1
)

func bin(logit float64) int {
	return min(curveBins-1, max(0, int(math.Floor(logit/curveStep))+curveBins/2))
}

func (c *curve) add(logit float64, hit bool, weight float64) {
	if hit {
		c.hit[bin(logit)] += weight
	} else {
		c.miss[bin(logit)] += weight
	}
}

// plus is c and other times scale.
func (c *curve) plus(other *curve, scale float64) *curve {
	out := *c
	for i := range out.hit {
		out.hit[i] += scale * other.hit[i]
		out.miss[i] += scale * other.miss[i]
	}
	return &out
}

func (c *curve) hits() (n float64) {
	for _, h := range c.hit {
		n += h
	}
	return n
}

// limits is where an intent's deliveries begin: sure and, under prefer recall, reached below it, on the probability.
type limits struct{ deliver, sure float64 }

// limit chooses the threshold on the probability. Without a budget it is the one of the best F1, which for calibrated
// probabilities is half that F1 (Z. Lipton, C. Elkan, B. Naryanaswamy, "Optimal thresholding of classifiers to maximize F1
// measure", 2014); few texts tell how good the best is, but hardly where it is. With one it is the lowest that keeps MaxWrong,
// or the highest that keeps MaxMissed, and the preferred of both where they cannot both hold.
func (c *curve) limit(b *semabus.Budget) limits {
	total := c.hits()
	var hit, miss, best float64
	precise, recall := -1, 0
	reached := false
	for i := curveBins - 1; i >= 0; i-- {
		hit += c.hit[i]
		miss += c.miss[i]
		best = max(best, 2*hit/(hit+miss+total))
		if b != nil && b.MaxWrong > 0 && hit > 0 && miss/(hit+miss) <= b.MaxWrong {
			precise = i
		}
		if b != nil && b.MaxMissed > 0 && !reached && total-hit <= b.MaxMissed*total {
			recall, reached = i, true
		}
	}
	if b == nil || b.MaxWrong <= 0 && b.MaxMissed <= 0 {
		return same(max(lowestProbability, best/2))
	}
	tp := edge(precise)
	if precise < 0 {
		tp = 1 - b.MaxWrong
	}
	switch {
	case b.MaxMissed <= 0:
		return same(tp)
	case b.MaxWrong <= 0:
		return same(edge(recall))
	case b.Prefer == semabus.PreferRecall && edge(recall) < tp:
		return limits{deliver: edge(recall), sure: tp}
	default:
		return same(tp)
	}
}

func same(t float64) limits { return limits{t, t} }

// edge is the probability at the lower edge of a bin, at least lowestProbability.
func edge(i int) float64 {
	return max(lowestProbability, sigmoid(float64(i-curveBins/2)*curveStep))
}
