package broker

import (
	"context"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// maxExpired bounds what one call of [Broker.Expire] accounts for.
const maxExpired = 1000

// Expire accounts for deliveries of all tenants whose TTL ran out before anybody leased them, at most 1,000 of them: they
// go to the dead-letter queue with [DeadExpired], or are dropped where forget says so for tenant and group. It returns how
// many there were; more may wait when that is 1,000. Whoever calls it from several nodes accounts for each once.
func (b *Broker) Expire(ctx context.Context, forget func(tenant, group string) bool) (n int, err error) {
	found, err := b.d.Find(ctx, &driver.Query{Expired: true, Max: maxExpired})
	if err != nil || len(found.Deliveries) == 0 {
		return 0, err
	}
	batches := make([]*driver.Batch, len(found.Deliveries))
	for i := range found.Deliveries {
		d := &found.Deliveries[i]
		batches[i] = &driver.Batch{
			Tenant: d.Tenant, Drops: []driver.Drop{{MessageID: d.MessageID, Group: d.Group, Key: d.Key, Expired: true}},
		}
		if d.Group != semabus.GroupDeadLetter && d.Group != semabus.GroupUnmatched && !forget(d.Tenant, d.Group) {
			d.Attempt = 0 // it was never begun
			batches[i].Deliveries = []driver.Enqueue{deadEnqueue(d, DeadExpired, "")}
		}
	}
	results, err := b.d.Commit(ctx, batches)
	for i := range results {
		if results[i].Applied {
			n++
		}
	}
	return n, err
}
