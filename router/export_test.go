package router

import (
	"math"
	"slices"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
)

// BackgroundTexts is the background sample as the router reads it.
var BackgroundTexts = backgroundTexts

// BackgroundFiles are the files it is read from, by language.
var BackgroundFiles = map[string]string{"en": backgroundEnglish, "zh": backgroundChinese}

// WholeScan is what [Router.Match] would answer if it looked at every intent of the tenant by itself: no posting lists, no
// index, no candidates. The probability of each intent that takes part in its set's contest, by name.
func (r *Router) WholeScan(tenantName, text string, vectors []embed.Vector) map[string]float64 {
	s := r.snapshot(tenantName)
	q := r.vectorOf(vectors, nil)
	f := newExtractor().extract(text)
	cosines := s.wholeCosines(q)
	sc := &scratch{}
	sc.weigh(s.frequency, f)
	var all []contender
	for i, views := range [...][]*view{s.trained, s.loose} {
		values := [...][]float32{f.value, sc.rare}[i]
		for _, v := range views {
			for slot, h := range v.slots {
				if v.isDead(uint32(slot)) {
					continue
				}
				c := contender{head: h, cosine: cosines[h.in.id]}
				for j, key := range f.hash { // the same order of additions
					if at, ok := slices.BinarySearch(v.keys, key); ok {
						for _, p := range v.posts[v.start[at]:v.start[at+1]] {
							if int(p.slot) == slot {
								c.score += values[j] * p.weight
							}
						}
					}
				}
				if h.model.vector > 0 && c.cosine > 0 {
					c.score += h.model.vector * vectorEvidence(c.cosine)
				} else {
					c.cosine = 0
				}
				all = append(all, c)
			}
		}
	}
	out := map[string]float64{}
	for i := range all {
		if p, plays := wholeProbability(&all[i], all); plays {
			out[all[i].head.in.def.intent.Name] = p
		}
	}
	return out
}

// wholeProbability is a contender's probability in the contest of its set; told is false where it is too far behind.
func wholeProbability(c *contender, all []contender) (p float64, told bool) {
	best, sum := negInf, 0.0
	for _, o := range all {
		if o.head.model.set == c.head.model.set {
			best = max(best, o.over())
		}
	}
	counts := func(o *contender) bool {
		return o.score >= o.head.model.lowest && (o.score >= contends || o.over() >= best-rivalry) && o.over() >= best-window
	}
	for i := range all {
		if o := &all[i]; o.head.model.set == c.head.model.set && counts(o) {
			sum += math.Exp(float64(o.over()))
		}
	}
	p = sigmoid(c.head.model.calibration.logit(marginIn(sum, c.over(), counts(c)), c.score))
	return p, c.over() >= best-window && c.score >= c.head.model.lowest
}

func (s *snapshot) wholeCosines(q []float32) map[uint64]float32 {
	out := map[uint64]float32{}
	if q == nil {
		return out
	}
	for _, p := range s.intents.parts {
		for _, in := range p {
			if c := embed.Dot(q, in.vector); in.vector != nil && c >= vectorFloor {
				out[in.id] = c
			}
		}
	}
	return out
}

// CompileFilter is for fuzzing; held is what the filter says of the message.
func CompileFilter(source string, m *semabus.Message) (held bool, err error) {
	f, err := compileFilter(source)
	if err != nil {
		return false, err
	}
	held, _ = f.holds(m)
	return held, nil
}

// Features are a text's features and their values.
func Features(text string) (hashes []uint32, values []float32) {
	v := newExtractor().extract(text)
	return v.hash, v.value
}

// Extractor lets one extractor be used for several texts.
type Extractor struct{ x *extractor }

// NewExtractor makes one.
func NewExtractor() Extractor { return Extractor{newExtractor()} }

// Extract returns copies.
func (e Extractor) Extract(text string) (hashes []uint32, values []float32) {
	v := e.x.extract(text)
	return slices.Clone(v.hash), slices.Clone(v.value)
}

// TopicKeys lists the patterns that take a topic.
func TopicKeys(topic string) (keys []string) {
	topicKeys(topic, func(k string) { keys = append(keys, k) })
	return keys
}

// Bounds of the features.
const (
	MaxFeatures  = maxFeatures
	MaxScanBytes = maxScanBytes
)
