package keys

import (
	"context"
	"errors"
	"os"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/internal/node"
)

// store is where keys are kept: a data folder or a running node.
type store interface {
	// create adds a key and returns it with its secret; a certificate subject has none.
	create(ctx context.Context, k client.Key, subject string) (client.Key, string, error)
	// list returns the keys of a tenant, "" = of all that the caller may see.
	list(ctx context.Context, tenant string) ([]client.Key, error)
	revoke(ctx context.Context, id string) error
}

// folder is the store of a data folder.
type folder struct{ keys *node.Keys }

// openFolder opens the keys of a data folder, which is made where create is set.
func openFolder(dir string, create bool) (store, error) {
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonInvalidValue, Field: "--data",
				Value: semabus.Shorten(dir), Fix: "name a folder this user may write", Err: err}
		}
	} else if _, err := os.Stat(dir); err != nil {
		return nil, &semabus.Error{Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Field: "--data",
			Value: semabus.Shorten(dir), Fix: "name the data folder of a node, or a running node with --addr", Err: err}
	}
	k, err := node.OpenKeys(dir, semabus.SystemClock{})
	if err != nil {
		return nil, err
	}
	return folder{k}, nil
}

func (f folder) create(ctx context.Context, k client.Key, subject string) (client.Key, string, error) {
	if k.Tenant == "" {
		k.Tenant = semabus.DefaultTenant
	}
	var secret string
	var err error
	if subject != "" {
		k.ID, err = f.keys.CreateSubject(k.Tenant, k.Name, k.Set, k.Role, subject)
	} else {
		secret, k.ID, err = f.keys.Create(ctx, k.Tenant, k.Name, k.Set, k.Role)
	}
	if err != nil {
		return k, "", err
	}
	all, err := f.list(ctx, k.Tenant)
	for _, made := range all {
		if made.ID == k.ID {
			return made, secret, nil // with its defaults
		}
	}
	return k, secret, err
}

func (f folder) list(ctx context.Context, tenant string) ([]client.Key, error) {
	all, err := f.keys.List(ctx, tenant)
	out := make([]client.Key, len(all))
	for i, k := range all {
		out[i] = client.Key{ID: k.ID, Tenant: k.Tenant, Name: k.Name, Set: k.Set, Role: k.Role, CreatedAt: k.CreatedAt, Revoked: k.Revoked}
	}
	return out, err
}

func (f folder) revoke(ctx context.Context, id string) error { return f.keys.Revoke(ctx, id) }

// remote is the store of a running node.
type remote struct{ c *client.Client }

func (r remote) create(ctx context.Context, k client.Key, subject string) (client.Key, string, error) {
	if subject != "" {
		return k, "", &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: "--subject",
			Value: semabus.Shorten(subject), Fix: "register certificate subjects in the data folder: leave --addr out"}
	}
	return r.c.CreateKey(ctx, k)
}

func (r remote) list(ctx context.Context, tenant string) ([]client.Key, error) {
	all, err := r.c.ListKeys(ctx)
	if tenant == "" || err != nil {
		return all, err
	}
	var out []client.Key
	for _, k := range all {
		if k.Tenant == tenant {
			out = append(out, k)
		}
	}
	return out, nil
}

func (r remote) revoke(ctx context.Context, id string) error { return r.c.RevokeKey(ctx, id) }

// Close ends the connection.
func (r remote) Close() error { return r.c.Close() }

// closing ends a store that has something to end.
func closing(s store, err *error) {
	if r, ok := s.(remote); ok {
		*err = errors.Join(*err, r.Close())
	}
}
