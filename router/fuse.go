package router

import (
	"context"
	"math"

	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
)

// What the vector evidence of a fitted set weighs beside the lexical one is chosen on held-out texts, and is nothing where it
// does not help: an embedding that only knows the words of a text adds little to a scorer that has learned them.

var fusedWeights = [...]float32{1, 2, 4, 8, 16} // tried beside none

const (
	trials    = 400     // held-out texts the weight is chosen on; fewer where there are many labels
	trialSums = 1 << 19 // dot products that may be spent on them
	leastGain = 0.02    // share of the loss that vectors must save
)

// trial is one held-out text with both kinds of evidence for each label.
type trial struct {
	labels  []int32 // it was registered for; none = it stands for a message for nobody
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

// bestWeight is the weight of least loss over the trials, 0 unless it saves enough.
func bestWeight(list []trial) (best float32) {
	least := (1 - leastGain) * trialLoss(list, 0)
	for _, w := range fusedWeights {
		if loss := trialLoss(list, w); loss < least {
			best, least = w, loss
		}
	}
	return best
}

// trialLoss is the mean of -ln(share of what is right), messages for nobody weighted to their share.
func trialLoss(list []trial, weight float32) float64 {
	var inside, outside, nIn, nOut float64
	for i := range list {
		t := &list[i]
		scores := append([]float32(nil), t.scores...)
		fuse(scores, t.cosines, weight)
		total := logTotal(scores)
		if len(t.labels) == 0 {
			outside, nOut = outside+total, nOut+1
			continue
		}
		share := 1e-6 // bounds what one text can cost
		for _, y := range t.labels {
			share += math.Exp(float64(scores[y]-noneTrained) - total)
		}
		inside, nIn = inside-math.Log(share), nIn+1
	}
	return (1-backgroundShare)*inside/max(1, nIn) + backgroundShare*outside/max(1, nOut)
}
