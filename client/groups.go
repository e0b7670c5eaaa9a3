package client

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// ConfigureGroup sets a group's configuration as a whole and returns it with its defaults filled in.
func (c *Client) ConfigureGroup(ctx context.Context, g semabus.GroupConfig) (semabus.GroupConfig, error) {
	a, err := call(ctx, c, "client.ConfigureGroup", c.groups.Configure, &semabusv1.GroupsConfigureRequest{OpId: newID(), Group: toGroup(&g)})
	if err != nil {
		return semabus.GroupConfig{}, err
	}
	return fromGroup(a.GetGroup()), nil
}

// GetGroup returns a group's configuration; one that was never configured has the defaults and version 0.
func (c *Client) GetGroup(ctx context.Context, name string) (semabus.GroupConfig, error) {
	a, err := call(ctx, c, "client.GetGroup", c.groups.Get, &semabusv1.GroupsGetRequest{Name: name})
	if err != nil {
		return semabus.GroupConfig{}, err
	}
	return fromGroup(a.GetGroup()), nil
}

// ListGroups returns all groups by name.
func (c *Client) ListGroups(ctx context.Context) ([]semabus.GroupConfig, error) {
	var out []semabus.GroupConfig
	q := &semabusv1.GroupsListRequest{PageSize: pageSize}
	for {
		a, err := call(ctx, c, "client.ListGroups", c.groups.List, q)
		if err != nil {
			return nil, err
		}
		for _, g := range a.GetGroups() {
			out = append(out, fromGroup(g))
		}
		if q.PageToken = a.GetNextPageToken(); q.PageToken == "" {
			return out, nil
		}
	}
}

// GroupStats is a moment's view of the named groups, none = all of the tenant, by name.
func (c *Client) GroupStats(ctx context.Context, names ...string) ([]semabus.GroupStats, error) {
	a, err := call(ctx, c, "client.GroupStats", c.groups.Stats, &semabusv1.GroupsStatsRequest{Names: names})
	if err != nil {
		return nil, err
	}
	out := make([]semabus.GroupStats, len(a.GetStats()))
	for i, s := range a.GetStats() {
		out[i] = fromStats(s)
	}
	return out, nil
}

// Info is what runs at the other end. Counts are of the caller's tenant.
type Info struct {
	Version         string // of the node's binary
	ClusterID       string
	Broker          string // engine
	Index           string // engine
	Embed           string // engine
	Space           string // embedding space of the first tier
	StartedAt       time.Time
	Intents         int
	RegistryVersion uint64
	PendingRefits   int   // intents whose scorers are being refitted
	Messages        int64 // retained
	DiskBytes       int64 // of the whole node
	Syncs           int64 // of the log since the start
	Commits         int64 // since the start
	Tenant          string
	Principal       string
	Role            semabus.Role
}

// Info asks what runs at the other end, and as whom one calls.
func (c *Client) Info(ctx context.Context) (*Info, error) {
	a, err := call(ctx, c, "client.Info", c.admin.Info, &semabusv1.InfoRequest{})
	if err != nil {
		return nil, err
	}
	return &Info{
		Version: a.GetVersion(), ClusterID: a.GetClusterId(), Broker: a.GetBroker(), Index: a.GetIndex(), Embed: a.GetEmbed(), Space: a.GetSpace(),
		StartedAt: instant(a.GetStartTime()), Intents: int(a.GetIntents()), RegistryVersion: a.GetRegistryVersion(),
		PendingRefits: int(a.GetPendingRefits()), Messages: a.GetMessages(), DiskBytes: a.GetDiskBytes(), Syncs: a.GetSyncs(), Commits: a.GetCommits(),
		Tenant: a.GetTenant(), Principal: a.GetPrincipal(), Role: roles[a.GetRole()],
	}, nil
}

// roles names the wire's roles.
var roles = map[semabusv1.Role]semabus.Role{
	semabusv1.Role_ROLE_PUBLISHER: semabus.RolePublisher, semabusv1.Role_ROLE_AGENT: semabus.RoleAgent,
	semabusv1.Role_ROLE_OPERATOR: semabus.RoleOperator, semabusv1.Role_ROLE_ADMIN: semabus.RoleAdmin,
}

func toRole(r semabus.Role) semabusv1.Role {
	for w, name := range roles {
		if name == r {
			return w
		}
	}
	return semabusv1.Role_ROLE_UNSPECIFIED
}

// Key describes an API key without its secret.
type Key struct {
	ID        string
	Tenant    string // "" in CreateKey = the caller's
	Name      string // of its principal
	Set       string // default set of its intents
	Role      semabus.Role
	CreatedAt time.Time
	Revoked   bool
}

func fromKey(k *semabusv1.Key) Key {
	return Key{ID: k.GetId(), Tenant: k.GetTenant(), Name: k.GetName(), Set: k.GetSet(), Role: roles[k.GetRole()],
		CreatedAt: instant(k.GetCreateTime()), Revoked: k.GetRevoked()}
}

// CreateKey makes an API key of the tenant, name, set and role of k. The secret is in this answer only. It is never repeated
// by itself: after a lost answer, list the keys and revoke the one that has no owner.
func (c *Client) CreateKey(ctx context.Context, k Key) (_ Key, secret string, _ error) {
	a, err := once(ctx, c, "client.CreateKey", c.admin.CreateKey,
		&semabusv1.CreateKeyRequest{OpId: newID(), Tenant: k.Tenant, Name: k.Name, Set: k.Set, Role: toRole(k.Role)})
	if err != nil {
		return Key{}, "", err
	}
	return fromKey(a.GetKey()), a.GetSecret(), nil
}

// ListKeys returns the keys of the caller's tenant.
func (c *Client) ListKeys(ctx context.Context) ([]Key, error) {
	var out []Key
	q := &semabusv1.ListKeysRequest{PageSize: pageSize}
	for {
		a, err := call(ctx, c, "client.ListKeys", c.admin.ListKeys, q)
		if err != nil {
			return nil, err
		}
		for _, k := range a.GetKeys() {
			out = append(out, fromKey(k))
		}
		if q.PageToken = a.GetNextPageToken(); q.PageToken == "" {
			return out, nil
		}
	}
}

// RevokeKey makes a key useless at once. Errors: NOT_FOUND.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	_, err := call(ctx, c, "client.RevokeKey", c.admin.RevokeKey, &semabusv1.RevokeKeyRequest{OpId: newID(), Id: id})
	return err
}
