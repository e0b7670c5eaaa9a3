package flow

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	semabus "github.com/semabus/semabus"
)

// Defaults of a group that was never configured, and of each field that is zero.
const (
	DefaultMaxAttempts = 16
	DefaultRetryBase   = 500 * time.Millisecond
	DefaultRetryCap    = 5 * time.Minute
	maxLease           = 24 * time.Hour
	maxAttempts        = 1000
	maxRetry           = 30 * 24 * time.Hour
	maxTopics          = 256
	maxAgeing          = 24 * time.Hour
)

// Flow holds the group configuration of all tenants and the leases that count against their limits.
type Flow struct {
	clock semabus.Clock

	mu      sync.RWMutex
	tenants map[string]*tenant

	slots slots
	gates gates
}

type tenant struct {
	version uint64
	groups  map[string]semabus.GroupConfig
	paused  map[string]bool
	members map[string]int
	topics  []subscription // of all groups
	bounded bool           // some group has, or had, a MaxDepth
}

type subscription struct{ pattern, group string }

// New makes an empty Flow.
func New(clock semabus.Clock) *Flow {
	return &Flow{clock: clock, tenants: map[string]*tenant{}, slots: slots{groups: map[key]*slot{}, tokens: map[string]key{}},
		gates: gates{groups: map[key]*gate{}}}
}

// Check validates a configuration; the error names the first field at fault and its limit.
func (f *Flow) Check(g semabus.GroupConfig) error {
	bad := func(field, value, limit, fix string) error {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "flow.Check",
			Field: "group." + field, Value: value, Limit: limit, Fix: fix}
	}
	if e := semabus.CheckID(g.Name); e != nil {
		e.Op, e.Field = "flow.Check", "group.name"
		return e
	}
	switch {
	case strings.HasPrefix(g.Name, "$"):
		return bad("name", semabus.Shorten(g.Name), "not beginning with $", "choose another name")
	case g.MaxConcurrency < 0:
		return bad("max_concurrency", strconv.Itoa(g.MaxConcurrency), "≥ 0 (0 = unlimited)", "give a positive number")
	case g.Lease < 0 || g.Lease > maxLease:
		return bad("lease", g.Lease.String(), "0–24h (0 = 30s)", "shorten it; members extend their leases")
	case g.Grace < 0 || g.Grace > time.Hour:
		return bad("grace", g.Grace.String(), "0–1h (0 = 2s)", "shorten it")
	case g.MaxAttempts < 0 || g.MaxAttempts > maxAttempts:
		return bad("max_attempts", strconv.Itoa(g.MaxAttempts), "0–1000 (0 = 16)", "give a number in range")
	case g.RetryBase < 0 || g.RetryCap < 0 || g.RetryBase > maxRetry || g.RetryCap > maxRetry || (g.RetryCap > 0 && g.RetryBase > g.RetryCap):
		return bad("retry_base", g.RetryBase.String(), "0 ≤ retry_base ≤ retry_cap ≤ 720h", "lower the base or raise the cap")
	case len(g.Topics) > maxTopics:
		return bad("topics", strconv.Itoa(len(g.Topics)), "256 topics", "use a wildcard such as orders.*")
	case g.MaxDepth < 0:
		return bad("max_depth", strconv.FormatInt(g.MaxDepth, 10), "≥ 0 (0 = unlimited)", "give a positive number")
	case g.Ageing < 0 || g.Ageing > maxAgeing:
		return bad("ageing", g.Ageing.String(), "0–24h (0 = strict priority)", "shorten it: it is for one step of priority")
	case g.OnExpiry > semabus.ExpiryDrop:
		return bad("on_expiry", g.OnExpiry.String(), "dead_letter or drop", "choose one of them")
	}
	for i, t := range g.Topics {
		if e := CheckTopic(strings.TrimSuffix(t, wildcard)); e != nil {
			e.Op, e.Field, e.Value = "flow.Check", "group.topics["+strconv.Itoa(i)+"]", semabus.Shorten(t)
			e.Limit, e.Fix = e.Limit+", optionally ending in .*", "write it like orders.refund or orders.*"
			return e
		}
	}
	return nil
}

