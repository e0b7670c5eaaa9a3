package group

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/document"
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
	Version        uint64            `yaml:"version"` // printed by get; the registry sets it
}

func (s *spec) config() semabus.GroupConfig {
	return semabus.GroupConfig{Name: s.Name, MaxConcurrency: s.MaxConcurrency, Lease: time.Duration(s.Lease), Grace: time.Duration(s.Grace),
		MaxAttempts: s.MaxAttempts, RetryBase: time.Duration(s.RetryBase), RetryCap: time.Duration(s.RetryCap),
		SessionOrder: s.SessionOrder, MaxDepth: s.MaxDepth, Topics: s.Topics}
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
	} {
		if given(flag) {
			set()
		}
	}
}
