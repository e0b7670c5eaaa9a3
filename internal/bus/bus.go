package bus

import (
	"context"
	"log/slog"
	"sync"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/flow"
	"github.com/semabus/semabus/internal/obs"
	"github.com/semabus/semabus/router"
)

// Options are the parts a Bus is made of; all but Logger and Metrics are required.
type Options struct {
	Broker   *broker.Broker
	Embedder *embed.Embedder
	Router   *router.Router
	Flow     *flow.Flow
	Clock    semabus.Clock
	Logger   *slog.Logger
	Metrics  *obs.Metrics // nil-safe
	Tracer   *obs.Tracer  // nil-safe
	Build    Build
	// Retention bounds the reserved queues by name; nil = [broker.Retained].
	Retention map[string]broker.Bound
	// Transactions says when producers are asked how their transactions ended.
	Transactions TransactionOptions
}

// Build is what Info reports of the node around the bus.
type Build struct {
	Version   string
	ClusterID string
	Broker    string // URLs of the seams
	Index     string
	Embed     string
	MaxBytes  int // bound of one message; 0 = semabus.MaxMessageBytes
}

// Bus is the main path. It is safe for concurrent use.
type Bus struct {
	broker       *broker.Broker
	embed        *embed.Embedder
	router       *router.Router
	flow         *flow.Flow
	clock        semabus.Clock
	log          *slog.Logger
	metrics      *obs.Metrics
	tracer       *obs.Tracer
	build        Build
	registry     registry
	ingress      ingress
	transactions *transactions
	started      time.Time
	retention    map[string]broker.Bound
	tier         embeddriver.Tier // the embedder's first: its space is the one that is compared
	pool         sync.Pool        // of *scratch
}

// Open folds the registry logs of all tenants into router and flow and returns a Bus that is ready to serve.
func Open(ctx context.Context, o Options) (*Bus, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Build.MaxBytes == 0 {
		o.Build.MaxBytes = semabus.MaxMessageBytes
	}
	b := &Bus{
		broker: o.Broker, embed: o.Embedder, router: o.Router, flow: o.Flow, clock: o.Clock, log: o.Logger,
		metrics: o.Metrics, tracer: o.Tracer, build: o.Build, started: o.Clock.Now(),
		registry: registry{logs: map[logKey]*registryLog{}},
		ingress:  ingress{tenants: map[string]bool{}, added: make(chan struct{}, 1)},
	}
	b.transactions = newTransactions(o.Transactions)
	if b.retention = o.Retention; b.retention == nil {
		b.retention = broker.Retained()
	}
	b.pool.New = func() any { return &scratch{} }
	if tiers := o.Embedder.Tiers(); len(tiers) > 0 {
		b.tier = tiers[0]
	}
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// Info describes the node.
type Info struct {
	Version         string
	ClusterID       string
	Broker          string
	Index           string
	Embed           string
	Space           string
	StartedAt       time.Time
	Intents         int // of the caller's tenant
	RegistryVersion uint64
	PendingRefits   int
	Messages        int64 // retained, of the caller's tenant
	DiskBytes       int64 // this and what follows is of the whole node: see Info
	Syncs           int64
	Commits         int64
}

// Info answers for the caller's tenant. The counts of the whole node, all tenants together, are for those who run it: the
// operators and administrators of the default tenant; others get 0.
func (b *Bus) Info(ctx context.Context, p semabus.Principal) (Info, error) {
	in := Info{
		Version: b.build.Version, ClusterID: b.build.ClusterID, Broker: b.build.Broker, Index: b.build.Index,
		Embed: b.build.Embed, StartedAt: b.started, RegistryVersion: b.router.Version(p.Tenant),
		Intents: b.router.Len(p.Tenant), PendingRefits: b.router.Pending(p.Tenant), Space: b.tier.Space,
	}
	st, err := b.broker.Stats(ctx, p.Tenant, []string{semabus.GroupUnmatched})
	if err != nil {
		return Info{}, err
	}
	in.Messages = st.Messages
	if p.Tenant == semabus.DefaultTenant && operates(p) {
		in.DiskBytes, in.Syncs, in.Commits = st.Bytes, st.Syncs, st.Commits
	}
	return in, nil
}

// operates reports whether a caller may look behind the reserved names.
func operates(p semabus.Principal) bool {
	return p.Role == semabus.RoleOperator || p.Role == semabus.RoleAdmin
}

// Space names the embedding space and tier of the scores that Match returns: those of the embedder's first tier.
func (b *Bus) Space() (space, tier string) { return b.tier.Space, b.tier.Name }

// invalid is the typed error for a caller's field.
func invalid(op, reason, field, value, limit, fix string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: reason, Op: op, Field: field,
		Value: semabus.Shorten(value), Limit: limit, Fix: fix}
}

func notFound(op, field, value, fix string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Op: op, Field: field,
		Value: semabus.Shorten(value), Fix: fix}
}
