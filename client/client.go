package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	semabusv1alpha "github.com/semabus/semabus/api/semabus/v1alpha"
)

// The bounds of reconnecting.
const (
	firstRetry = 50 * time.Millisecond
	retryCap   = 10 * time.Second
)

// maxReceive is what one answer may have, bytes: two messages of the largest limit a node can be given, and their frame.
const maxReceive = 2*64<<20 + 2<<20

// Options shape a Client; the zero value talks plain text to a node without keys.
type Options struct {
	// APIKey is sent with every call; "" = none. Without TLS it travels in plain text.
	APIKey string
	// TLS, with a client certificate for mTLS; nil = plain text.
	TLS *tls.Config
	// Logger hears of lost connections and settlements that failed; nil = silent.
	Logger *slog.Logger
	// Clock times retries and heartbeats; nil = the machine's.
	Clock semabus.Clock
	// Patience is how long a call goes on trying while the node is away: 0 = until its context ends, negative = not at
	// all.
	Patience time.Duration
	// Window bounds the messages of Publish that are not acknowledged yet; 0 = 4,096. Publish waits at the bound.
	Window int
	// Drain is how long Close waits for publishes under way; 0 = 10 s.
	Drain time.Duration
	// Trace returns the W3C trace parent and state of a publish's context, for messages that have none; nil = none.
	Trace func(ctx context.Context) (parent, state string)
	// Connect opens the connection to a HOST:PORT; nil = TCP.
	Connect func(ctx context.Context, address string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = semabus.SystemClock{}
	}
	if o.Window == 0 {
		o.Window = 4096
	}
	if o.Drain == 0 {
		o.Drain = 10 * time.Second
	}
	if o.Connect == nil {
		var d net.Dialer
		o.Connect = func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	}
	return o
}

// Client is a connection to a node. Make one with Dial and share it.
type Client struct {
	o       Options
	log     *slog.Logger
	clock   semabus.Clock
	conn    *grpc.ClientConn
	codec   codec
	ready   grpc.CallOption // waits for a connection, unless impatient
	bus     semabusv1.BusClient
	intents semabusv1.IntentsClient
	groups  semabusv1.GroupsClient
	admin   semabusv1.AdminClient
	letters semabusv1alpha.DeadLettersClient
	counts  counts

	closing chan struct{}  // closed by Close: subscriptions drain
	running sync.WaitGroup // subscriptions

	sharing   sync.Mutex                // held while publisher is made
	publisher atomic.Pointer[Publisher] // of Publish; made when first used

	mu         sync.Mutex
	draining   bool // no new subscriptions
	closed     bool // no new publishers
	publishers map[*Publisher]struct{}
}

// Dial prepares a client of the node at addr, HOST:PORT. It connects with the first call: a node that is away is no error
// here. Errors: INVALID_ARGUMENT.
func Dial(_ context.Context, addr string, o Options) (*Client, error) {
	if o.Window < 0 || o.Window > 1<<20 {
		return nil, invalid("Window", strconv.Itoa(o.Window), "0–1048576 messages", "choose another window")
	}
	o = o.withDefaults()
	c := &Client{o: o, log: o.Logger, clock: o.Clock, codec: newCodec(), ready: grpc.WaitForReady(o.Patience >= 0),
		closing: make(chan struct{}), publishers: map[*Publisher]struct{}{}}
	conn, err := grpc.NewClient(addr, c.dialOptions()...)
	if err != nil {
		return nil, invalid("addr", addr, "HOST:PORT", "write it like 127.0.0.1:7420")
	}
	c.conn = conn
	c.bus, c.intents = semabusv1.NewBusClient(conn), semabusv1.NewIntentsClient(conn)
	c.groups, c.admin = semabusv1.NewGroupsClient(conn), semabusv1.NewAdminClient(conn)
	c.letters = semabusv1alpha.NewDeadLettersClient(conn)
	return c, nil
}

// dialOptions: windows of fixed size, as an ack frame must never wait for a reader that waits to send; keepalive notices a
// peer that vanished without a word.
func (c *Client) dialOptions() []grpc.DialOption {
	transport := insecure.NewCredentials()
	if c.o.TLS != nil {
		transport = credentials.NewTLS(c.o.TLS)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithContextDialer(c.connect),
		grpc.WithIdleTimeout(0),
		grpc.WithInitialWindowSize(2 << 20),
		grpc.WithInitialConnWindowSize(8 << 20),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceive)),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 5 * time.Second,
			Backoff: grpcbackoff.Config{BaseDelay: firstRetry, Multiplier: 1.6, Jitter: .3, MaxDelay: nearCap * 3 / 4}}),
	}
	if c.o.APIKey != "" {
		opts = append(opts, grpc.WithPerRPCCredentials(bearer{"authorization": "Bearer " + c.o.APIKey}))
	}
	return opts
}

// bearer is the metadata of an API key.
type bearer map[string]string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return b, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: whether to encrypt is the operator's choice.
func (b bearer) RequireTransportSecurity() bool { return false }

// Stats counts what happened to a client since Dial.
type Stats struct {
	Disconnects int64 // connections lost that had been of use
	Resent      int64 // messages sent again after a lost connection
	Redelivered int64 // settlements that came too late: the lease was another's by then
}

type counts struct {
	disconnects, resent, late atomic.Int64
}

// Stats is a moment's view.
func (c *Client) Stats() Stats {
	return Stats{Disconnects: c.counts.disconnects.Load(), Resent: c.counts.resent.Load(), Redelivered: c.counts.late.Load()}
}

// connect dials and watches the connection for its end.
func (c *Client) connect(ctx context.Context, address string) (net.Conn, error) {
	conn, err := c.o.Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	return &watched{Conn: conn, c: c}, nil
}

// watched counts the loss of a connection that the node had answered on.
type watched struct {
	net.Conn
	c    *Client
	used atomic.Bool
	once sync.Once
}

// Read implements net.Conn.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && !w.used.Load() {
		w.used.Store(true)
	}
	return n, err
}

// Close implements net.Conn.
func (w *watched) Close() error {
	w.once.Do(func() {
		w.c.mu.Lock()
		defer w.c.mu.Unlock()
		if w.used.Load() && !w.c.closed {
			w.c.counts.disconnects.Add(1)
		}
	})
	return w.Conn.Close()
}

// Close ends the client in order: subscriptions drain and Subscribe returns, then publishes under way get up to Options.Drain
// for their receipts, then the connection is closed. It must not be called by a handler. Closing twice does nothing. It
// returns the fault of publishes that could not be finished.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.draining {
		c.mu.Unlock()
		return nil
	}
	c.draining = true
	c.mu.Unlock()
	close(c.closing)
	c.running.Wait() // handlers may publish until here
	c.mu.Lock()
	c.closed = true
	publishers := make([]*Publisher, 0, len(c.publishers))
	for p := range c.publishers {
		publishers = append(publishers, p)
	}
	c.mu.Unlock()
	var drain errgroup.Group
	for _, p := range publishers {
		drain.Go(p.Close)
	}
	err := drain.Wait()
	_ = c.conn.Close() // nothing is under way any more
	return err
}

// newID is 128 random bits in hex.
func newID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}
