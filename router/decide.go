package router

import (
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

const maxNear = 8 // near misses told

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

// decideMeaning weighs the message's text and vector against the intents, and asks the filters that stand alone.
func (r *Router) decideMeaning(
	ctx context.Context, d *semabus.Decision, s *snapshot, req *Request, only *intent,
) (*semabus.Match, error) {
	sc := borrow()
	defer sc.giveBack()
	q := query{
		features: sc.extract.extract(req.Message.Text), vector: r.vectorOf(req.Vectors, req.Message),
		audience: len(req.Message.Audience) > 0, only: only,
	}
	if len(q.features.hash) > 0 || q.vector != nil {
		// Heads and thresholds are of one space, also those of a set whose fit gave vectors no weight.
		if d.Degraded = q.vector == nil && s.wantsVectors(); !d.Degraded {
			d.Space, d.Tier = r.tier.Space, r.tier.Name
		}
	}
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

// byLogit is the order of candidates across sets: the most probable first, ties by name.
func byLogit(a, b candidate) int {
	switch {
	case a.logit > b.logit:
		return -1
	case a.logit < b.logit:
		return 1
	}
	return strings.Compare(a.head.in.def.intent.Name, b.head.in.def.intent.Name)
}

// conclude writes matches, near misses and margin of the candidates into d.
func (r *Router) conclude(d *semabus.Decision, sc *scratch, q *query, only *intent) (told *semabus.Match) {
	d.Margin = marginOfBest(sc.found)
	slices.SortFunc(sc.found, byLogit)
	groups := map[string]struct{}{}
	for i := range sc.found {
		c := &sc.found[i]
		if c.head.in == only {
			m := c.match()
			m.Example = only.nearest(sc.tell(q))
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
			m.Example = c.head.in.nearest(sc.tell(q))
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
