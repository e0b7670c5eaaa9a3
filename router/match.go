package router

import (
	"context"
	"slices"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
)

// Match ranks the tenant's intents for a text, best first, at most limit (0 = all), without side effect. Filters, audience,
// dispatch and loop guard play no part: it answers what the text means, not who would get it. Reason is MatchMeaning where
// the probability is over the intent's threshold, MissBelowThreshold where it is not. Intents without texts are left out.
func (r *Router) Match(
	ctx context.Context, tenantName, text string, vectors []embed.Vector, limit int,
) ([]semabus.Match, error) {
	s := r.snapshot(tenantName)
	if s == nil {
		return nil, nil
	}
	sc := borrow()
	defer sc.giveBack()
	q := query{features: sc.extract.extract(text), vector: r.vectorOf(vectors, nil), all: true}
	if err := r.collect(ctx, tenantName, s, &q, sc); err != nil {
		return nil, err
	}
	sc.contests(&q, nil)
	slices.SortFunc(sc.found, byLogit)
	if limit > 0 && len(sc.found) > limit {
		sc.found = sc.found[:limit]
	}
	out := make([]semabus.Match, len(sc.found))
	for i := range sc.found {
		c := &sc.found[i]
		c.reason = semabus.MissBelowThreshold
		if c.prob >= c.head.limits.deliver {
			c.reason = semabus.MatchMeaning
		}
		out[i] = c.match()
		out[i].Example = c.head.in.nearest(sc.tell(&q))
	}
	return out, nil
}

// Explain gives one intent's evidence against the message with the reason why it was, or was not, matched — the same that
// [Router.Decide] had. An unknown intent is no error: its reason is MissNotRegistered.
func (r *Router) Explain(ctx context.Context, req *Request, name string) (semabus.Match, error) {
	var in *intent
	s := r.snapshot(req.Tenant)
	if s != nil {
		in, _ = s.intents.get(name)
	}
	if in == nil {
		return semabus.Match{Intent: name, Reason: semabus.MissNotRegistered}, nil
	}
	d, told, err := r.decide(ctx, s, req, in)
	if err != nil {
		return semabus.Match{}, err
	}
	if told != nil {
		return *told, nil
	}
	m := matchOf(in)
	switch {
	case req.Message.To != "":
		m.Reason = semabus.MissAddressed
		for _, o := range append(d.Matches, d.Near...) {
			if o.Group == m.Group {
				m.Reason, m.Probability = o.Reason, o.Probability
			}
		}
	case req.Message.Topic != "":
		m.Reason = semabus.MissAddressed
	default:
		m.Reason = req.laneReason(in, semabus.MissNoEvidence)
	}
	return m, nil
}
