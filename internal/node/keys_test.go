package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/node"
)

func openKeys(t *testing.T, dir string) *node.Keys {
	t.Helper()
	k, err := node.OpenKeys(dir, semabus.SystemClock{})
	must(t, err)
	return k
}

func TestKeysAdmitTheirPrincipal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := openKeys(t, dir)
	if p, err := k.Authenticate(t.Context(), "", ""); err != nil || p.Tenant != semabus.DefaultTenant || p.Role != semabus.RoleAdmin || !k.Empty() {
		t.Errorf("without keys: %+v, %v", p, err)
	}
	secret, id, err := k.Create(t.Context(), "acme", "triage", "desk", semabus.RoleAgent)
	must(t, err)
	want := semabus.Principal{Tenant: "acme", Name: "triage", Role: semabus.RoleAgent, Set: "desk"}
	for name, store := range map[string]*node.Keys{"this": k, "another process": openKeys(t, dir)} {
		if p, err := store.Authenticate(t.Context(), secret, ""); err != nil || p != want {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for bearer, reason := range map[string]string{
		"": semabus.ReasonNoCredential, "nonsense": semabus.ReasonWrongKey, secret + "x": semabus.ReasonWrongKey, secret[:len(secret)-1]: semabus.ReasonWrongKey,
		strings.Replace(secret, id, "aaaaaaaa", 1): semabus.ReasonWrongKey, "sbk_" + id + "_": semabus.ReasonWrongKey, "sbk__": semabus.ReasonWrongKey,
	} {
		_, err := k.Authenticate(t.Context(), bearer, "")
		if semabus.CodeOf(err) != semabus.CodeUnauthenticated || semabus.ReasonOf(err) != reason || (bearer != "" && strings.Contains(err.Error(), bearer)) {
			t.Errorf("%q: %v", bearer, err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "keys.json"))
	must(t, err)
	if strings.Contains(string(raw), secret[strings.LastIndex(secret, "_")+1:]) {
		t.Error("the file has the secret")
	}
	st, err := os.Stat(filepath.Join(dir, "keys.json"))
	must(t, err)
	if st.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", st.Mode())
	}
}

func TestRevokedByAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	running, command := openKeys(t, dir), openKeys(t, dir)
	secret, id, err := command.Create(t.Context(), "acme", "", "", semabus.RoleAdmin)
	must(t, err)
	p, err := running.Authenticate(t.Context(), secret, "")
	must(t, err)
	if p.Name != "admin-"+id || p.Set != p.Name {
		t.Errorf("defaults: %+v", p)
	}
	must(t, command.Revoke(t.Context(), id))
	must(t, command.Revoke(t.Context(), id))
	if _, err := running.Authenticate(t.Context(), secret, ""); semabus.ReasonOf(err) != semabus.ReasonWrongKey {
		t.Errorf("a revoked key: %v", err)
	}
	if err := command.Revoke(t.Context(), "unknown"); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("unknown id: %v", err)
	}
	if _, err := running.Authenticate(t.Context(), "", ""); semabus.ReasonOf(err) != semabus.ReasonNoCredential {
		t.Errorf("without keys that are good, nobody is administrator: %v", err)
	}
	list, err := running.List(t.Context(), "acme")
	must(t, err)
	if len(list) != 1 || !list[0].Revoked {
		t.Errorf("list %+v", list)
	}
	if other, err := running.List(t.Context(), "other"); err != nil || len(other) != 0 {
		t.Errorf("another tenant's list: %+v, %v", other, err)
	}
}

// TestLosingTheFileLocksTheDoor: a running node that had keys never becomes one without.
func TestLosingTheFileLocksTheDoor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := openKeys(t, dir)
	_, _, err := k.Create(t.Context(), "acme", "", "", semabus.RoleAgent)
	must(t, err)
	must(t, os.Remove(filepath.Join(dir, "keys.json")))
	if _, err := k.Authenticate(t.Context(), "", ""); semabus.ReasonOf(err) != semabus.ReasonNoCredential {
		t.Errorf("got %v", err)
	}
}

func TestDamagedKeysAdmitNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := openKeys(t, dir)
	secret, _, err := k.Create(t.Context(), "acme", "", "", semabus.RoleAgent)
	must(t, err)
	path := filepath.Join(dir, "keys.json")
	raw, err := os.ReadFile(path)
	must(t, err)
	for _, bad := range []string{string(raw[:len(raw)/2]), "", "[null]", `[{"id":""}]`, "{}"} {
		must(t, os.WriteFile(path, []byte(bad), 0o600))
		_, err := k.Authenticate(t.Context(), secret, "")
		if err == nil {
			t.Errorf("%q admits somebody", bad)
		}
		if _, typed := semabus.AsError(err); typed {
			t.Errorf("%q: the path would reach a client: %v", bad, err)
		}
		if _, err := node.OpenKeys(dir, semabus.SystemClock{}); semabus.ReasonOf(err) != semabus.ReasonDataDamaged {
			t.Errorf("%q opens: %v", bad, err)
		}
	}
	must(t, os.WriteFile(path, raw, 0o600))
	if _, err := k.Authenticate(t.Context(), secret, ""); err != nil {
		t.Errorf("the restored file: %v", err)
	}
}

