package router

import (
	"math"
	"math/rand/v2"
)

// sample is one registered text of a set on its way into the fit: features as local numbers, values of unit norm, and the
// labels (intents) it was registered for, rising.
type sample struct {
	feats  []int32
	vals   []float32
	labels []int32
	not    int32 // a counter-example of this label, which then has no labels; -1 = an example
}

func (s *sample) has(label int32) bool {
	for _, l := range s.labels {
		if l == label {
			return true
		}
	}
	return false
}

// linear is the scorer of a set: one weight a feature and label. It starts from each label's centroid under inverse
// document frequencies and learns what that gets wrong: multinomial logistic regression over the nearest labels of each
// sample, the sample itself left out of its own centroid, by Adagrad with one step size a feature (J. Duchi, E. Hazan,
// Y. Singer, "Adaptive subgradient methods", JMLR 12, 2011). Left-out centroids keep the start from hiding the errors that
// the regression has to learn from; nearest labels alone make an epoch's cost independent of the number of labels.
type linear struct {
	nf, nl int
	w      []float32 // nf rows of nl, what was learned
	c      []float32 // nf rows of nl, centroids
	idf    []float32 // folded into values while fitting, into weights afterwards
	g      []float32 // squared gradients a feature
	count  []float32 // samples a label

	sparse rows // what score and choose read: the centroids while fitting, the folded weights afterwards

	vals []float32   // scaled values of the samples in use, one after another
	near [][]int32   // labels each sample is compared with
	base [][]float32 // left-out centroid scores of those labels
}

const (
	nearLabels   = 12   // labels a sample is compared with
	minError     = 1e-3 // smaller errors are not propagated
	fewEpochs    = 6
	manyEpochs   = 4
	manySamples  = 40 // samples a label from which fewer epochs and a larger step do
	fewStep      = 0.3
	manyStep     = 0.45
	maxCentroid  = 30 // scale of the centroid's cosine at ten samples a label, in logits
	minCentroid  = 8
	maxDenseFits = 24 << 20 // weights of one fit (96 MiB); beyond it rare features are left out
)

func newLinear(nf, nl int) *linear {
	return &linear{
		nf: nf, nl: nl, w: make([]float32, nf*nl), c: make([]float32, nf*nl),
		idf: make([]float32, nf), g: make([]float32, nf), count: make([]float32, nl),
	}
}

// fit learns from the samples numbered in use. The result depends on its arguments only.
func (l *linear) fit(samples []sample, use []int32) {
	clear(l.w)
	clear(l.c)
	clear(l.g)
	clear(l.count)
	l.weigh(samples, use)
	l.centre(samples, use)
	present := float32(0)
	for _, n := range l.count {
		if n > 0 {
			present++
		}
	}
	if present < 2 {
		l.fold(maxCentroid)
		return
	}
	mean := float64(len(use)) / float64(present)
	scale := float32(min(maxCentroid, max(minCentroid, maxCentroid*math.Sqrt(10/max(mean, 1)))))
	l.sparse.fill(l.c, l.nl)
	l.choose(samples, use, scale)
	epochs, step := fewEpochs, float32(fewStep)
	if mean >= manySamples {
		epochs, step = manyEpochs, manyStep
	}
	order := make([]int32, len(use))
	for i := range order {
		order[i] = int32(i)
	}
	rng := rand.New(rand.NewPCG(1, uint64(len(use))))
	offset := offsets(samples, use)
	for range epochs {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			s := &samples[use[i]]
			l.step(s, l.vals[offset[i]:offset[i]+len(s.feats)], int(i), step)
		}
	}
	l.fold(scale)
}

func offsets(samples []sample, use []int32) []int {
	out, n := make([]int, len(use)), 0
	for i, u := range use {
		out[i] = n
		n += len(samples[u].feats)
	}
	return out
}

