package api

import (
	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

func (f *fields) intent(in *semabusv1.Intent) semabus.Intent {
	if in == nil {
		f.err = invalid(semabus.ReasonRequired, "intent", "", "", "give the intent")
		return semabus.Intent{}
	}
	out := semabus.Intent{
		Name: in.Name, Description: in.Description, Examples: in.Examples, CounterExamples: in.CounterExamples,
		Filter: in.Filter, Topics: in.Topics, Group: in.Group, Set: in.Set, Independent: in.Independent,
		AcceptOwn: in.AcceptOwn, Attributes: in.Attributes,
	}
	if b := in.Budget; b != nil {
		prefer := f.enum("intent.budget.prefer", int32(b.Prefer), int32(semabusv1.Prefer_PREFER_RECALL))
		out.Budget = &semabus.Budget{MaxWrong: b.MaxWrong, MaxMissed: b.MaxMissed, Prefer: semabus.Prefer(max(0, prefer-1))}
	}
	return out
}

func fromIntent(in *semabus.Intent) *semabusv1.Intent {
	out := &semabusv1.Intent{
		Name: in.Name, Description: in.Description, Examples: in.Examples, CounterExamples: in.CounterExamples,
		Filter: in.Filter, Topics: in.Topics, Group: in.Group, Set: in.Set, Independent: in.Independent,
		AcceptOwn: in.AcceptOwn, Attributes: in.Attributes, Version: in.Version, UpdateTime: stamp(in.UpdatedAt), UpdatedBy: in.UpdatedBy,
	}
	if b := in.Budget; b != nil {
		out.Budget = &semabusv1.Budget{MaxWrong: b.MaxWrong, MaxMissed: b.MaxMissed, Prefer: semabusv1.Prefer(b.Prefer) + 1}
	}
	return out
}

func (f *fields) set(in *semabusv1.Set) semabus.Set {
	if in == nil {
		f.err = invalid(semabus.ReasonRequired, "set", "", "", "give the set")
		return semabus.Set{}
	}
	dispatch := f.enum("set.dispatch", int32(in.Dispatch), int32(semabusv1.Dispatch_DISPATCH_TASK))
	ambiguity := f.enum("set.ambiguity", int32(in.Ambiguity), int32(semabusv1.AmbiguityPolicy_AMBIGUITY_POLICY_HOLD))
	return semabus.Set{Name: in.Name, Dispatch: semabus.Dispatch(max(0, dispatch-1)),
		Ambiguity: semabus.AmbiguityPolicy(max(0, ambiguity-1)), MaxFanout: count(in.MaxFanout)}
}

func fromSet(s semabus.Set) *semabusv1.Set {
	return &semabusv1.Set{Name: s.Name, Dispatch: semabusv1.Dispatch(s.Dispatch) + 1,
		Ambiguity: semabusv1.AmbiguityPolicy(s.Ambiguity) + 1, MaxFanout: uint32(s.MaxFanout), Version: s.Version}
}

func (f *fields) group(in *semabusv1.Group) semabus.GroupConfig {
	if in == nil {
		f.err = invalid(semabus.ReasonRequired, "group", "", "", "give the group")
		return semabus.GroupConfig{}
	}
	expiry := f.enum("group.on_expiry", int32(in.OnExpiry), int32(semabusv1.OnExpiry_ON_EXPIRY_DROP))
	return semabus.GroupConfig{
		Name: in.Name, MaxConcurrency: count(in.MaxConcurrency), Lease: f.duration("group.lease", in.Lease),
		Grace: f.duration("group.grace", in.Grace), MaxAttempts: count(in.MaxAttempts),
		RetryBase: f.duration("group.retry_base", in.RetryBase), RetryCap: f.duration("group.retry_cap", in.RetryCap),
		SessionOrder: in.SessionOrder, MaxDepth: in.MaxDepth, Topics: in.Topics,
		Ageing: f.duration("group.ageing", in.Ageing), OnExpiry: semabus.ExpiryPolicy(max(0, expiry-1)),
	}
}

func fromGroup(g *semabus.GroupConfig) *semabusv1.Group {
	return &semabusv1.Group{
		Name: g.Name, MaxConcurrency: uint32(g.MaxConcurrency), Lease: term(g.Lease), Grace: term(g.Grace),
		MaxAttempts: uint32(g.MaxAttempts), RetryBase: term(g.RetryBase), RetryCap: term(g.RetryCap),
		SessionOrder: g.SessionOrder, MaxDepth: g.MaxDepth, Topics: g.Topics, Version: g.Version,
		Ageing: term(g.Ageing), OnExpiry: semabusv1.OnExpiry(g.OnExpiry) + 1,
	}
}

func fromStats(s *semabus.GroupStats) *semabusv1.GroupStats {
	return &semabusv1.GroupStats{
		Group: s.Group, Ready: s.Ready, Delayed: s.Delayed, Leased: s.Leased, Settled: s.Settled,
		DeadLetters: s.DeadLetters, Members: uint32(s.Members), OldestReady: term(s.OldestReady), Paused: s.Paused,
	}
}

func fromAllStats(all []semabus.GroupStats) []*semabusv1.GroupStats {
	out := make([]*semabusv1.GroupStats, len(all))
	for i := range all {
		out[i] = fromStats(&all[i])
	}
	return out
}

// count keeps an absurd number absurd on every machine, for the bus to refuse.
func count(n uint32) int { return int(min(n, 1<<30)) }
