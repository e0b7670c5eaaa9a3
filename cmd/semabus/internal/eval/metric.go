package eval

import (
	"cmp"
	"math"
	"slices"
)

// Confidence is how sure the router is of its best intent: the probability first, the raw score where probabilities tie.
type Confidence struct {
	Probability float64
	Score       float64
}

func (c Confidence) compare(o Confidence) int {
	return cmp.Or(cmp.Compare(c.Probability, o.Probability), cmp.Compare(c.Score, o.Score))
}

// Outcome is what became of one message: what it was for, how the router ranked the intents, who received it. Labels are
// those of the data set; Delivered holds one entry a delivery, so two copies of an application give a label twice.
type Outcome struct {
	Gold      []string // empty = out of scope
	Ranked    []string // best first
	Best      Confidence
	Delivered []Receipt
}

// Receipt is one delivery as its subscriber saw it: the label it subscribed for, and which copy of the application it is.
type Receipt struct {
	Label string
	Copy  int
}

// AUROC is P(confidence of an in-scope message > confidence of an out-of-scope one), ties ½ (Mann–Whitney U divided by
// the number of pairs); ok is false when either side is empty.
func AUROC(in, out []Confidence) (auroc float64, ok bool) {
	if len(in) == 0 || len(out) == 0 {
		return 0, false
	}
	type mark struct {
		c  Confidence
		in bool
	}
	all := make([]mark, 0, len(in)+len(out))
	for _, c := range in {
		all = append(all, mark{c, true})
	}
	for _, c := range out {
		all = append(all, mark{c, false})
	}
	slices.SortFunc(all, func(a, b mark) int { return a.c.compare(b.c) })
	var wins, outBelow float64
	for i := 0; i < len(all); {
		var tiedIn, tiedOut float64
		j := i
		for ; j < len(all) && all[j].c == all[i].c; j++ {
			if all[j].in {
				tiedIn++
			} else {
				tiedOut++
			}
		}
		wins += tiedIn * (outBelow + tiedOut/2)
		outBelow += tiedOut
		i = j
	}
	return wins / (float64(len(in)) * float64(len(out))), true
}

// confidences splits the outcomes' confidences into in scope and out of scope.
func confidences(outcomes []Outcome) (in, out []Confidence) {
	for i := range outcomes {
		if len(outcomes[i].Gold) > 0 {
			in = append(in, outcomes[i].Best)
		} else {
			out = append(out, outcomes[i].Best)
		}
	}
	return in, out
}

// Accuracy is the share of in-scope messages whose best-ranked intent is a gold one.
func Accuracy(outcomes []Outcome) (float64, bool) {
	var right, n float64
	for i := range outcomes {
		o := &outcomes[i]
		if len(o.Gold) == 0 {
			continue
		}
		n++
		if o.topIsGold() {
			right++
		}
	}
	return right / n, n > 0
}

func (o *Outcome) topIsGold() bool {
	return len(o.Ranked) > 0 && slices.Contains(o.Gold, o.Ranked[0])
}

// MacroF1 is the mean F1 of the best-ranked intent over the intents present in gold, on in-scope messages.
func MacroF1(outcomes []Outcome) (float64, bool) {
	type count struct{ tp, fp, fn float64 }
	counts := map[string]*count{}
	at := func(label string) *count {
		if counts[label] == nil {
			counts[label] = &count{}
		}
		return counts[label]
	}
	gold := map[string]bool{}
	for i := range outcomes {
		o := &outcomes[i]
		for _, g := range o.Gold {
			gold[g] = true
			if len(o.Ranked) > 0 && o.Ranked[0] == g {
				at(g).tp++
			} else {
				at(g).fn++
			}
		}
		if len(o.Gold) > 0 && len(o.Ranked) > 0 && !o.topIsGold() {
			at(o.Ranked[0]).fp++
		}
	}
	var sum float64
	for g := range gold {
		if c := counts[g]; c.tp > 0 {
			sum += 2 * c.tp / (2*c.tp + c.fp + c.fn)
		}
	}
	return sum / float64(len(gold)), len(gold) > 0
}

// RecallAt is the share of a message's gold intents among the k best, averaged over in-scope messages.
func RecallAt(outcomes []Outcome, k int) (float64, bool) {
	return meanInScope(outcomes, func(o *Outcome) float64 {
		found := 0
		for _, g := range o.Gold {
			if slices.Contains(o.Ranked[:min(k, len(o.Ranked))], g) {
				found++
			}
		}
		return float64(found) / float64(len(o.Gold))
	})
}

// MRR is the mean over in-scope messages of 1 / rank of the first gold intent, 0 where none was ranked.
func MRR(outcomes []Outcome) (float64, bool) {
	return meanInScope(outcomes, func(o *Outcome) float64 {
		for i, label := range o.Ranked {
			if slices.Contains(o.Gold, label) {
				return 1 / float64(i+1)
			}
		}
		return 0
	})
}

func meanInScope(outcomes []Outcome, f func(*Outcome) float64) (float64, bool) {
	var sum, n float64
	for i := range outcomes {
		if len(outcomes[i].Gold) > 0 {
			sum += f(&outcomes[i])
			n++
		}
	}
	return sum / n, n > 0
}

// KeepThreshold is the highest confidence that still keeps at least the given share of the in-scope messages.
func KeepThreshold(valid []Outcome, share float64) (Confidence, bool) {
	in, _ := confidences(valid)
	if len(in) == 0 {
		return Confidence{}, false
	}
	slices.SortFunc(in, func(a, b Confidence) int { return b.compare(a) })
	keep := int(math.Ceil(share*float64(len(in)) - 1e-9)) // 1e-9: 0.95·20 must be 19, not 20
	return in[max(keep, 1)-1], true
}

// AtThreshold gives the in-scope accuracy, a rejected message counting as wrong, and the share of out-of-scope messages
// that are rejected, where confidence ≥ t is accepted. NaN-free: a side without messages is not ok.
func AtThreshold(outcomes []Outcome, t Confidence) (inScope, oosRecall float64, inOK, oosOK bool) {
	var right, in, rejected, out float64
	for i := range outcomes {
		o := &outcomes[i]
		accepted := o.Best.compare(t) >= 0
		switch {
		case len(o.Gold) == 0:
			out++
			if !accepted {
				rejected++
			}
		default:
			in++
			if accepted && o.topIsGold() {
				right++
			}
		}
	}
	return right / in, rejected / out, in > 0, out > 0
}

// Delivery counts the subscribers' view.
type Delivery struct {
	Deliveries int // all
	Right      int // for a gold label
	Pairs      int // gold labels × copies
	InScope    int // messages
	Covered    int // in-scope messages delivered at least once
	OutOfScope int // messages
	Accepted   int // out-of-scope messages delivered
	ByCopy     []int
}

// CountDeliveries pools what the subscribers of all copies received.
func CountDeliveries(outcomes []Outcome, copies int) Delivery {
	d := Delivery{ByCopy: make([]int, copies)}
	for i := range outcomes {
		o := &outcomes[i]
		d.Deliveries += len(o.Delivered)
		d.Pairs += len(o.Gold) * copies
		for _, r := range o.Delivered {
			if slices.Contains(o.Gold, r.Label) {
				d.Right++
				d.ByCopy[r.Copy]++
			}
		}
		reached := len(o.Delivered) > 0
		switch {
		case len(o.Gold) > 0:
			d.InScope++
			if reached {
				d.Covered++
			}
		default:
			d.OutOfScope++
			if reached {
				d.Accepted++
			}
		}
	}
	return d
}