// Apply folds changes of one tenant, oldest first; those at or below the tenant's version are ignored.
func (f *Flow) Apply(name string, changes []*Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tenant(name)
	for _, c := range changes {
		if c.Version <= t.version {
			continue
		}
		t.version = c.Version
		g := c.Group
		g.Version = c.Version
		if c.Paused != nil {
			f.pause(name, t, g.Name, *c.Paused)
		}
		t.groups[g.Name] = g
		t.bounded = t.bounded || g.MaxDepth > 0
		t.topics = slices.DeleteFunc(t.topics, func(s subscription) bool { return s.group == g.Name })
		for _, p := range g.Topics {
			t.topics = append(t.topics, subscription{pattern: p, group: g.Name})
		}
		f.slots.limit(key{name, g.Name}, g.MaxConcurrency)
	}
}

// tenant returns the named tenant, making it where it is new. f.mu is held for writing.
func (f *Flow) tenant(name string) *tenant {
	t := f.tenants[name]
	if t == nil {
		t = &tenant{groups: map[string]semabus.GroupConfig{}, paused: map[string]bool{}, members: map[string]int{}}
		f.tenants[name] = t
	}
	return t
}

// Version is the newest version folded for the tenant; 0 for an unknown one.
func (f *Flow) Version(name string) uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if t := f.tenants[name]; t != nil {
		return t.version
	}
	return 0
}

// Group is the effective configuration of a group, every default filled in; configured says whether it was ever set.
func (f *Flow) Group(tenantName, name string) (g semabus.GroupConfig, configured bool) {
	f.mu.RLock()
	if t := f.tenants[tenantName]; t != nil {
		g, configured = t.groups[name]
	}
	f.mu.RUnlock()
	g.Name = name
	return WithDefaults(g), configured
}

// Config is a group's configuration as it was set: zero where it was not.
func (f *Flow) Config(tenantName, name string) semabus.GroupConfig {
	f.mu.RLock()
	defer f.mu.RUnlock()
	g := semabus.GroupConfig{Name: name}
	if t := f.tenants[tenantName]; t != nil && t.groups[name].Name != "" {
		g = t.groups[name]
	}
	return g
}

// WithDefaults fills in the default of every field that is zero and has one.
func WithDefaults(g semabus.GroupConfig) semabus.GroupConfig {
	g.Lease = orDefault(g.Lease, semabus.DefaultLease)
	g.Grace = orDefault(g.Grace, semabus.DefaultGrace)
	g.RetryBase = orDefault(g.RetryBase, DefaultRetryBase)
	g.RetryCap = orDefault(g.RetryCap, max(DefaultRetryCap, g.RetryBase))
	g.MaxAttempts = orDefault(g.MaxAttempts, DefaultMaxAttempts)
	return g
}

// MaxDepth is the bound of a group's waiting deliveries; 0 = none.
func (f *Flow) MaxDepth(tenantName, name string) int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if t := f.tenants[tenantName]; t != nil && t.bounded {
		return t.groups[name].MaxDepth
	}
	return 0
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Groups lists configured groups in name order after a name, at most n.
func (f *Flow) Groups(tenantName, after string, n int) []semabus.GroupConfig {
	f.mu.RLock()
	defer f.mu.RUnlock()
	t := f.tenants[tenantName]
	if t == nil {
		return nil
	}
	var out []semabus.GroupConfig
	for name, g := range t.groups {
		if name > after {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b semabus.GroupConfig) int { return strings.Compare(a.Name, b.Name) })
	return out[:min(n, len(out))]
}

// Join counts a member of a group in, and leave counts it out again (once).
func (f *Flow) Join(tenantName, group string) (leave func()) {
	f.count(tenantName, group, 1)
	return sync.OnceFunc(func() { f.count(tenantName, group, -1) })
}

func (f *Flow) count(tenantName, group string, by int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tenant(tenantName)
	t.members[group] += by
	if t.members[group] == 0 {
		delete(t.members, group)
	}
}

// Joined lists the groups of a tenant that have members on this node, in no order.
func (f *Flow) Joined(tenantName string) []string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	t := f.tenants[tenantName]
	if t == nil {
		return nil
	}
	return slices.Collect(maps.Keys(t.members))
}

// Members is the number of members joined to a group on this node.
func (f *Flow) Members(tenantName, group string) int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if t := f.tenants[tenantName]; t != nil {
		return t.members[group]
	}
	return 0
}
