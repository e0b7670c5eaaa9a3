package router

import (
	"cmp"
	"context"
	"slices"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
)

// Request is one message to decide on.
type Request struct {
	Tenant      string
	Message     *semabus.Message
	Vectors     []embed.Vector              // of the message's text, one a tier; none = no vector evidence, Degraded
	GroupTopics func(topic string) []string // groups whose configuration subscribes the topic; nil = none
	Exclude     []string                    // groups barred by the loop guard, unless their intent accepts its own
}

// Decide answers who hears the message. The order is address, topic, audience and filters, evidence: a message with To is
// for that group alone, one with Topic for the topic's subscribers alone, any other for the intents it is over the
// threshold of. A group is matched once, by its best intent. The result depends on the request and the registry only, but
// for At. Errors are those of the vector index.
func (r *Router) Decide(ctx context.Context, req *Request) (*semabus.Decision, error) {
	for tries := 0; ; tries++ {
		s := r.snapshot(req.Tenant)
		d, _, err := r.decide(ctx, s, req, nil)
		if err != nil || tries == maxRetries || !r.overtaken(req.Tenant, s) {
			return d, err
		}
	}
}

// maxRetries bounds how often a decision is made again because the registry changed under it: a decision takes
// microseconds, a change rather more, so that already the second is rare.
const maxRetries = 8

// overtaken reports whether the registry has changed since s, so that the index may have lost vectors that s stands for: a
// change takes those out that the one before replaced.
func (r *Router) overtaken(tenantName string, s *snapshot) bool {
	return s != nil && s.wantsVectors() && r.snapshot(tenantName).version != s.version
}

const (
	maxNear         = 8
	ambiguousMargin = 0.1 // probability between the best two of a task set under which they are too close
)

// decide is Decide; told is the candidate of the intent only, nil where it was none.
func (r *Router) decide(
	ctx context.Context, s *snapshot, req *Request, only *intent,
) (*semabus.Decision, *semabus.Match, error) {
	d := &semabus.Decision{MessageID: req.Message.ID, Outcome: semabus.OutcomeNone, At: r.o.Clock.Now()}
	if s != nil {
		d.RegistryVersion = s.version
	}
	switch {
	case req.Message.To != "":
		decideAddress(d, s, req)
		return d, nil, nil
	case req.Message.Topic != "":
		return d, decideTopic(d, s, req, only), nil
	case s == nil:
		return d, nil, nil
	}
	told, err := r.decideMeaning(ctx, d, s, req, only)
	return d, told, err
}

func decideAddress(d *semabus.Decision, s *snapshot, req *Request) {
	to := req.Message.To
	m := semabus.Match{Group: to, Reason: semabus.MatchAddress, Probability: 1}
	own := false
	if s != nil {
		in, ok := s.intents.get(to)
		own = ok && in.def.intent.AcceptOwn
	}
	switch {
	case strings.HasPrefix(to, "$") || !permitted(req.Message, to):
		m.Reason = semabus.MissNotPermitted
	case !own && slices.Contains(req.Exclude, to):
		m.Reason = semabus.MissLoop
	}
	m.Probability = 1
	settle(d, []semabus.Match{m})
}

func permitted(m *semabus.Message, group string) bool {
	return len(m.Audience) == 0 || slices.Contains(m.Audience, group)
}

// decideTopic matches the subscribers of the message's topic: intents first, then groups by their configuration.
func decideTopic(d *semabus.Decision, s *snapshot, req *Request, only *intent) (told *semabus.Match) {
	var all []semabus.Match
	add := func(in *intent) {
		m := matchOf(in)
		m.Reason, m.Probability = req.laneReason(in, semabus.MatchTopic), 1
		all = append(all, m)
		if in == only {
			told = &m
		}
	}
	if s != nil {
		topicKeys(req.Message.Topic, func(pattern string) {
			list, _ := s.topics.get(pattern)
			for _, in := range list {
				if !slices.ContainsFunc(all, func(m semabus.Match) bool { return m.Intent == in.def.intent.Name }) {
					add(in)
				}
			}
		})
	}
	if req.GroupTopics != nil {
		for _, g := range req.GroupTopics(req.Message.Topic) {
			m := semabus.Match{Group: g, Reason: semabus.MatchTopic, Probability: 1}
			switch {
			case !permitted(req.Message, g):
				m.Reason = semabus.MissNotPermitted
			case slices.Contains(req.Exclude, g):
				m.Reason = semabus.MissLoop
			}
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b semabus.Match) int { return strings.Compare(a.Group, b.Group) })
	settle(d, all)
	return told
}

