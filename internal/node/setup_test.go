package node_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/internal/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// config is a node over a folder on free loopback ports.
func config(dir string) node.Config {
	c := node.Default()
	c.Data, c.Listen, c.HTTP, c.ShutdownGrace = dir, "127.0.0.1:0", "127.0.0.1:0", time.Second
	return c
}

// start runs a node until stop, which reports what Run returned.
func start(t *testing.T, c node.Config) (n *node.Node, stop func() error) {
	t.Helper()
	n, err := node.Open(t.Context(), c, node.Options{Version: "test"})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return n.Run(ctx) })
	stopped := false
	stop = func() error {
		stopped = true
		cancel()
		return g.Wait()
	}
	t.Cleanup(func() {
		if !stopped {
			must(t, stop())
		}
	})
	return n, stop
}

// dial connects without TLS, or with what is given.
func dial(t *testing.T, address string, with ...credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	with = append(with, insecure.NewCredentials())
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(with[0]), grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20)))
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	return conn
}

func publish(t *testing.T, conn *grpc.ClientConn, m *semabusv1.Message) (*semabusv1.Receipt, error) {
	t.Helper()
	r, err := semabusv1.NewBusClient(conn).Publish(t.Context(), &semabusv1.PublishRequest{Message: m})
	return r.GetReceipt(), err
}

// get is one HTTP request.
func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	must(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	must(t, err)
	return r.StatusCode, string(text)
}

// refused checks that Open fails with the reason and leaves nothing behind.
func refused(t *testing.T, c node.Config, reason string) *semabus.Error {
	t.Helper()
	n, err := node.Open(t.Context(), c, node.Options{})
	if n != nil {
		t.Fatal("a node came with the error")
	}
	e, ok := semabus.AsError(err)
	if !ok || e.Reason != reason || e.Fix == "" || e.Field == "" {
		t.Fatalf("got %v, want %s", err, reason)
	}
	return e
}
