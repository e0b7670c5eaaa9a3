package api

import (
	"context"
	"slices"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// Keys is the store of API keys, safe for concurrent use. The secret is returned once, by Create. Revoke of an unknown id is
// NOT_FOUND; List with tenant "" lists every tenant's.
type Keys interface {
	Create(ctx context.Context, tenant, name, set string, role semabus.Role) (secret string, id string, err error)
	List(ctx context.Context, tenant string) ([]KeyInfo, error)
	Revoke(ctx context.Context, id string) error
}

// KeyInfo is a key without its secret.
type KeyInfo struct {
	ID        string
	Tenant    string
	Name      string // of the principal
	Set       string // default set of its intents
	Role      semabus.Role
	CreatedAt time.Time
	Revoked   bool
}

// adminService is semabus.v1.Admin.
type adminService struct {
	semabusv1.UnimplementedAdminServer
	s *Server
}

var roleNumbers = map[semabus.Role]semabusv1.Role{
	semabus.RolePublisher: semabusv1.Role_ROLE_PUBLISHER, semabus.RoleAgent: semabusv1.Role_ROLE_AGENT,
	semabus.RoleOperator: semabusv1.Role_ROLE_OPERATOR, semabus.RoleAdmin: semabusv1.Role_ROLE_ADMIN,
}

func (a *adminService) Info(ctx context.Context, _ *semabusv1.InfoRequest) (*semabusv1.InfoResponse, error) {
	p := principal(ctx)
	in, err := a.s.bus.Info(ctx, p)
	if err != nil {
		return nil, err
	}
	return &semabusv1.InfoResponse{
		Version: in.Version, ClusterId: in.ClusterID, Broker: in.Broker, Index: in.Index, Embed: in.Embed, Space: in.Space,
		StartTime: stamp(in.StartedAt), Intents: uint64(in.Intents), RegistryVersion: in.RegistryVersion,
		PendingRefits: uint64(in.PendingRefits), Messages: in.Messages, DiskBytes: in.DiskBytes, Syncs: in.Syncs, Commits: in.Commits,
		Tenant: p.Tenant, Principal: p.Name, Role: roleNumbers[p.Role],
	}, nil
}

// reach is the tenant a key administrator acts on: its own; an administrator of the default tenant, who runs the node, may
// name another.
func reach(p semabus.Principal, tenant string) (string, error) {
	if tenant == "" || tenant == p.Tenant {
		return p.Tenant, nil
	}
	if p.Tenant != semabus.DefaultTenant {
		return "", &semabus.Error{Code: semabus.CodePermissionDenied, Reason: semabus.ReasonNotPermitted, Field: "tenant",
			Value: semabus.Shorten(tenant), Limit: "the caller's own tenant", Fix: "use an admin key of tenant " + semabus.DefaultTenant}
	}
	return tenant, nil
}

func (a *adminService) CreateKey(ctx context.Context, r *semabusv1.CreateKeyRequest) (*semabusv1.CreateKeyResponse, error) {
	if a.s.keys == nil {
		return nil, notBuilt(semabusv1.Admin_CreateKey_FullMethodName)
	}
	tenant, err := reach(principal(ctx), r.GetTenant())
	if err != nil {
		return nil, err
	}
	var role semabus.Role
	for name, number := range roleNumbers {
		if number == r.GetRole() {
			role = name
		}
	}
	if role == "" {
		return nil, invalid(semabus.ReasonInvalidValue, "role", r.GetRole().String(), "publisher, agent, operator, admin", "choose one of the roles")
	}
	secret, id, err := a.s.keys.Create(ctx, tenant, r.GetName(), r.GetSet(), role)
	if err != nil {
		return nil, err
	}
	k, err := a.key(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	return &semabusv1.CreateKeyResponse{Key: fromKey(k), Secret: secret}, nil
}

// visible lists the keys the caller may see, by id.
func (a *adminService) visible(ctx context.Context, tenant string) ([]KeyInfo, error) {
	if a.s.keys == nil {
		return nil, notBuilt(semabusv1.Admin_ListKeys_FullMethodName)
	}
	keys, err := a.s.keys.List(ctx, tenant)
	slices.SortFunc(keys, func(x, y KeyInfo) int { return strings.Compare(x.ID, y.ID) })
	return keys, err
}

func (a *adminService) key(ctx context.Context, tenant, id string) (KeyInfo, error) {
	keys, err := a.visible(ctx, tenant)
	if err != nil {
		return KeyInfo{}, err
	}
	for _, k := range keys {
		if k.ID == id {
			return k, nil
		}
	}
	return KeyInfo{}, &semabus.Error{Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Field: "id",
		Value: semabus.Shorten(id), Fix: "list the keys"}
}

// all is "" (every tenant) for the node's administrators, else the caller's tenant.
func all(p semabus.Principal) string {
	if p.Tenant == semabus.DefaultTenant {
		return ""
	}
	return p.Tenant
}

func (a *adminService) ListKeys(ctx context.Context, r *semabusv1.ListKeysRequest) (*semabusv1.ListKeysResponse, error) {
	size := count(r.GetPageSize())
	if size == 0 {
		size = 100
	}
	if size > 1000 {
		return nil, invalid(semabus.ReasonInvalidValue, "page_size", "", "0–1000 (0 = 100)", "page")
	}
	keys, err := a.visible(ctx, all(principal(ctx)))
	if err != nil {
		return nil, err
	}
	out := &semabusv1.ListKeysResponse{}
	for _, k := range keys {
		if k.ID <= r.GetPageToken() {
			continue
		}
		if len(out.Keys) == size {
			out.NextPageToken = out.Keys[size-1].GetId()
			break
		}
		out.Keys = append(out.Keys, fromKey(k))
	}
	return out, nil
}

func (a *adminService) RevokeKey(ctx context.Context, r *semabusv1.RevokeKeyRequest) (*semabusv1.RevokeKeyResponse, error) {
	if _, err := a.key(ctx, all(principal(ctx)), r.GetId()); err != nil {
		return nil, err
	}
	return &semabusv1.RevokeKeyResponse{}, a.s.keys.Revoke(ctx, r.GetId())
}

func fromKey(k KeyInfo) *semabusv1.Key {
	return &semabusv1.Key{Id: k.ID, Tenant: k.Tenant, Name: k.Name, Set: k.Set, Role: roleNumbers[k.Role], CreateTime: stamp(k.CreatedAt), Revoked: k.Revoked}
}
