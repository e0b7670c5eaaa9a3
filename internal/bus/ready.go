package bus

import (
	"context"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
)

// Ready says why the engine takes no commits at all; nil where it does, also when it refuses some of them because the disk is
// nearly full or the dedup memory is. It asks by a commit that changes nothing and costs no write.
func (b *Bus) Ready(ctx context.Context) error {
	_, err := b.commit(ctx, &broker.Commit{Tenant: semabus.DefaultTenant, Conditions: never()})
	switch semabus.CodeOf(err) {
	case semabus.CodeFailedPrecondition, semabus.CodeResourceExhausted:
		return nil
	}
	return err
}