// weigh sets inverse document frequencies and the samples' values under them, of norm 1 on average.
func (l *linear) weigh(samples []sample, use []int32) {
	clear(l.idf)
	total := 0
	for _, u := range use {
		for _, f := range samples[u].feats {
			l.idf[f]++
		}
		total += len(samples[u].feats)
	}
	for f, n := range l.idf {
		l.idf[f] = float32(math.Log((1+float64(len(use)))/(1+float64(n))) + 1)
	}
	l.vals = l.vals[:0]
	var norm float64
	for _, u := range use {
		s := &samples[u]
		var sum float64
		for j, f := range s.feats {
			v := s.vals[j] * l.idf[f]
			l.vals = append(l.vals, v)
			sum += float64(v * v)
		}
		norm += math.Sqrt(sum)
	}
	if norm == 0 {
		return
	}
	inv := float32(float64(len(use)) / norm)
	for f := range l.idf {
		l.idf[f] *= inv
	}
	for i := range l.vals {
		l.vals[i] *= inv
	}
}

// centre sets the labels' centroids.
func (l *linear) centre(samples []sample, use []int32) {
	at := 0
	for _, u := range use {
		s := &samples[u]
		for _, y := range s.labels {
			l.count[y]++
			for j, f := range s.feats {
				l.c[int(f)*l.nl+int(y)] += l.vals[at+j]
			}
		}
		at += len(s.feats)
	}
	inv := make([]float32, l.nl)
	for y, n := range l.count {
		inv[y] = 1 / max(n, 1)
	}
	for f := range l.nf {
		row := l.c[f*l.nl : (f+1)*l.nl]
		for y, v := range row {
			if v != 0 {
				row[y] = v * inv[y]
			}
		}
	}
}

// choose picks the labels each sample is compared with, its own among them, and their scores without the sample.
func (l *linear) choose(samples []sample, use []int32, scale float32) {
	l.near, l.base = make([][]int32, len(use)), make([][]float32, len(use))
	scores := make([]float32, l.nl)
	at := 0
	for i, u := range use {
		s := &samples[u]
		vals := l.vals[at : at+len(s.feats)]
		at += len(s.feats)
		var self float32
		clear(scores)
		for j, f := range s.feats {
			self += vals[j] * vals[j]
			l.sparse.add(f, vals[j], scores)
		}
		for y, n := range l.count {
			if n == 0 {
				scores[y] = negInf
			}
		}
		var not float32
		if s.not >= 0 { // the label it must not be is compared whatever its score
			not, scores[s.not] = scores[s.not], math.MaxFloat32
		}
		own := make([]float32, len(s.labels))
		for k, y := range s.labels {
			n := l.count[y]
			own[k] = 0
			if n > 1 {
				own[k] = (scores[y]*n - self) / (n - 1)
			}
			scores[y] = math.MaxFloat32
		}
		near := top(scores, max(nearLabels, len(s.labels)+4))
		base := make([]float32, len(near))
		for k, y := range near {
			base[k] = scale * scores[y]
			if y == s.not {
				base[k] = scale * not
			}
			for m, o := range s.labels {
				if o == y {
					base[k] = scale * own[m]
				}
			}
		}
		l.near[i], l.base[i] = near, base
	}
}

var negInf = float32(math.Inf(-1))

func axpy(a float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += a * v
	}
}

// step learns from one sample.
func (l *linear) step(s *sample, vals []float32, i int, rate float32) {
	near := l.near[i]
	var buf [64]float32
	p := append(buf[:0], l.base[i]...)
	for j, f := range s.feats {
		row, v := l.w[int(f)*l.nl:int(f)*l.nl+l.nl], vals[j]
		for k, y := range near {
			p[k] += row[y] * v
		}
	}
	softmax(p)
	l.errors(s, near, p)
	var labels [64]int32
	n, energy := 0, float32(0)
	for k, y := range near {
		e := p[k]
		if (e > minError || e < -minError) && n < len(labels) {
			p[n], labels[n] = e, y
			energy += e * e
			n++
		}
	}
	if n == 0 {
		return
	}
	for j, f := range s.feats {
		row, v := l.w[int(f)*l.nl:int(f)*l.nl+l.nl], vals[j]
		l.g[f] += energy * v * v
		d := rate * v / float32(math.Sqrt(float64(l.g[f])+1e-8))
		for k, y := range labels[:n] {
			row[y] -= d * p[k]
		}
	}
}

