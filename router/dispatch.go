package router

import (
	"slices"

	semabus "github.com/semabus/semabus"
)

// ambiguousMargin is the probability between the best two of a task set under which they are too close.
const ambiguousMargin = 0.1

// dispatch gives each candidate of one set, best first, its reason. It reports whether the set holds the message back.
func dispatch(list []candidate, cfg semabus.Set, req *Request) (held bool) {
	var over []*candidate
	for i := range list {
		c := &list[i]
		switch {
		case c.reason != 0:
		case req.loops(c.head.in) && c.prob >= c.head.limits.deliver:
			c.reason = semabus.MissLoop
		case c.certain:
			c.reason = semabus.MatchFilter
		case c.prob >= c.head.limits.deliver:
			c.reason = semabus.MatchMeaning
		default:
			c.reason = semabus.MissBelowThreshold
		}
		if c.reason.Delivers() {
			over = append(over, c)
		}
	}
	if len(over) == 0 || list[0].head.model.set.solo {
		return false
	}
	if cfg.Dispatch == semabus.DispatchTask {
		held = dispatchTask(list, over[0], cfg.Ambiguity, req)
	}
	limitFanout(list, cfg.MaxFanout)
	return held
}

// limitFanout cuts the groups of a set off behind the best limit (0 = the default).
func limitFanout(list []candidate, limit int) {
	if limit <= 0 {
		limit = semabus.MaxFanout
	}
	var groups []string
	for i := range list {
		c := &list[i]
		if !c.reason.Delivers() || slices.Contains(groups, c.group()) {
			continue
		}
		if len(groups) == limit {
			c.reason = semabus.MissFanout
			continue
		}
		groups = append(groups, c.group())
	}
}

// dispatchTask leaves the message to the group of best, the most probable that is over its threshold; another group that is
// too close to it is for the set's ambiguity policy. It reports whether the message is held back.
func dispatchTask(list []candidate, best *candidate, policy semabus.AmbiguityPolicy, req *Request) (held bool) {
	ambiguous := false
	for i := range list {
		ambiguous = ambiguous || list[i].rivals(best, req)
	}
	held = ambiguous && policy == semabus.AmbiguityHold
	for i := range list {
		c := &list[i]
		winner := c.group() == best.group()
		switch rival := ambiguous && c.rivals(best, req); {
		case held && (rival || winner && c.reason.Delivers()):
			c.reason = semabus.MissAmbiguous
		case rival && policy == semabus.AmbiguityAll:
			if !c.reason.Delivers() {
				c.reason = semabus.MatchMeaning
			}
		case !winner && c.reason.Delivers():
			c.reason = semabus.MissOutcompeted
		}
	}
	return held
}

// rivals reports whether c is of another group than best and too close to it. It may be a little under its own threshold, for
// the doubt is about which of them is meant; what its audience, filter or the loop guard bars is in no doubt.
func (c *candidate) rivals(best *candidate, req *Request) bool {
	return (c.reason == semabus.MissBelowThreshold || c.reason.Delivers()) && !req.loops(c.head.in) && c.group() != best.group() &&
		best.prob-c.prob < ambiguousMargin && c.prob >= c.head.limits.deliver/2
}

func (c *candidate) group() string { return c.head.in.def.intent.Group }
