package localembed

import "math"

// A feature's hash picks one coordinate in each of blocks equal parts of the vector, and a sign for it: a sparse
// Johnson–Lindenstrauss transform by block (Kane, Nelson: Sparser Johnson-Lindenstrauss Transforms, 2014, section 1.1).
// Inner products are kept up to noise of standard deviation about 1/√Dim.
const (
	blocks    = 4
	blockSize = Dim / blocks
	blockBits = 7 // of a hash, for each block: 6 of place, 1 of sign
)

// project writes the features' projection of unit length, or zeros where there is no feature. Additions are made in the
// order of the features, and products are rounded before they are added, so every machine computes the same bits.
func project(features []feature, out *[Dim]float32) {
	clear(out[:])
	for i := range features {
		f := &features[i]
		v := f.weight
		if f.times > 1 {
			v *= float32(math.Sqrt(float64(f.times)))
		}
		signed := [2]float32{v, -v}
		h := f.hash
		for b := 0; b < Dim; b += blockSize {
			out[b+int(h&(blockSize-1))] += signed[h>>(blockBits-1)&1]
			h >>= blockBits
		}
	}
	scale(out)
}

// scale makes out a vector of unit length, or of zeros where its length is nothing.
func scale(out *[Dim]float32) {
	var sum float64
	for _, v := range out {
		sum += float64(float64(v) * float64(v))
	}
	if sum == 0 {
		return
	}
	inv := float32(1 / math.Sqrt(sum))
	for i := range out {
		out[i] *= inv
	}
}
