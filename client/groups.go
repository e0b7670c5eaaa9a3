package client

import (
	"context"
	"iter"
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
	return fromAllStats(a.GetStats()), nil
}

func fromAllStats(all []*semabusv1.GroupStats) []semabus.GroupStats {
	out := make([]semabus.GroupStats, len(all))
	for i, s := range all {
		out[i] = fromStats(s)
	}
	return out
}

// PauseGroup stops deliveries of a group: when it returns, nothing new is leased. What is leased may be settled, publishing goes
// on, and it lasts until ResumeGroup.
func (c *Client) PauseGroup(ctx context.Context, name string) error {
	_, err := call(ctx, c, "client.PauseGroup", c.groups.Pause, &semabusv1.GroupsPauseRequest{OpId: newID(), Name: name})
	return err
}

// ResumeGroup starts deliveries again.
func (c *Client) ResumeGroup(ctx context.Context, name string) error {
	_, err := call(ctx, c, "client.ResumeGroup", c.groups.Resume, &semabusv1.GroupsResumeRequest{OpId: newID(), Name: name})
	return err
}

// Browsed is a delivery that was looked at, with its message; nothing was leased.
type Browsed struct {
	State   DeliveryState
	Message *semabus.Message
}

// Browse yields the deliveries of a group that wait or are leased, in the order in which they were enqueued, and ends with the first
// error. It reads page by page: what comes and goes meanwhile may be seen or not.
func (c *Client) Browse(ctx context.Context, group string) iter.Seq2[Browsed, error] {
	return func(yield func(Browsed, error) bool) {
		q := &semabusv1.GroupsBrowseRequest{Name: group, PageSize: pageSize}
		for {
			a, err := call(ctx, c, "client.Browse", c.groups.Browse, q)
			if err != nil {
				yield(Browsed{}, err)
				return
			}
			for _, d := range a.GetDeliveries() {
				if !yield(Browsed{State: fromState(d.GetState()), Message: fromMessage(d.GetMessage())}, nil) {
					return
				}
			}
			if q.PageToken = a.GetNextPageToken(); q.PageToken == "" {
				return
			}
		}
	}
}

// PurgeGroup ends the deliveries that wait in a group without delivering them and returns their number; with dryRun it only
// counts. What is leased stays. Interrupted, what was ended stays ended.
func (c *Client) PurgeGroup(ctx context.Context, name string, dryRun bool) (int64, error) {
	a, err := call(ctx, c, "client.PurgeGroup", c.groups.Purge, &semabusv1.GroupsPurgeRequest{OpId: newID(), Name: name, DryRun: dryRun})
	return int64(a.GetPurged()), err
}

// WatchGroups calls heard with the stats of the named groups, none = all of the tenant, at once and then whenever they change, at
// most once an interval (1 s–1 h; 0 = 1 s). It reconnects by itself and returns nil when ctx ends, what heard returned, or an
// error that cannot be waited out.
func (c *Client) WatchGroups(ctx context.Context, interval time.Duration, heard func([]semabus.GroupStats) error, names ...string) error {
	q := &semabusv1.GroupsWatchRequest{Names: names, Interval: term(interval)}
	var b backoff
	var enough error
	for ctx.Err() == nil && enough == nil {
		err := c.pursue(ctx, "client.WatchGroups", &b, func(ctx context.Context, welcomed func()) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			stream, err := c.groups.Watch(ctx, q, c.ready)
			if err != nil {
				return err
			}
			for enough == nil {
				a, err := stream.Recv()
				if err != nil {
					return err
				}
				welcomed()
				b.reset()
				enough = heard(fromAllStats(a.GetStats()))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return enough
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

// ListKeys returns the keys of the caller's tenant; those of all tenants to administrators of tenant default, who run the node.
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
