package router

import (
	"slices"
	"strings"

	semabus "github.com/semabus/semabus"
)

// The deterministic lanes: a message with an address or a topic is not weighed.

// decideAddress matches the group that the message names, with or without an intent.
func decideAddress(d *semabus.Decision, s *snapshot, req *Request) {
	to := req.Message.To
	m := semabus.Match{Group: to, Reason: semabus.MatchAddress, Probability: 1}
	switch {
	case strings.HasPrefix(to, "$") || !permitted(req.Message, to):
		m.Reason = semabus.MissNotPermitted
	case slices.Contains(req.Exclude, to) && !s.acceptsOwn(to):
		m.Reason = semabus.MissLoop
	}
	settle(d, []semabus.Match{m})
}

// acceptsOwn reports whether an intent of the group accepts what the group's own deliveries caused.
func (s *snapshot) acceptsOwn(group string) bool {
	if s == nil {
		return false
	}
	for _, p := range s.intents.parts {
		for _, in := range p {
			if in.def.intent.AcceptOwn && in.def.intent.Group == group {
				return true
			}
		}
	}
	return false
}

// permitted reports whether the message's audience includes the group.
func permitted(m *semabus.Message, group string) bool {
	return len(m.Audience) == 0 || slices.Contains(m.Audience, group)
}

// decideTopic matches the subscribers of the message's topic: intents first, then groups by their configuration.
func decideTopic(d *semabus.Decision, s *snapshot, req *Request, only *intent) (told *semabus.Match) {
	var all []semabus.Match
	if s != nil {
		seen := map[*intent]bool{} // an intent may have several patterns that take the topic
		topicKeys(req.Message.Topic, func(pattern string) {
			list, _ := s.topics.get(pattern)
			for _, in := range list {
				if seen[in] {
					continue
				}
				seen[in] = true
				m := matchOf(in)
				m.Reason, m.Probability = req.laneReason(in, semabus.MatchTopic), 1
				all = append(all, m)
				if in == only {
					told = &m
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

// loops reports whether the intent's group must not get the message back.
func (req *Request) loops(in *intent) bool {
	return !in.def.intent.AcceptOwn && slices.Contains(req.Exclude, in.def.intent.Group)
}

// settle splits matches, best first, into those that deliver, one a group, and the first that do not.
func settle(d *semabus.Decision, all []semabus.Match) {
	groups := make(map[string]bool, len(all))
	for _, m := range all {
		switch {
		case m.Reason.Delivers():
			if !groups[m.Group] {
				groups[m.Group] = true
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
