package node

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/api"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/flow"
	"github.com/semabus/semabus/internal/bus"
	"github.com/semabus/semabus/internal/obs"
	"github.com/semabus/semabus/router"
)

// Options are what the composition root itself is given. Zero values: the machine's clock, a silent logger.
type Options struct {
	Clock   semabus.Clock
	Logger  *slog.Logger
	Version string
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = semabus.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	return o
}

// Node is one running semabus. Open makes it, Run serves and closes it.
type Node struct {
	config  Config
	log     *slog.Logger
	clock   semabus.Clock
	keys    *Keys
	broker  *broker.Broker
	router  *router.Router
	bus     *bus.Bus
	server  *api.Server
	metrics *obs.Metrics
	tracer  *obs.Tracer
	grpc    net.Listener
	http    net.Listener
	closers []io.Closer // closed in reverse order
}

// Open builds a node and binds its ports, so that clients may connect; nothing is served before Run. Errors are typed: a bad
// configuration, DATA_IN_USE, DATA_DAMAGED, PORT_IN_USE, INSECURE_BIND.
func Open(ctx context.Context, c Config, o Options) (n *Node, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	n = &Node{config: c, log: o.Logger, clock: o.Clock, metrics: obs.NewMetrics(o.Version)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
			n = nil
		}
	}()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return n, dataError(c.Data, err)
	}
	if n.keys, err = OpenKeys(c.Data, o.Clock); err != nil {
		return n, err
	}
	if err = n.checkBind(); err != nil {
		return n, err
	}
	if n.tracer, err = obs.OpenTracer(ctx, obs.TraceOptions{Endpoint: c.Trace.Endpoint, Insecure: c.Trace.Insecure,
		Sample: c.Trace.Sample, Version: o.Version, Node: c.ClusterID, Logger: o.Logger}); err != nil {
		return n, err
	}
	if err = n.openBus(ctx, o); err != nil {
		return n, err
	}
	return n, n.openPorts()
}

func dataError(path string, err error) error {
	return &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonInvalidValue, Op: "node.Open", Field: "data",
		Value: semabus.Shorten(path), Fix: "name a folder this user may write", Err: err}
}

// checkBind refuses to serve strangers without keys.
func (n *Node) checkBind() error {
	if n.config.Insecure || !n.keys.Empty() {
		if n.config.Insecure && n.keys.Empty() {
			n.log.Warn("insecure: anybody who reaches this port is administrator of tenant default", "listen", n.config.Listen)
		}
		return nil
	}
	for _, a := range [...]struct{ field, value string }{{"listen", n.config.Listen}, {"http", n.config.HTTP}} {
		if a.value != "" && !loopback(a.value) {
			return &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonInsecureBind, Op: "node.Open", Field: a.field,
				Value: a.value, Limit: "loopback while no key exists", Fix: "create a key with `semabus key create`, or pass --insecure"}
		}
	}
	return nil
}

// loopback reports whether an address can be reached from this machine only.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// openBus opens the backends and the packages above them.
func (n *Node) openBus(ctx context.Context, o Options) error {
	c := n.config
	op := opening{config: c, clock: o.Clock, logger: o.Logger}
	openBroker, err1 := choose("broker", c.Broker, brokers)
	openEmbed, err2 := choose("embed", c.Embed, embedders)
	openIndex, err3 := choose("index", c.Index, indexes)
	_, err4 := choose("blobs", c.Blobs, blobStores)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	engine, closer, err := openBroker(op)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, closer)
	if n.broker, err = broker.New(engine, broker.Options{Clock: o.Clock, Logger: o.Logger, DedupWindow: c.Dedup.Window,
		MaxMessageBytes: c.Limits.MessageBytes, Observer: observer{n.metrics}}); err != nil {
		return err
	}
	model, err := openEmbed(op)
	if err != nil {
		return err
	}
	index, err := openIndex(op)
	if err != nil {
		return err
	}
	embedder := embed.New(model, embed.Options{})
	if n.router, err = router.New(router.Options{Embedder: embedder, Index: index, Clock: o.Clock, Logger: o.Logger}); err != nil {
		return err
	}
	n.metrics.Watch(n.sources())
	n.bus, err = bus.Open(ctx, bus.Options{Broker: n.broker, Embedder: embedder, Router: n.router, Flow: flow.New(o.Clock),
		Clock: o.Clock, Logger: o.Logger, Metrics: n.metrics, Tracer: n.tracer, Retention: c.Retention.bounds(),
		Build: bus.Build{Version: o.Version, ClusterID: c.ClusterID, Broker: c.Broker, Index: c.Index, Embed: c.Embed, MaxBytes: c.Limits.MessageBytes}})
	return err
}