// TestHalfWrittenChangeIsNone: a crash leaves a temporary file, which nobody reads and the next change replaces.
func TestHalfWrittenChangeIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret, _, err := openKeys(t, dir).Create(t.Context(), "acme", "", "", semabus.RoleAgent)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "keys.json.tmp"), []byte("[{"), 0o600))
	k := openKeys(t, dir)
	if _, err := k.Authenticate(t.Context(), secret, ""); err != nil {
		t.Error(err)
	}
	_, _, err = k.Create(t.Context(), "acme", "", "", semabus.RoleAgent)
	must(t, err)
	if list, err := openKeys(t, dir).List(t.Context(), ""); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestUnwritableFolder: what could not be written is not true, in no process, and the error says what to do.
func TestUnwritableFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := openKeys(t, dir)
	secret, id, err := k.Create(t.Context(), "acme", "", "", semabus.RoleAgent)
	must(t, err)
	must(t, os.Mkdir(filepath.Join(dir, "keys.json.tmp"), 0o700)) // no file can be made in its place
	_, _, err = k.Create(t.Context(), "acme", "", "", semabus.RoleAgent)
	for name, err := range map[string]error{"create": err, "revoke": k.Revoke(t.Context(), id)} {
		if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeUnavailable || e.Fix == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, store := range map[string]*node.Keys{"this": k, "another process": openKeys(t, dir)} {
		if list, err := store.List(t.Context(), ""); err != nil || len(list) != 1 || list[0].Revoked {
			t.Errorf("%s lists %+v, %v", name, list, err)
		}
		if _, err := store.Authenticate(t.Context(), secret, ""); err != nil {
			t.Errorf("%s: the old key: %v", name, err)
		}
	}
}

func TestConcurrentChangesLoseNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const stores, each = 4, 8
	var g errgroup.Group
	for s := range stores {
		k := openKeys(t, dir)
		g.Go(func() error {
			for i := range each {
				secret, _, err := k.Create(t.Context(), fmt.Sprintf("tenant-%d", s), fmt.Sprintf("key-%d", i), "", semabus.RolePublisher)
				if err != nil {
					return err
				}
				if _, err := k.Authenticate(t.Context(), secret, ""); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	list, err := openKeys(t, dir).List(t.Context(), "")
	must(t, err)
	if len(list) != stores*each {
		t.Errorf("%d keys, want %d", len(list), stores*each)
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	t.Parallel()
	k := openKeys(t, t.TempDir())
	for field, in := range map[string][4]string{
		"tenant": {"", "n", "s", "agent"}, "name": {"t", "a\nb", "s", "agent"}, "set": {"t", "n", "$s", "agent"}, "role": {"t", "n", "s", "god"},
	} {
		_, _, err := k.Create(t.Context(), in[0], in[1], in[2], semabus.Role(in[3]))
		if e, ok := semabus.AsError(err); !ok || e.Field != field || e.Code != semabus.CodeInvalidArgument {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := k.CreateSubject("t", "n", "s", semabus.RoleAgent, ""); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
		t.Errorf("an empty subject: %v", err)
	}
	id, err := k.CreateSubject("t", "n", "s", semabus.RoleAgent, "CN=one")
	must(t, err)
	if _, err := k.CreateSubject("other", "n", "s", semabus.RoleAdmin, "CN=one"); semabus.ReasonOf(err) != semabus.ReasonExists {
		t.Errorf("a subject of two principals: %v", err)
	}
	must(t, k.Revoke(t.Context(), id))
	if _, err := k.CreateSubject("other", "n", "s", semabus.RoleAdmin, "CN=one"); err != nil {
		t.Errorf("a subject that is free again: %v", err)
	}
	if p, err := k.Authenticate(t.Context(), "", "CN=one"); err != nil || p.Tenant != "other" {
		t.Errorf("by subject: %+v, %v", p, err)
	}
	if _, err := k.Authenticate(t.Context(), "", "CN=two"); semabus.ReasonOf(err) != semabus.ReasonWrongKey {
		t.Errorf("an unknown subject: %v", err)
	}
}
