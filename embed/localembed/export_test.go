package localembed

import "math"

// ExactCosine is the cosine of two texts' features before the projection.
func ExactCosine(a, b string) float64 {
	weights := func(text string) (map[uint64]float64, float64) {
		m, sum := map[uint64]float64{}, 0.0
		features, _ := newExtractor().extract(text)
		for _, f := range features {
			w := float64(f.weight) * math.Sqrt(float64(f.times))
			m[f.hash], sum = w, sum+w*w
		}
		return m, math.Sqrt(sum)
	}
	wa, na := weights(a)
	wb, nb := weights(b)
	dot := 0.0
	for h, w := range wa {
		dot += w * wb[h]
	}
	return dot / (na * nb)
}