// errors turns probabilities into the gradient of the loss: -ln p of an example's labels in equal shares, -ln(1-p) of the
// label that a counter-example must not get.
func (l *linear) errors(s *sample, near []int32, p []float32) {
	if s.not < 0 {
		target := 1 / float32(len(s.labels))
		for k, y := range near {
			if s.has(y) {
				p[k] -= target
			}
		}
		return
	}
	var wrong float32
	for k, y := range near {
		if y == s.not {
			wrong = p[k]
		}
	}
	share := wrong / max(1-wrong, 1e-3)
	for k, y := range near {
		if y == s.not {
			p[k] = wrong
		} else {
			p[k] *= -share
		}
	}
}

// fold adds the centroids to what was learned and turns the sum into weights for plain values.
func (l *linear) fold(scale float32) {
	for f, idf := range l.idf {
		row, c := l.w[f*l.nl:(f+1)*l.nl], l.c[f*l.nl:(f+1)*l.nl]
		for y := range row {
			row[y] = (row[y] + scale*c[y]) * idf
		}
	}
	l.sparse.fill(l.w, l.nl)
}

// rows is a matrix of which most is zero: with many labels a feature belongs to few of them.
type rows struct {
	nl    int
	dense []float32 // the matrix itself, where too little of it is zero; nil = the fields below
	start []int32   // row f is label and value [start[f]:start[f+1]]
	label []int32
	value []float32
}

const sparseShare = 4 // a matrix of which less than one in sparseShare is not zero is kept sparse

func (r *rows) fill(m []float32, nl int) {
	n := 0
	for _, x := range m {
		if x != 0 {
			n++
		}
	}
	if r.nl, r.dense = nl, nil; n*sparseShare > len(m) {
		r.dense = m
		return
	}
	r.start, r.label, r.value = append(r.start[:0], 0), r.label[:0], r.value[:0]
	for f := 0; f < len(m); f += nl {
		for y, x := range m[f : f+nl] {
			if x != 0 {
				r.label, r.value = append(r.label, int32(y)), append(r.value, x)
			}
		}
		r.start = append(r.start, int32(len(r.label)))
	}
}

// add adds a times row f to out.
func (r *rows) add(f int32, a float32, out []float32) {
	if r.dense != nil {
		axpy(a, r.dense[int(f)*r.nl:int(f)*r.nl+r.nl], out)
		return
	}
	lo, hi := r.start[f], r.start[f+1]
	value := r.value[lo:hi]
	for i, y := range r.label[lo:hi] {
		out[y] += a * value[i]
	}
}

// score writes the score of each label; labels without a sample get negInf.
func (l *linear) score(s *sample, out []float32) {
	clear(out)
	for j, f := range s.feats {
		l.sparse.add(f, s.vals[j], out)
	}
	for y, n := range l.count {
		if n == 0 {
			out[y] = negInf
		}
	}
}

// top lists the k best labels, best first, ties by number; labels at negInf are left out.
func top(scores []float32, k int) []int32 {
	out := make([]int32, 0, k)
	for y, s := range scores {
		n := len(out)
		if s == negInf || n == k && s <= scores[out[n-1]] {
			continue
		}
		if n < k {
			out = append(out, 0)
			n++
		}
		i := n - 1
		for ; i > 0 && scores[out[i-1]] < s; i-- {
			out[i] = out[i-1]
		}
		out[i] = int32(y)
	}
	return out
}

func softmax(p []float32) {
	m := p[0]
	for _, x := range p {
		m = max(m, x)
	}
	var sum float32
	for i, x := range p {
		p[i] = float32(math.Exp(float64(x - m)))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
}
