package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/api"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/internal/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// credentials is an Authenticator and key store in memory: the bearer is the name of the principal.
type credentials struct {
	mu   sync.Mutex
	keys map[string]semabus.Principal
}

func newCredentials() *credentials {
	c := &credentials{keys: map[string]semabus.Principal{}}
	for _, role := range []semabus.Role{semabus.RolePublisher, semabus.RoleAgent, semabus.RoleOperator, semabus.RoleAdmin} {
		c.keys[string(role)] = semabus.Principal{Tenant: "t", Name: string(role), Role: role, Set: "desk"}
	}
	c.keys["stranger"] = semabus.Principal{Tenant: "other", Name: "stranger", Role: semabus.RoleAdmin, Set: "desk"}
	c.keys["root"] = semabus.Principal{Tenant: semabus.DefaultTenant, Name: "root", Role: semabus.RoleAdmin}
	return c
}

// The bearers that make the authenticator itself fail.
const (
	bearerPanic  = "panic"
	bearerBroken = "broken"
	bearerBusy   = "busy"
)

func (c *credentials) Authenticate(_ context.Context, bearer, _ string) (semabus.Principal, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch bearer {
	case "":
		return semabus.Principal{}, &semabus.Error{Code: semabus.CodeUnauthenticated, Reason: semabus.ReasonNoCredential, Fix: "send a key"}
	case bearerPanic:
		panic("a bug")
	case bearerBroken:
		return semabus.Principal{}, errors.New("dial 10.0.0.1: password is hunter2")
	case bearerBusy:
		return semabus.Principal{}, fmt.Errorf("key store: %w", &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonOverloaded,
			Field: "f", Limit: "1", Value: "2", Fix: "wait", RetryAfter: time.Second, Err: errors.New("a secret cause")})
	}
	p, ok := c.keys[bearer]
	if !ok {
		return semabus.Principal{}, &semabus.Error{Code: semabus.CodeUnauthenticated, Reason: semabus.ReasonWrongKey, Fix: "send another key"}
	}
	return p, nil
}

func (c *credentials) Create(_ context.Context, tenant, name, set string, role semabus.Role) (secret, id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[name] = semabus.Principal{Tenant: tenant, Name: name, Role: role, Set: set}
	return name, name, nil
}

func (c *credentials) List(_ context.Context, tenant string) (out []api.KeyInfo, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, p := range c.keys {
		if tenant == "" || p.Tenant == tenant {
			out = append(out, api.KeyInfo{ID: id, Tenant: p.Tenant, Name: p.Name, Set: p.Set, Role: p.Role})
		}
	}
	return out, nil
}

func (c *credentials) Revoke(_ context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, id)
	return nil
}

// world is a server over a real bus with a client connection.
type world struct {
	server  *api.Server
	conn    *grpc.ClientConn
	bus     semabusv1.BusClient
	intents semabusv1.IntentsClient
	groups  semabusv1.GroupsClient
	admin   semabusv1.AdminClient
	log     *logs
}

// logs keeps what was logged.
type logs struct {
	mu   sync.Mutex
	text []byte
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

func setup(t testing.TB) *world {
	t.Helper()
	return serve(t, openBus(t), nil)
}

// serve is setup over a given bus and clock.
func serve(t testing.TB, b *bus.Bus, clock semabus.Clock) *world {
	t.Helper()
	w := &world{log: &logs{}}
	keys := newCredentials()
	var err error
	w.server, err = api.NewServer(api.Options{Bus: b, Auth: keys, Keys: keys, Clock: clock, Logger: slog.New(slog.NewTextHandler(w.log, nil))})
	must(t, err)
	l := bufconn.Listen(1 << 20)
	var g errgroup.Group
	g.Go(func() error { return w.server.GRPC().Serve(l) })
	w.conn, err = grpc.NewClient("passthrough:node", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return l.Dial() }),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20)))
	must(t, err)
	t.Cleanup(func() {
		must(t, w.conn.Close())
		w.server.GRPC().Stop()
		if err := g.Wait(); !errors.Is(err, grpc.ErrServerStopped) {
			must(t, err)
		}
	})
	w.bus, w.intents = semabusv1.NewBusClient(w.conn), semabusv1.NewIntentsClient(w.conn)
	w.groups, w.admin = semabusv1.NewGroupsClient(w.conn), semabusv1.NewAdminClient(w.conn)
	return w
}

// as is a context that calls with a key.
func as(t testing.TB, bearer string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+bearer)
}

// refused checks code and reason of an error and returns its ErrorInfo.
func refused(t testing.TB, err error, code codes.Code, reason string) *errdetails.ErrorInfo {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != code {
		t.Fatalf("code is %s (%s), want %s", st.Code(), st.Message(), code)
	}
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			if info.GetReason() != reason {
				t.Fatalf("reason is %s (%s), want %s", info.GetReason(), st.Message(), reason)
			}
			return info
		}
	}
	t.Fatalf("no ErrorInfo in %v", st)
	return nil
}