// openPorts builds the servers and binds their addresses.
func (n *Node) openPorts() error {
	tlsConfig, err := n.tls()
	if err != nil {
		return err
	}
	n.server, err = api.NewServer(api.Options{Bus: n.bus, Auth: n.keys, Keys: n.keys, Logger: n.log, Clock: n.clock, TLS: tlsConfig,
		Metrics: n.metrics, MaxMessageBytes: n.config.Limits.MessageBytes, MetricsHandler: n.metrics.Handler(), Pprof: n.config.Pprof})
	if err != nil {
		return err
	}
	if n.grpc, err = listen("listen", n.config.Listen); err != nil {
		return err
	}
	n.closers = append(n.closers, n.grpc)
	if n.config.HTTP == "" {
		return nil
	}
	if n.http, err = listen("http", n.config.HTTP); err != nil {
		return err
	}
	n.closers = append(n.closers, n.http)
	return nil
}

func listen(field, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	e := &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonInvalidValue, Op: "node.Open", Field: field, Value: address,
		Fix: "give an address of this machine", Err: err}
	if errors.Is(err, syscall.EADDRINUSE) {
		e.Reason, e.Fix = semabus.ReasonPortInUse, "stop the process that has it, or use port 0 for a free one"
	}
	return nil, e
}

// GRPCAddr is the bound gRPC address, host:port.
func (n *Node) GRPCAddr() string { return n.grpc.Addr().String() }

// HTTPAddr is the bound HTTP address, or "" when HTTP is off.
func (n *Node) HTTPAddr() string {
	if n.http == nil {
		return ""
	}
	return n.http.Addr().String()
}

// Run serves until ctx ends, then stops taking work, waits up to the shutdown grace for what is under way and closes
// everything. It returns the first failure, or nil after an orderly stop.
func (n *Node) Run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	g.Go(func() error { return tuneMemory(background, n.clock) })
	g.Go(func() error { return n.broker.Run(background) })
	g.Go(func() error { return n.router.Run(background) })
	g.Go(func() error { return n.bus.Run(background) })
	g.Go(func() error {
		if err := n.server.GRPC().Serve(n.grpc); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			return err
		}
		return nil
	})
	web := &http.Server{Handler: n.server.HTTP(), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelWarn)}
	if n.http != nil {
		g.Go(func() error {
			if err := web.Serve(n.http); err != nil && !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	g.Go(func() error {
		<-gctx.Done()
		n.stop(web)
		stopBackground()
		return nil
	})
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, n.close())
}

// stop ends the servers: gracefully within the shutdown grace, then at once.
func (n *Node) stop(web *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), n.config.ShutdownGrace)
	defer cancel()
	n.server.Shutdown(ctx)
	if err := web.Shutdown(ctx); err != nil {
		n.log.Warn("HTTP connections cut", "error", err)
	}
}

// close closes what was opened, newest first.
func (n *Node) close() error {
	var errs []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		if err := n.closers[i].Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	n.closers = nil
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.tracer.Close(ctx); err != nil {
		n.log.Warn("spans lost", "error", err)
	}
	return errors.Join(errs...)
}

// tls loads the node's certificate, and the authority of client certificates where one is named.
func (n *Node) tls() (*tls.Config, error) {
	c := n.config.TLS
	if c.Cert == "" {
		return nil, nil
	}
	return loadTLS(filepath.Clean(c.Cert), filepath.Clean(c.Key), c.ClientCA)
}
