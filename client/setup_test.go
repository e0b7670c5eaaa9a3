package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/internal/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience bounds a whole test's waiting for what must happen.
const patience = 60 * time.Second

// within is a context for what must happen.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// server is an embedded node on a loopback port that keeps its data and its port over restarts.
type server struct {
	config node.Config
	addr   string
	stop   func() error
}

func serve(t testing.TB) *server {
	t.Helper()
	s := &server{config: node.Default(), stop: func() error { return nil }}
	s.config.Data, s.config.Listen, s.config.HTTP, s.config.ShutdownGrace = t.TempDir(), "127.0.0.1:0", "", 2*time.Second
	s.start(t)
	t.Cleanup(func() { must(t, s.stop()) })
	return s
}

func (s *server) start(t testing.TB) {
	t.Helper()
	n, err := node.Open(t.Context(), s.config, node.Options{})
	must(t, err)
	s.addr = n.GRPCAddr()
	s.config.Listen = s.addr
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return n.Run(ctx) })
	s.stop = sync.OnceValue(func() error {
		cancel()
		return g.Wait()
	})
}

// restart stops the node in order and starts it again on the same data and port.
func (s *server) restart(t testing.TB) {
	t.Helper()
	must(t, s.stop())
	s.start(t)
}

// dial is a client that ends with the test.
func (s *server) dial(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), s.addr, o)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// setup is a node and a client.
func setup(t testing.TB) (*server, *client.Client) {
	t.Helper()
	s := serve(t)
	return s, s.dial(t, client.Options{})
}

// to is a message for a group, which needs no intent.
func to(group, format string, args ...any) *semabus.Message {
	return &semabus.Message{To: group, Text: fmt.Sprintf(format, args...)}
}

// fetchAll settles everything that waits for a group and returns its texts in order of delivery.
func fetchAll(t testing.TB, c *client.Client, group string) (texts []string) {
	t.Helper()
	for {
		ds, err := c.Fetch(t.Context(), group, client.FetchOptions{Max: 1000, MaxBytes: 64 << 20})
		must(t, err)
		if len(ds) == 0 {
			return texts
		}
		settlements := make([]semabus.Settlement, len(ds))
		for i := range ds {
			texts = append(texts, ds[i].Message.Text)
			settlements[i] = semabus.Settlement{Token: ds[i].Lease.Token, Outcome: semabus.SettleDone}
		}
		rs, err := c.Settle(t.Context(), settlements...)
		must(t, err)
		for _, r := range rs {
			must(t, r.Err)
		}
	}
}

// numbered compares texts with "0", "1", … in that order.
func numbered(t testing.TB, texts []string, n int) {
	t.Helper()
	for i, text := range texts {
		if text != fmt.Sprint(i) {
			t.Fatalf("message %d is %q: lost, duplicated or out of order", i, text)
		}
	}
	if len(texts) != n {
		t.Fatalf("%d messages arrived, want %d", len(texts), n)
	}
}

// is checks code and reason of an error.
func is(t testing.TB, err error, code semabus.Code, reason string) *semabus.Error {
	t.Helper()
	e, ok := semabus.AsError(err)
	if !ok || e.Code != code || e.Reason != reason {
		t.Fatalf("error is %v, want %s %s", err, code, reason)
	}
	if e.Fix == "" {
		t.Errorf("%v does not say what to do", err)
	}
	return e
}

// wire is a network that can be cut. The zero value works.
type wire struct {
	mu     sync.Mutex
	conns  map[*cuttable]struct{}
	down   bool
	stall  chan struct{} // while it is there, nothing is heard; closed by cut
	budget func() int    // bytes a new connection lives for; nil = for ever
	cuts   atomic.Int64
}

func (w *wire) connect(ctx context.Context, address string) (net.Conn, error) {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return nil, errors.New("the network is down")
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &cuttable{Conn: conn, w: w}
	c.left.Store(1 << 62)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.budget != nil {
		c.left.Store(int64(w.budget()))
	}
	if w.conns == nil {
		w.conns = map[*cuttable]struct{}{}
	}
	w.conns[c] = struct{}{}
	return c, nil
}

// cut closes every connection; with down, none opens until up.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	w.down = down
	conns := w.conns
	w.conns = nil
	w.mu.Unlock()
	for c := range conns {
		c.Close()
		w.cuts.Add(1)
	}
	w.mu.Lock()
	stall := w.stall // until here: what has just arrived is not heard either
	w.stall = nil
	w.mu.Unlock()
	if stall != nil {
		close(stall)
	}
}

// deafen lets what the node says from now on be heard by nobody until the next cut.
func (w *wire) deafen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stall = make(chan struct{})
}

func (w *wire) up() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

// cuttable is a connection that breaks, in the middle of a read or write, when its bytes are used up.
type cuttable struct {
	net.Conn
	w    *wire
	left atomic.Int64
}

var errCable = errors.New("the cable is cut")

func (c *cuttable) spend(n int) (allowed int, broken bool) {
	left := c.left.Add(-int64(n))
	if left >= 0 {
		return n, false
	}
	return max(0, n+int(left)), true
}

func (c *cuttable) breaks() error {
	c.w.mu.Lock()
	_, alive := c.w.conns[c]
	delete(c.w.conns, c)
	c.w.mu.Unlock()
	if alive {
		c.w.cuts.Add(1)
	}
	return errors.Join(errCable, c.Conn.Close())
}

func (c *cuttable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.w.mu.Lock()
	stall := c.w.stall
	c.w.mu.Unlock()
	if stall != nil {
		<-stall
		return 0, errCable
	}
	allowed, broken := c.spend(n)
	if broken {
		return allowed, c.breaks()
	}
	return n, err
}

func (c *cuttable) Write(p []byte) (int, error) {
	allowed, broken := c.spend(len(p))
	if !broken {
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:allowed])
	return n, c.breaks()
}

// lottery gives connections from lo to hi bytes, the same for the same seed.
func lottery(seed uint64, lo, hi int) func() int {
	r := rand.New(rand.NewPCG(seed, seed))
	return func() int { return lo + r.IntN(hi-lo) }
}

// hasty is a clock on which waiting takes a fiftieth of the time, so that a client that comes back 200 times is not waited for.
type hasty struct{ semabus.SystemClock }

func (hasty) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return semabus.SystemClock{}.AfterFunc(d/50, f)
}
