package group

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/document"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
)

// spec is a group in a file.
type spec struct {
	Name           string            `yaml:"name"`
	MaxConcurrency int               `yaml:"maxConcurrency"`
	Lease          document.Duration `yaml:"lease"`
	Grace          document.Duration `yaml:"grace"`
	MaxAttempts    int               `yaml:"maxAttempts"`
	RetryBase      document.Duration `yaml:"retryBase"`
	RetryCap       document.Duration `yaml:"retryCap"`
	SessionOrder   bool              `yaml:"sessionOrder"`
	MaxDepth       int64             `yaml:"maxDepth"`
	Topics         []string          `yaml:"topics"`
	Ageing         document.Duration `yaml:"ageing"`
	OnExpiry       expiry            `yaml:"onExpiry"`
	Version        uint64            `yaml:"version"` // printed by get; the registry sets it
}

func (s *spec) config() semabus.GroupConfig {
	return semabus.GroupConfig{Name: s.Name, MaxConcurrency: s.MaxConcurrency, Lease: time.Duration(s.Lease), Grace: time.Duration(s.Grace),
		MaxAttempts: s.MaxAttempts, RetryBase: time.Duration(s.RetryBase), RetryCap: time.Duration(s.RetryCap),
		SessionOrder: s.SessionOrder, MaxDepth: s.MaxDepth, Topics: s.Topics, Ageing: time.Duration(s.Ageing),
		OnExpiry: semabus.ExpiryPolicy(s.OnExpiry)}
}

// expiry is a semabus.ExpiryPolicy that a file or a flag names.
type expiry semabus.ExpiryPolicy

// expiries are the names on the command line and in files, where underscores do as well.
var expiries = []string{"dead-letter", "drop"}

// Set implements pflag.Value.
func (e *expiry) Set(text string) error {
	i := slices.Index(expiries, strings.ReplaceAll(text, "_", "-"))
	if i < 0 {
		return fault.Usage("--on-expiry", text, "use one of "+strings.Join(expiries, ", "))
	}
	*e = expiry(i)
	return nil
}

// String implements pflag.Value.
func (e *expiry) String() string { return expiries[*e] }

// Type implements pflag.Value.
func (*expiry) Type() string { return "string" }

// UnmarshalYAML reads the name.
func (e *expiry) UnmarshalYAML(n *yaml.Node) error {
	if err := e.Set(n.Value); err != nil {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: fmt.Sprintf("line %d: onExpiry", n.Line),
			Value: semabus.Shorten(n.Value), Fix: "use one of " + strings.Join(expiries, ", ")}
	}
	return nil
}

// readFile reads groups from a file, "-" = standard input.
func readFile(stdin io.Reader, name string) ([]semabus.GroupConfig, error) {
	specs, err := document.Load[spec](stdin, name, "group")
	if err != nil {
		return nil, err
	}
	out := make([]semabus.GroupConfig, len(specs))
	for i := range specs {
		out[i] = specs[i].config()
	}
	return out, nil
}

// bindConfig adds the flags of a group's configuration.
func bindConfig(cmd *cobra.Command, g *semabus.GroupConfig) {
	f := cmd.Flags()
	f.IntVar(&g.MaxConcurrency, "max-concurrency", 0, "leases held at once by all members; 0 = unlimited")
	f.DurationVar(&g.Lease, "lease", semabus.DefaultLease, "term of a lease")
	f.DurationVar(&g.Grace, "grace", semabus.DefaultGrace, "after a lost connection, before its leases go to others")
	f.IntVar(&g.MaxAttempts, "max-attempts", 16, "attempts before the dead letters")
	f.DurationVar(&g.RetryBase, "retry-base", 500*time.Millisecond, "delay after the first failed attempt; doubles, with jitter")
	f.DurationVar(&g.RetryCap, "retry-cap", 5*time.Minute, "longest delay between attempts")
	f.BoolVar(&g.SessionOrder, "session-order", false, "one message of a session at a time, in order")
	f.Int64Var(&g.MaxDepth, "max-depth", 0, "waiting deliveries; 0 = unlimited")
	f.StringArrayVar(&g.Topics, "topic", nil, "a topic that it subscribes to, exact or orders.*; repeat for more")
	f.DurationVar(&g.Ageing, "ageing", 0, "a message competes as if it were so much older for each step of its priority; 0 = strict priority")
	f.Var((*expiry)(&g.OnExpiry), "on-expiry", "what becomes of a message that nobody took before its TTL: "+strings.Join(expiries, ", "))
}

// apply writes the flags that were given into g.
func apply(given func(string) bool, g, from *semabus.GroupConfig) {
	for flag, set := range map[string]func(){
		"max-concurrency": func() { g.MaxConcurrency = from.MaxConcurrency },
		"lease":           func() { g.Lease = from.Lease },
		"grace":           func() { g.Grace = from.Grace },
		"max-attempts":    func() { g.MaxAttempts = from.MaxAttempts },
		"retry-base":      func() { g.RetryBase = from.RetryBase },
		"retry-cap":       func() { g.RetryCap = from.RetryCap },
		"session-order":   func() { g.SessionOrder = from.SessionOrder },
		"max-depth":       func() { g.MaxDepth = from.MaxDepth },
		"topic":           func() { g.Topics = from.Topics },
		"ageing":          func() { g.Ageing = from.Ageing },
		"on-expiry":       func() { g.OnExpiry = from.OnExpiry },
	} {
		if given(flag) {
			set()
		}
	}
}
