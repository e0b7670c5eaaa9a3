package bus

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/flow"
)

// ConfigureGroup sets a group's configuration and returns it with its defaults filled in.
func (b *Bus) ConfigureGroup(ctx context.Context, p semabus.Principal, opID string, g semabus.GroupConfig) (semabus.GroupConfig, error) {
	if err := b.flow.Check(g); err != nil {
		return g, err
	}
	g.Version = 0
	m, err := b.change(ctx, p, flow.Log, &change{verb: "group", opID: opID, hash: jsonHash(g), subject: g.Name,
		build: func(version uint64, now time.Time) ([][]byte, error) {
			as := g
			as.Version = version
			event, err := flow.EncodeChange(&flow.Change{Version: version, Group: as, At: now, By: p.Name})
			return [][]byte{event}, err
		}})
	if err != nil {
		return g, err
	}
	g = flow.WithDefaults(g)
	g.Version = m.Version
	return g, nil
}

// GetGroup returns a group's effective configuration, defaults filled in.
func (b *Bus) GetGroup(_ context.Context, p semabus.Principal, name string) (semabus.GroupConfig, error) {
	if err := broker.CheckID("bus.GetGroup", "name", name); err != nil {
		return semabus.GroupConfig{}, err
	}
	g, _ := b.flow.Group(p.Tenant, name)
	return g, nil
}

// ListGroups lists groups in name order after a name; limit 0 = 100. A group exists as soon as somebody names it: in its
// configuration, in an intent, by joining it or by a delivery. next is "" on the last page.
func (b *Bus) ListGroups(ctx context.Context, p semabus.Principal, after string, limit int) (items []semabus.GroupConfig, next string, err error) {
	limit, err = pageSize("bus.ListGroups", limit)
	if err != nil {
		return nil, "", err
	}
	names, err := b.groupNames(ctx, p.Tenant)
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		if name <= after {
			continue
		}
		if len(items) == limit {
			return items, items[limit-1].Name, nil
		}
		g, _ := b.flow.Group(p.Tenant, name)
		items = append(items, g)
	}
	return items, "", nil
}

// groupNames are the names of all groups of a tenant but the reserved ones, sorted.
func (b *Bus) groupNames(ctx context.Context, tenant string) ([]string, error) {
	st, err := b.broker.Stats(ctx, tenant, nil)
	if err != nil {
		return nil, err
	}
	names := slices.Concat(b.flow.Joined(tenant), b.router.Groups(tenant))
	for i := range st.Groups {
		names = append(names, st.Groups[i].Group)
	}
	for _, g := range b.flow.Groups(tenant, "", math.MaxInt) {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "$") }), nil
}

// GroupStats returns the depth of the named groups, or of all groups of the tenant that have deliveries or members or are
// paused when none is named, by name.
func (b *Bus) GroupStats(ctx context.Context, p semabus.Principal, groups []string) ([]semabus.GroupStats, error) {
	if len(groups) > maxPage {
		return nil, invalid("bus.GroupStats", semabus.ReasonTooMany, "names", "", "1000 names", "ask for fewer")
	}
	st, err := b.broker.Stats(ctx, p.Tenant, groups)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for i := range st.Groups {
		known[st.Groups[i].Group] = true
	}
	if len(groups) == 0 {
		groups = append(b.flow.Joined(p.Tenant), b.flow.AllPaused(p.Tenant)...)
	}
	for _, g := range groups {
		if !known[g] {
			known[g] = true
			st.Groups = append(st.Groups, semabus.GroupStats{Group: g})
		}
	}
	for i := range st.Groups {
		st.Groups[i].Members = b.flow.Members(p.Tenant, st.Groups[i].Group)
		st.Groups[i].Paused = b.flow.Paused(p.Tenant, st.Groups[i].Group)
	}
	slices.SortFunc(st.Groups, func(x, y semabus.GroupStats) int { return strings.Compare(x.Group, y.Group) })
	return st.Groups, nil
}
