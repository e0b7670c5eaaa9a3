package router

import (
	"context"
	"math"
	"slices"

	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
)

// What the vector evidence of a fitted set weighs beside the lexical one is chosen on held-out texts, and is nothing where it
// does not help: an embedding that only knows the words of a text adds little to a scorer that has learned them.

var fusedWeights = [...]float32{2, 4, 8, 16} // tried beside none

const (
	trials    = 400     // held-out texts the weight is chosen on; fewer where there are many labels
	trialSums = 1 << 19 // dot products that may be spent on them
	leastGain = 0.03    // share of them that vectors must set right
)

// trial is one held-out text with both kinds of evidence for each label.
type trial struct {
	labels  []int32 // it was registered for
	scores  []float32
	cosines []float32
}

// everyTrial says that each so manieth sample is a trial.
func (f *setFit) everyTrial() int {
	n := min(trials, max(50, trialSums/max(1, len(f.members))))
	return max(1, len(f.samples)/n)
}

// embedSamples adds the samples' vectors.
func (f *setFit) embedSamples(ctx context.Context, e *embed.Embedder) error {
	all, err := e.Embed(ctx, f.texts, embeddriver.Passage)
	if err != nil {
		return err
	}
	f.vectors = make([][]float32, len(all))
	for i, tiers := range all {
		f.vectors[i] = tiers[0].Values
	}
	return nil
}

// centroids are the unit vectors between the samples in use, one a label; nil for a label without any.
func (f *setFit) centroids(use []int32) [][]float32 {
	out := make([][]float32, len(f.members))
	for _, u := range use {
		for _, y := range f.samples[u].labels {
			if out[y] == nil {
				out[y] = make([]float32, len(f.vectors[u]))
			}
			axpy(1, f.vectors[u], out[y])
		}
	}
	for y := range out {
		out[y] = unit(out[y])
	}
	return out
}

// cosines of a vector with the centroids, as the index would give them: nothing under its floor.
func cosines(v []float32, centroids [][]float32) []float32 {
	out := make([]float32, len(centroids))
	for y, c := range centroids {
		if x := embed.Dot(v, c); x >= vectorFloor {
			out[y] = x
		}
	}
	return out
}

// fuse adds weighted vector evidence to scores.
func fuse(scores, cosines []float32, weight float32) {
	for y, c := range cosines {
		scores[y] += weight * vectorEvidence(c)
	}
}

// bestWeight is the weight that ranks most trials right, 0 unless it is clearly better: scores of two kinds of evidence differ
// in scale, which calibration sees to, so that only their order is compared.
func bestWeight(list []trial) (best float32) {
	most := rankedRight(list, 0) + int(math.Ceil(leastGain*float64(len(list))))
	for _, w := range fusedWeights {
		if right := rankedRight(list, w); right > most {
			best, most = w, right
		}
	}
	return best
}

// rankedRight counts the trials whose best label is one of theirs.
func rankedRight(list []trial, weight float32) (right int) {
	for i := range list {
		t := &list[i]
		best, at := negInf, int32(-1)
		for y, s := range t.scores {
			if s += weight * vectorEvidence(t.cosines[y]); s > best {
				best, at = s, int32(y)
			}
		}
		if slices.Contains(t.labels, at) {
			right++
		}
	}
	return right
}
