package bus

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
)

const (
	// expireEvery is the time between two looks for deliveries whose TTL ran out.
	expireEvery = time.Second
	// expireAtOnce is how many one look accounts for: more may wait.
	expireAtOnce = 1000
)

// expire accounts for deliveries whose TTL ran out before anybody leased them, until ctx ends: each goes to the dead letters, or
// ends where its group's configuration says so.
func (b *Bus) expire(ctx context.Context) error {
	failing := false
	for ctx.Err() == nil {
		dead := 0
		n, err := b.broker.Expire(context.WithoutCancel(ctx), func(tenant, group string) bool { // a commit is short and must not be torn
			drop := b.flow.Config(tenant, group).OnExpiry == semabus.ExpiryDrop
			if !drop {
				dead++
			}
			return drop
		})
		b.metrics.Expired(n, min(n, dead))
		if err != nil && !failing {
			b.log.Error("deliveries whose time to live ran out wait to be accounted for", "error", err)
		}
		if failing = err != nil; failing || n < expireAtOnce {
			b.pause(ctx, expireEvery)
		}
	}
	return nil
}