// laneReason is hit unless audience, filter or loop guard speak against the intent.
func (req *Request) laneReason(in *intent, hit semabus.MatchReason) semabus.MatchReason {
	if !permitted(req.Message, in.def.intent.Group) {
		return semabus.MissNotPermitted
	}
	if ok, _ := in.filter.holds(req.Message); !ok {
		return semabus.MissFiltered
	}
	if req.loops(in) {
		return semabus.MissLoop
	}
	return hit
}

func (req *Request) loops(in *intent) bool {
	return !in.def.intent.AcceptOwn && slices.Contains(req.Exclude, in.def.intent.Group)
}

// settle splits matches, best first, into those that deliver, one a group, and the first that do not.
func settle(d *semabus.Decision, all []semabus.Match) {
	for _, m := range all {
		switch {
		case m.Reason.Delivers():
			if !slices.ContainsFunc(d.Matches, func(o semabus.Match) bool { return o.Group == m.Group }) {
				d.Matches = append(d.Matches, m)
			}
		case len(d.Near) < maxNear:
			d.Near = append(d.Near, m)
		}
	}
	if len(d.Matches) > 0 {
		d.Outcome = semabus.OutcomeMatched
	}
}

// decideMeaning weighs the message's text and vector against the intents, and asks the filters that stand alone.
func (r *Router) decideMeaning(
	ctx context.Context, d *semabus.Decision, s *snapshot, req *Request, only *intent,
) (*semabus.Match, error) {
	sc := borrow()
	defer sc.giveBack()
	q := query{features: sc.extract.extract(req.Message.Text), vector: r.vectorOf(req.Vectors, req.Message), only: only}
	if q.vector != nil {
		d.Space, d.Tier = r.tier.Space, r.tier.Name
	}
	d.Degraded = q.vector == nil && len(q.features.hash) > 0 && s.wantsVectors()
	if err := r.collect(ctx, req.Tenant, s, &q, sc); err != nil {
		return nil, err
	}
	bar := &barrier{req: req, log: r.o.Logger}
	for _, h := range s.filters {
		if c := (contender{head: h, certain: true, reason: bar.reason(h.in)}); c.reason == 0 || h.in == only {
			sc.contenders = append(sc.contenders, c) // one that does not hold says nothing about the message
		}
	}
	sc.contests(&q, bar)
	held := false
	for lo := 0; lo < len(sc.found); {
		hi := lo + 1
		for hi < len(sc.found) && sc.found[hi].head.model.set == sc.found[lo].head.model.set {
			hi++
		}
		list := sc.found[lo:hi]
		held = dispatch(list, s.sets[list[0].head.model.set.name], req) || held
		lo = hi
	}
	told := r.conclude(d, sc, &q, only)
	if held && d.Outcome == semabus.OutcomeNone {
		d.Outcome = semabus.OutcomeAmbiguous
	}
	return told, nil
}

// dispatch gives each candidate of one set, best first, its reason. It reports whether the set holds the message back.
func dispatch(list []candidate, cfg semabus.Set, req *Request) (held bool) {
	var over []*candidate
	for i := range list {
		c := &list[i]
		switch {
		case c.reason != 0:
		case !c.certain && c.prob < c.head.limits.deliver:
			c.reason = semabus.MissBelowThreshold
		case req.loops(c.head.in):
			c.reason = semabus.MissLoop
		default:
			c.reason = semabus.MatchMeaning
			if c.certain {
				c.reason = semabus.MatchFilter
			}
			over = append(over, c)
		}
	}
	if len(over) == 0 {
		return false
	}
	if list[0].head.model.set.solo {
		return false
	}
	if cfg.Dispatch == semabus.DispatchTask {
		return dispatchTask(list, over, cfg)
	}
	limit := cfg.MaxFanout
	if limit <= 0 {
		limit = semabus.MaxFanout
	}
	groups := make([]string, 0, limit)
	for _, c := range over {
		g := c.head.in.def.intent.Group
		switch {
		case slices.Contains(groups, g):
		case len(groups) < limit:
			groups = append(groups, g)
		default:
			c.reason = semabus.MissFanout
		}
	}
	return false
}

