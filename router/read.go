package router

import (
	"maps"
	"slices"

	semabus "github.com/semabus/semabus"
)

// Version is the newest registry version applied for the tenant, 0 for an unknown tenant.
func (r *Router) Version(tenantName string) uint64 {
	if s := r.snapshot(tenantName); s != nil {
		return s.version
	}
	return 0
}

// Intent returns a registered intent as its owner wrote it, with version and author.
func (r *Router) Intent(tenantName, name string) (semabus.Intent, bool) {
	s := r.snapshot(tenantName)
	if s == nil {
		return semabus.Intent{}, false
	}
	in, ok := s.intents.get(name)
	if !ok {
		return semabus.Intent{}, false
	}
	return in.def.intent, true
}

// Intents lists at most limit registered intents in order of name, beginning behind after; set "" = of all sets.
func (r *Router) Intents(tenantName, set, after string, limit int) []semabus.Intent {
	s := r.snapshot(tenantName)
	if s == nil {
		return nil
	}
	names := s.names()
	from, found := slices.BinarySearch(names, after)
	if found {
		from++
	}
	var out []semabus.Intent
	for _, n := range names[from:] {
		if len(out) >= limit {
			break
		}
		in, _ := s.intents.get(n)
		if set == "" || in.set.name == set && !in.set.solo {
			out = append(out, in.def.intent)
		}
	}
	return out
}

// Set returns the configuration of a set that was configured.
func (r *Router) Set(tenantName, name string) (semabus.Set, bool) {
	s := r.snapshot(tenantName)
	if s == nil {
		return semabus.Set{}, false
	}
	c, ok := s.sets[name]
	return c, ok
}

// Labelled is a text that feedback gave an intent.
type Labelled struct {
	Text   string
	Useful bool // false = a counter-example
	From   semabus.Provenance
}

// Learned lists what feedback taught an intent, useful texts first, each side oldest first.
func (r *Router) Learned(tenantName, name string) []Labelled {
	s := r.snapshot(tenantName)
	if s == nil {
		return nil
	}
	in, ok := s.intents.get(name)
	if !ok {
		return nil
	}
	var out []Labelled
	for _, l := range in.def.useful {
		out = append(out, Labelled{l.text, true, l.from})
	}
	for _, l := range in.def.counter {
		out = append(out, Labelled{l.text, false, l.from})
	}
	return out
}

// Len is the number of the tenant's intents.
func (r *Router) Len(tenantName string) int {
	if s := r.snapshot(tenantName); s != nil {
		return s.intents.size
	}
	return 0
}

// Pending is the number of the tenant's sets that changed and are not fitted yet.
func (r *Router) Pending(tenantName string) int {
	r.mu.RLock()
	t := r.tenants[tenantName]
	r.mu.RUnlock()
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.dirty)
}

// GroupIntents lists the names of the intents that deliver to a group, sorted.
func (r *Router) GroupIntents(tenantName, group string) []string {
	s := r.snapshot(tenantName)
	if s == nil {
		return nil
	}
	var out []string
	for _, p := range s.intents.parts {
		for name, in := range p {
			if in.def.intent.Group == group {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Groups lists the groups that intents of the tenant are for, in no order, each once.
func (r *Router) Groups(tenantName string) []string {
	s := r.snapshot(tenantName)
	if s == nil {
		return nil
	}
	seen := map[string]struct{}{}
	for _, p := range s.intents.parts {
		for _, in := range p {
			seen[in.def.intent.Group] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(seen))
}
