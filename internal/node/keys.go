package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/api"
)

// keysFile is the credentials' file in the data folder. It holds hashes, never secrets.
const keysFile = "keys.json"

// maxSubject bounds a certificate's subject, bytes.
const maxSubject = 1024

// keyPrefix begins every API key, so that scanners for leaked secrets know one.
const keyPrefix = "sbk"

// Keys is the store of API keys and certificate subjects. Several processes may use one file: each change is made under a
// lock on it, and a running node sees the change with the next call.
type Keys struct {
	path  string
	clock semabus.Clock

	mu     sync.Mutex
	loaded fs.FileInfo // of what is loaded; nil = there was no file
	byID   map[string]*key
	closed bool // there were keys once: nobody is admitted without one any more, even if the file is gone
}

// key is one credential as stored.
type key struct {
	ID      string       `json:"id"`
	Tenant  string       `json:"tenant"`
	Name    string       `json:"name"`
	Set     string       `json:"set"`
	Role    semabus.Role `json:"role"`
	Hash    string       `json:"hash,omitempty"`    // hex SHA-256 of the secret; the secret has 160 random bits
	Subject string       `json:"subject,omitempty"` // certificate subject (mTLS) instead of a secret
	Created time.Time    `json:"created"`
	Revoked *time.Time   `json:"revoked,omitempty"`
}

// OpenKeys opens the key store of a data folder; a folder without keys is an empty store.
func OpenKeys(dir string, clock semabus.Clock) (*Keys, error) {
	k := &Keys{path: filepath.Join(dir, keysFile), clock: clock, byID: map[string]*key{}}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k, k.reload()
}

// reload reads the file when it has changed. k.mu is held.
func (k *Keys) reload() error {
	st, err := os.Stat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		k.byID, k.loaded = map[string]*key{}, nil
		return nil
	}
	if err != nil {
		return k.failed(err)
	}
	// Each change is a new file, so that two in one tick of the file system's clock are told apart by identity.
	if k.loaded != nil && os.SameFile(st, k.loaded) && st.ModTime().Equal(k.loaded.ModTime()) && st.Size() == k.loaded.Size() {
		return nil
	}
	raw, err := os.ReadFile(k.path)
	if err != nil {
		return k.failed(err)
	}
	var list []*key
	if err := json.Unmarshal(raw, &list); err != nil {
		return k.damaged(err)
	}
	byID := make(map[string]*key, len(list))
	for _, e := range list {
		if e == nil || e.ID == "" {
			return k.damaged(errors.New("an entry without id"))
		}
		byID[e.ID] = e
	}
	k.byID, k.loaded = byID, st
	k.closed = k.closed || len(byID) > 0
	return nil
}

// damaged is a file that can be read and is none of ours.
func (k *Keys) damaged(err error) error {
	return &semabus.Error{Code: semabus.CodeDataLoss, Reason: semabus.ReasonDataDamaged, Op: "node.Keys", Field: k.path,
		Fix: "restore the file from a backup, or stop the node, delete the file and create new keys", Err: err}
}

// failed is a file system that would not do it; nothing was changed.
func (k *Keys) failed(err error) error {
	e := &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonEngineUnavailable, Op: "node.Keys", Field: k.path,
		Value: semabus.Shorten(err.Error()), Fix: "let this user read and write the data folder", Err: err}
	if errors.Is(err, syscall.ENOSPC) {
		e.Reason, e.Fix = semabus.ReasonDiskFull, "free disk space"
	}
	return e
}

// Empty reports whether no key was ever created: the node then serves tenant "default" on loopback without credentials.
func (k *Keys) Empty() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reload() == nil && len(k.byID) == 0
}

// Authenticate implements api.Authenticator: an API key, else a verified certificate subject, else, on a node without keys,
// the local administrator of tenant "default".
func (k *Keys) Authenticate(_ context.Context, bearer, subject string) (semabus.Principal, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.reload(); err != nil {
		return semabus.Principal{}, unreadable{err}
	}
	switch {
	case len(k.byID) == 0 && !k.closed:
		return semabus.Principal{Tenant: semabus.DefaultTenant, Name: "local", Role: semabus.RoleAdmin, Set: "default"}, nil
	case bearer != "":
		if e := k.bySecret(bearer); e != nil {
			return e.principal(), nil
		}
		return semabus.Principal{}, refused(semabus.ReasonWrongKey, "the API key is unknown or revoked", "create one with `semabus key create`")
	case subject != "":
		for _, e := range k.byID {
			if e.Subject == subject && e.Revoked == nil {
				return e.principal(), nil
			}
		}
		return semabus.Principal{}, refused(semabus.ReasonWrongKey, "certificate "+subject, "register the subject with `semabus key create --subject`")
	}
	return semabus.Principal{}, refused(semabus.ReasonNoCredential, "", "send `authorization: Bearer KEY`, or set SEMABUS_API_KEY")
}

// unreadable hides the typed error of a damaged store from clients: its path is not their business.
type unreadable struct{ cause error }

// Error implements error.
func (u unreadable) Error() string { return "keys cannot be read: " + u.cause.Error() }

func refused(reason, value, fix string) error {
	return &semabus.Error{Code: semabus.CodeUnauthenticated, Reason: reason, Op: "node.Authenticate", Field: "authorization",
		Value: value, Fix: fix}
}

func (k *Keys) bySecret(bearer string) *key {
	_, id, secret, ok := split(bearer)
	e := k.byID[id]
	if !ok || e == nil || e.Hash == "" || e.Revoked != nil {
		return nil
	}
	if subtle.ConstantTimeCompare([]byte(hash(secret)), []byte(e.Hash)) != 1 {
		return nil
	}
	return e
}

