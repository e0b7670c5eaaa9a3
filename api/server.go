package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/tap"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/internal/bus"
	"github.com/semabus/semabus/internal/obs"
)

// Options are what a Server is made of. Bus and Auth are required.
type Options struct {
	Bus             *bus.Bus
	Auth            Authenticator
	Keys            Keys          // nil: the key methods answer UNIMPLEMENTED
	Clock           semabus.Clock // nil: the machine's
	Logger          *slog.Logger  // nil: silent
	Metrics         *obs.Metrics  // nil-safe
	TLS             *tls.Config   // nil: plain text
	MaxMessageBytes int           // of one message; 0 = [semabus.MaxMessageBytes]
	MetricsHandler  http.Handler  // serves /metrics; nil: 404
	Pprof           bool          // serve /debug/pprof
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = semabus.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxMessageBytes == 0 {
		o.MaxMessageBytes = semabus.MaxMessageBytes
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Bus == nil {
		errs = append(errs, invalid(semabus.ReasonRequired, "Bus", "", "", "give the bus"))
	}
	if o.Auth == nil {
		errs = append(errs, invalid(semabus.ReasonRequired, "Auth", "", "", "give the authenticator"))
	}
	if o.MaxMessageBytes < 0 || o.MaxMessageBytes > 1<<30 {
		errs = append(errs, invalid(semabus.ReasonInvalidValue, "MaxMessageBytes", "", "1–1073741824 bytes (0 = 4194304)", "choose another bound"))
	}
	return errors.Join(errs...)
}

// Server is the gRPC and HTTP face of one bus. It starts nothing: the caller serves [Server.GRPC] and [Server.HTTP].
type Server struct {
	bus         *bus.Bus
	auth        Authenticator
	keys        Keys
	clock       semabus.Clock
	log         *slog.Logger
	metrics     *obs.Metrics
	maxMessage  int
	grpc        *grpc.Server
	health      *health.Server
	http        http.Handler
	permissions map[string]semabusv1.Permission
	stop        func()                              // begins the shutdown
	stopping    func() bool                         // it has begun
	onStop      func(f func()) (forget func() bool) // runs f when it begins
}

// NewServer builds the servers of a bus and registers every service of the contract.
func NewServer(o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Server{bus: o.Bus, auth: o.Auth, keys: o.Keys, clock: o.Clock, log: o.Logger, metrics: o.Metrics,
		maxMessage: o.MaxMessageBytes, health: health.NewServer()}
	life, stop := context.WithCancel(context.Background())
	s.stop, s.stopping = stop, func() bool { return life.Err() != nil }
	s.onStop = func(f func()) func() bool { return context.AfterFunc(life, f) }
	s.grpc = grpc.NewServer(s.options(o.TLS)...)
	semabusv1.RegisterBusServer(s.grpc, &busService{s: s})
	semabusv1.RegisterIntentsServer(s.grpc, &intentsService{s: s})
	semabusv1.RegisterGroupsServer(s.grpc, &groupsService{s: s})
	semabusv1.RegisterAdminServer(s.grpc, &adminService{s: s})
	s.registerAlpha(s.grpc)
	healthv1.RegisterHealthServer(s.grpc, &healthService{s.health, s})
	reflection.Register(s.grpc)
	var err error
	if s.permissions, err = permissions(s.grpc); err != nil {
		return nil, err
	}
	for name := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
	}
	s.http = s.handler(o)
	return s, nil
}

// options are gRPC's. Receive limit: above the message limit by enough that a message that is too large reaches the
// handler, which can name the limit; beyond it gRPC refuses with RESOURCE_EXHAUSTED by itself. Windows: one frame of
// 1 MiB in flight a stream without waiting. Workers: streams reuse warm stacks instead of growing new ones.
func (s *Server) options(t *tls.Config) []grpc.ServerOption {
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(max(32<<20, 2*s.maxMessage+semabus.MaxFrameBytes)),
		grpc.MaxSendMsgSize(2*s.maxMessage + 2*semabus.MaxFrameBytes),
		grpc.InitialWindowSize(1 << 20),
		grpc.InitialConnWindowSize(4 << 20),
		grpc.WriteBufferSize(64 << 10),
		grpc.ReadBufferSize(64 << 10),
		grpc.MaxConcurrentStreams(100_000),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.InTapHandle(s.tap),
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return nil }), // admit answers first
		grpc.WaitForHandlers(true),
	}
	if t != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(t)))
	}
	return opts
}

// tap gives the long-lived streams a context that their handlers can end, which is the only way to end a Recv from inside.
// gRPC then answers CANCELLED by itself, so a stream that is cut has been told why in a frame before.
func (s *Server) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	if info.FullMethodName != semabusv1.Bus_PublishStream_FullMethodName && info.FullMethodName != semabusv1.Bus_Subscribe_FullMethodName {
		return ctx, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	return context.WithValue(ctx, cutKey{}, cancel), nil
}

type cutKey struct{}

// cut ends a stream's Recv; see tap.
func cut(ctx context.Context) {
	if cancel, ok := ctx.Value(cutKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// GRPC is the server of the contract, health and reflection.
func (s *Server) GRPC() *grpc.Server { return s.grpc }

// HTTP serves /healthz, /readyz, /metrics and, where asked for, /debug/pprof.
func (s *Server) HTTP() http.Handler { return s.http }

// Shutdown ends the server in two steps: no new calls and no new deliveries, members are told to settle and go; when ctx
// ends, what is left is cut. It returns after every handler has returned.
func (s *Server) Shutdown(ctx context.Context) {
	s.health.Shutdown()
	s.stop()
	done, finished := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error {
		s.grpc.GracefulStop()
		finished()
		return nil
	})
	select {
	case <-done.Done():
	case <-ctx.Done():
		s.grpc.Stop()
	}
	_ = g.Wait() // GracefulStop has no error
}
