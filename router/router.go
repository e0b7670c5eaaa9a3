package router

import (
	"errors"
	"log/slog"
	"sync"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/router/driver"
)

// Options configure a [Router]. The zero value of a field means the stated default.
type Options struct {
	Embedder *embed.Embedder // required: turns registered texts into vectors; its first tier is the one compared
	Index    driver.Driver   // required: where the intents' vectors are searched
	Clock    semabus.Clock   // nil = the machine's clock
	Logger   *slog.Logger    // nil = discard
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = semabus.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	var faults []error
	missing := func(field string) {
		faults = append(faults, &semabus.Error{
			Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonRequired, Field: field, Op: "router.New", Fix: "give one",
		})
	}
	if o.Embedder == nil || len(o.Embedder.Tiers()) == 0 {
		missing("Options.Embedder")
	}
	if o.Index == nil {
		missing("Options.Index")
	}
	return errors.Join(faults...)
}

// Router decides who hears a message. It is safe for concurrent use; Decide, Match and Explain take no lock that a change
// of the registry holds.
type Router struct {
	o    Options
	tier embeddriver.Tier

	mu      sync.RWMutex // guards tenants
	tenants map[string]*tenant
	changed chan struct{} // capacity 1: a set has to be fitted again
}

// New makes a router without intents. It starts nothing; see [Router.Run].
func New(o Options) (*Router, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Router{o: o, tier: o.Embedder.Tiers()[0], tenants: map[string]*tenant{}, changed: make(chan struct{}, 1)}, nil
}

// snapshot is the tenant's current snapshot, nil for an unknown tenant.
func (r *Router) snapshot(name string) *snapshot {
	r.mu.RLock()
	t := r.tenants[name]
	r.mu.RUnlock()
	if t == nil {
		return nil
	}
	return t.snap.Load()
}

// tenant is the tenant of that name, made where there is none.
func (r *Router) tenant(name string) *tenant {
	r.mu.RLock()
	t := r.tenants[name]
	r.mu.RUnlock()
	if t != nil {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if t = r.tenants[name]; t == nil {
		t = newTenant(name)
		r.tenants[name] = t
	}
	return t
}

// WantsVectors reports whether a vector can matter for the tenant's messages at this moment: whether any set waits for its
// fit, or its fit gave vectors a weight. Where it cannot, [Request].Vectors may stay empty and nothing is Degraded.
func (r *Router) WantsVectors(tenantName string) bool {
	s := r.snapshot(tenantName)
	return s != nil && s.wantsVectors()
}

// wantsVectors reports whether any scorer of the tenant uses vector evidence.
func (s *snapshot) wantsVectors() bool {
	for _, list := range [...][]*view{s.loose, s.trained} {
		for _, v := range list {
			if v.vectors {
				return true
			}
		}
	}
	return false
}