// split takes an API key apart: prefix_id_secret.
func split(s string) (prefix, id, secret string, ok bool) {
	parts := strings.Split(s, "_")
	if len(parts) != 3 || parts[0] != keyPrefix {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (e *key) principal() semabus.Principal {
	return semabus.Principal{Tenant: e.Tenant, Name: e.Name, Role: e.Role, Set: e.Set}
}

// Create adds a key and returns its secret, which is shown this once.
func (k *Keys) Create(_ context.Context, tenant, name, set string, role semabus.Role) (secret, id string, err error) {
	raw := random(20)
	e := &key{Tenant: tenant, Name: name, Set: set, Role: role, Hash: hash(raw)}
	if err := k.add(e); err != nil {
		return "", "", err
	}
	return keyPrefix + "_" + e.ID + "_" + raw, e.ID, nil
}

// CreateSubject admits a client certificate by its subject (RFC 2253 form, "CN=agent-1,O=Example").
func (k *Keys) CreateSubject(tenant, name, set string, role semabus.Role, subject string) (id string, err error) {
	e := &key{Tenant: tenant, Name: name, Set: set, Role: role, Subject: subject}
	if err = k.add(e); err != nil {
		return "", err
	}
	return e.ID, nil
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

func (k *Keys) add(e *key) error {
	if err := e.check(); err != nil {
		return err
	}
	return k.change(func() error {
		for _, o := range k.byID {
			if e.Subject != "" && o.Subject == e.Subject && o.Revoked == nil {
				return &semabus.Error{Code: semabus.CodeAlreadyExists, Reason: semabus.ReasonExists, Op: "node.Keys.Create", Field: "subject",
					Value: semabus.Shorten(e.Subject), Fix: "revoke key " + o.ID + " first"}
			}
		}
		e.ID = random(5)
		if e.Name == "" {
			e.Name = string(e.Role) + "-" + e.ID
		}
		if e.Set == "" {
			e.Set = e.Name
		}
		e.Created = k.clock.Now().UTC()
		k.byID[e.ID] = e
		return nil
	})
}

func (e *key) check() error {
	bad := func(field, value, limit string) error {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "node.Keys.Create",
			Field: field, Value: semabus.Shorten(value), Limit: limit, Fix: "correct the field"}
	}
	for _, f := range [][2]string{{"tenant", e.Tenant}, {"name", e.Name}, {"set", e.Set}} {
		if f[1] == "" && f[0] != "tenant" { // a name is made for it
			continue
		}
		if e := semabus.CheckID(f[1]); e != nil {
			e.Op, e.Field = "node.Keys.Create", f[0]
			return e
		}
		if strings.HasPrefix(f[1], "$") {
			return bad(f[0], f[1], "not beginning with $")
		}
	}
	if e.Hash == "" && (e.Subject == "" || len(e.Subject) > maxSubject || !utf8.ValidString(e.Subject)) {
		return bad("subject", e.Subject, "1–1024 bytes of text")
	}
	if !slices.Contains([]semabus.Role{semabus.RolePublisher, semabus.RoleAgent, semabus.RoleOperator, semabus.RoleAdmin}, e.Role) {
		return bad("role", string(e.Role), "publisher, agent, operator, admin")
	}
	return nil
}

// List describes the keys of a tenant, oldest first; tenant "" = all.
func (k *Keys) List(_ context.Context, tenant string) ([]api.KeyInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.reload(); err != nil {
		return nil, err
	}
	var out []api.KeyInfo
	for _, e := range k.byID {
		if tenant == "" || e.Tenant == tenant {
			out = append(out, api.KeyInfo{ID: e.ID, Tenant: e.Tenant, Name: e.Name, Set: e.Set, Role: e.Role, CreatedAt: e.Created, Revoked: e.Revoked != nil})
		}
	}
	slices.SortFunc(out, func(a, b api.KeyInfo) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// Revoke ends a key; calls already under way go on. An unknown id is NOT_FOUND.
func (k *Keys) Revoke(_ context.Context, id string) error {
	return k.change(func() error {
		e := k.byID[id]
		if e == nil {
			return &semabus.Error{Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Op: "node.Keys.Revoke", Field: "id",
				Value: semabus.Shorten(id), Fix: "list the keys"}
		}
		if e.Revoked == nil {
			now := k.clock.Now().UTC()
			e.Revoked = &now
		}
		return nil
	})
}

// change edits the store under the file's lock and writes it durably.
func (k *Keys) change(edit func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	lock, err := os.OpenFile(k.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return k.failed(err)
	}
	defer lock.Close() //nolint:errcheck // releases the lock; nothing was written
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return k.failed(err)
	}
	if err := k.reload(); err != nil {
		return err
	}
	err = edit()
	if err == nil {
		err = k.write()
	}
	k.loaded = nil // read back what is there: the change, or, where it failed, the keys without it
	return errors.Join(err, k.reload())
}

// write stores all keys durably.
func (k *Keys) write() error {
	list := make([]*key, 0, len(k.byID))
	for _, e := range k.byID {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *key) int { return strings.Compare(a.ID, b.ID) })
	raw, err := json.MarshalIndent(list, "", "  ")
	if err == nil {
		err = writeFile(k.path, raw)
	}
	if err != nil {
		return k.failed(err)
	}
	return nil
}

// writeFile replaces a file durably: temporary file, sync, rename, sync of the folder.
func writeFile(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