// dispatchTask leaves the message to the best group of over; too close a second is for the set's ambiguity policy.
func dispatchTask(list []candidate, over []*candidate, cfg semabus.Set) (held bool) {
	best := over[0]
	group := best.head.in.def.intent.Group
	close := func(c *candidate) bool {
		return c.head.in.def.intent.Group != group && best.prob-c.prob < ambiguousMargin && c.prob >= c.head.limits.deliver/2
	}
	ambiguous := false
	for i := range list {
		c := &list[i]
		if c.reason == semabus.MissBelowThreshold || c.reason.Delivers() {
			ambiguous = ambiguous || close(c)
		}
	}
	hold := ambiguous && cfg.Ambiguity == semabus.AmbiguityHold
	for i := range list {
		c := &list[i]
		near := c.reason == semabus.MissBelowThreshold || c.reason.Delivers()
		switch {
		case !near:
		case hold && (c.head.in.def.intent.Group == group || close(c)):
			c.reason = semabus.MissAmbiguous
		case ambiguous && cfg.Ambiguity == semabus.AmbiguityAll && close(c):
			c.reason = semabus.MatchMeaning
		case c != best && c.reason.Delivers() && c.head.in.def.intent.Group != group:
			c.reason = semabus.MissOutcompeted
		}
	}
	return hold
}

// byLogit is the order of candidates across sets: the most probable first, ties by name.
func byLogit(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.logit, a.logit), strings.Compare(a.head.in.def.intent.Name, b.head.in.def.intent.Name))
}

// conclude writes matches, near misses and margin of the candidates into d.
func (r *Router) conclude(d *semabus.Decision, sc *scratch, q *query, only *intent) (told *semabus.Match) {
	sc.telling = telling(sc.telling[:0], q.features)
	d.Margin = marginOfBest(sc.found)
	slices.SortFunc(sc.found, byLogit)
	groups := map[string]struct{}{}
	for i := range sc.found {
		c := &sc.found[i]
		if c.head.in == only {
			m := c.match()
			m.Example = only.nearest(sc.telling)
			told = &m
		}
		switch {
		case c.reason.Delivers():
			g := c.head.in.def.intent.Group
			if _, twice := groups[g]; twice {
				continue
			}
			groups[g] = struct{}{}
			m := c.match()
			m.Example = c.head.in.nearest(sc.telling)
			d.Matches = append(d.Matches, m)
			d.Doubtful = d.Doubtful || !c.certain && c.prob < c.head.limits.sure
		case len(d.Near) < maxNear && c.prob >= lowestProbability:
			d.Near = append(d.Near, c.match())
		}
	}
	if len(d.Matches) > 0 {
		d.Outcome = semabus.OutcomeMatched
	}
	return told
}

// marginOfBest is the probability of the best candidate minus that of the second best of its set. found is in sets.
func marginOfBest(found []candidate) float64 {
	best := -1
	for i := range found {
		if c := &found[i]; c.reason != semabus.MissNotPermitted && c.reason != semabus.MissFiltered && (best < 0 || c.logit > found[best].logit) {
			best = i
		}
	}
	if best < 0 {
		return 0
	}
	second := 0.0
	for i := range found {
		c := &found[i]
		if i != best && c.head.model.set == found[best].head.model.set &&
			c.reason != semabus.MissNotPermitted && c.reason != semabus.MissFiltered {
			second = max(second, c.prob)
		}
	}
	return found[best].prob - second
}

// matchOf is a match with the intent's names.
func matchOf(in *intent) semabus.Match {
	i := &in.def.intent
	return semabus.Match{Intent: i.Name, Group: i.Group, Set: in.set.name, Version: i.Version}
}

func (c *candidate) match() semabus.Match {
	m := matchOf(c.head.in)
	m.Reason, m.Score, m.Probability, m.Threshold = c.reason, c.logit, c.prob, c.head.limits.deliver
	m.Vector, m.Lexical = float64(c.cosine), float64(c.lexical())
	if c.certain {
		m.Threshold = 0
	}
	return m
}
