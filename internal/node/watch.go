package node

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/internal/obs"
)

// observer turns what the broker did into metrics.
type observer struct{ metrics *obs.Metrics }

var _ broker.Observer = observer{}

// Committed implements [broker.Observer]; the bus measures its own commits.
func (observer) Committed(int, int, time.Duration) {}

// Leased implements [broker.Observer]; the bus counts deliveries with the time they waited.
func (observer) Leased(string, string, int) {}

// Settled implements [broker.Observer].
func (o observer) Settled(_ semabus.SettleOutcome, deadLetter string) {
	if deadLetter != "" {
		o.metrics.DeadLettered()
	}
}

// scrapeTime bounds how long one scrape may look at the engine.
const scrapeTime = 5 * time.Second

// sources are asked at each scrape of /metrics.
func (n *Node) sources() obs.Sources {
	return obs.Sources{Queues: n.queues, Engine: n.engine}
}

// tenants are those that have a key, and the default one.
func (n *Node) tenants(ctx context.Context) []string {
	out := []string{semabus.DefaultTenant}
	keys, err := n.keys.List(ctx, "")
	if err != nil {
		n.log.Warn("gauges of the default tenant only", "error", err)
		return out
	}
	known := map[string]bool{semabus.DefaultTenant: true}
	for _, k := range keys {
		if !known[k.Tenant] {
			known[k.Tenant] = true
			out = append(out, k.Tenant)
		}
	}
	return out
}

func (n *Node) queues() (out []obs.Queue) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	for _, t := range n.tenants(ctx) {
		st, err := n.broker.Stats(ctx, t, nil)
		if err != nil {
			n.log.Warn("queue gauges are missing", "tenant", t, "error", err)
			continue
		}
		for _, g := range st.Groups {
			out = append(out, obs.Queue{Tenant: t, GroupStats: g})
		}
	}
	return out
}

func (n *Node) engine() (out obs.Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	for _, t := range n.tenants(ctx) {
		out.Intents += int64(n.router.Len(t))
	}
	st, err := n.broker.Stats(ctx, semabus.DefaultTenant, []string{semabus.GroupUnmatched})
	if err != nil {
		n.log.Warn("engine gauges are missing", "error", err)
		return out
	}
	for _, t := range n.tenants(ctx)[1:] {
		if st, err := n.broker.Stats(ctx, t, []string{semabus.GroupUnmatched}); err == nil {
			out.Messages += st.Messages
		}
	}
	out.Messages += st.Messages
	out.Marks, out.Bytes, out.Syncs, out.Commits = st.Marks, st.Bytes, st.Syncs, st.Commits
	return out
}
