package router

import (
	"cmp"
	"log/slog"
	"math"
	"slices"
	"strings"

	semabus "github.com/semabus/semabus"
)

// A contest is one set's: its contenders share the message among themselves and with nobody. Scores are taken against the
// score of being for nobody, so 0 is as likely as not; an intent's margin is how far it is ahead of the log-sum-exp of the
// others and of nobody, the logit of a softmax.

// contender is an intent that takes part in its set's contest.
type contender struct {
	head    *head
	score   float32
	cosine  float32             // 0 where the index did not return the intent
	certain bool                // a filter alone decides, and it held
	reason  semabus.MatchReason // why it is barred, 0 = it is not
}

// over is the score against that of being for nobody.
func (c *contender) over() float32 { return c.score - c.head.model.none() }

// lexical is the score without the vector's share.
func (c *contender) lexical() float32 {
	if c.certain {
		return 0
	}
	return c.score - c.head.model.vector*vectorEvidence(c.cosine)
}

// part is contenders[lo:hi] of one set in one view.
type part struct {
	set    *set
	lo, hi int
}

// candidate is a contender with a probability worth telling.
type candidate struct {
	contender
	logit float64 // calibrated ln(p/(1-p))
	prob  float64
}

const certainLogit = 40 // stands for probability 1

// contests turns sc.contenders into candidates, those of one set side by side and best first. For a message, bar says which
// contenders may not have it; such take no part, but are candidates if they would be without the bar.
func (sc *scratch) contests(q *query, bar *barrier) {
	list := sc.group()
	for lo := 0; lo < len(list); {
		hi := lo + 1
		for hi < len(list) && list[hi].head.model.set == list[lo].head.model.set {
			hi++
		}
		sc.contest(list[lo:hi], q, bar)
		lo = hi
	}
}

// group brings the contenders of one set together. They mostly are: views keep the slots of a set side by side, and most
// sets have one view.
func (sc *scratch) group() []contender {
	sc.parts = sc.parts[:0]
	sorted := true
	for i := range sc.contenders {
		s := sc.contenders[i].head.model.set
		if n := len(sc.parts); n > 0 && sc.parts[n-1].set == s {
			sc.parts[n-1].hi++
			continue
		} else if n > 0 && sc.parts[n-1].set.order >= s.order {
			sorted = false
		}
		sc.parts = append(sc.parts, part{s, i, i + 1})
	}
	if sorted {
		return sc.contenders
	}
	slices.SortFunc(sc.parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.set.order, b.set.order), cmp.Compare(a.lo, b.lo))
	})
	sc.grouped = sc.grouped[:0]
	for _, p := range sc.parts {
		sc.grouped = append(sc.grouped, sc.contenders[p.lo:p.hi]...)
	}
	return sc.grouped
}

// contest appends one set's candidates to sc.found: the best, and who else is near its threshold.
func (sc *scratch) contest(list []contender, q *query, bar *barrier) {
	best := bar.apply(list, q.only)
	var sum float64
	for i := range list {
		if c := &list[i]; c.plays(best) {
			sum += math.Exp(float64(c.over()))
		}
	}
	total, from := math.Log1p(sum), len(sc.found)
	for i := range list {
		c := &list[i]
		asked := q.all || c.head.in == q.only || c.reason == 0 && c.over() == best
		switch {
		case c.certain:
			sc.found = append(sc.found, candidate{*c, certainLogit, 1})
		case asked || c.mayTell(best, total):
			logit := c.head.model.calibration.logit(marginIn(sum, c.over(), c.plays(best)), c.score)
			if asked || logit >= c.head.told {
				sc.found = append(sc.found, candidate{*c, logit, sigmoid(logit)})
			}
		}
	}
	slices.SortFunc(sc.found[from:], byLogit)
}

// plays reports whether the contender counts against the others, given the best score in the contest.
func (c *contender) plays(best float32) bool {
	return c.reason == 0 && !c.certain && c.score >= c.head.model.lowest &&
		(c.score >= contends || c.over() >= best-rivalry) && c.over() >= best-window
}

// mayTell is false where the contender surely is not told. Without logarithms: for a share p of at most 1/e the margin
// ln p - ln(1-p) is at most ln p + 0.46.
func (c *contender) mayTell(best float32, total float64) bool {
	if c.reason == 0 && c.over() < best-window {
		return false
	}
	x := float64(c.over()) - total
	return x > -1 || c.head.model.calibration.logit(float32(x+0.46), c.score) >= c.head.told
}

// barrier says who may have a message; nil lets everybody have it.
type barrier struct {
	req *Request
	log *slog.Logger
}

// apply sets the reason of contenders that may not have the message and returns the best score of the others, over that of
// being for nobody. A filter is only evaluated where its answer matters: from the best down, as far as intents play.
func (b *barrier) apply(list []contender, only *intent) (best float32) {
	best = negInf
	if !b.bars(list) {
		for i := range list {
			if !list[i].certain {
				best = max(best, list[i].over())
			}
		}
		return best
	}
	slices.SortFunc(list, func(x, y contender) int {
		return cmp.Or(cmp.Compare(y.over(), x.over()), strings.Compare(x.head.in.def.intent.Name, y.head.in.def.intent.Name))
	})
	for i := range list {
		c := &list[i]
		if c.certain {
			continue // its filter held already
		}
		if c.over() >= best-window || c.head.in == only {
			c.reason = b.reason(c.head.in)
		}
		if c.reason == 0 {
			best = max(best, c.over())
		}
	}
	return best
}

// bars reports whether any contender can be barred.
func (b *barrier) bars(list []contender) bool {
	if b == nil {
		return false
	}
	if len(b.req.Message.Audience) > 0 {
		return true
	}
	for i := range list {
		if list[i].head.in.filter != nil && !list[i].certain {
			return true
		}
	}
	return false
}

// reason is why the intent may not have the message; 0 = it may.
func (b *barrier) reason(in *intent) semabus.MatchReason {
	if !permitted(b.req.Message, in.def.intent.Group) {
		return semabus.MissNotPermitted
	}
	ok, err := in.filter.holds(b.req.Message)
	if err != nil {
		b.log.Debug("filter failed", slog.String("intent", in.def.intent.Name), slog.Any("error", err))
	}
	if !ok {
		return semabus.MissFiltered
	}
	return 0
}
