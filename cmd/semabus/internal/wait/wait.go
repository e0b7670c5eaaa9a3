package wait

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

// refitPoll is the time between two looks at the router.
const refitPoll = 20 * time.Millisecond

// For waits for d or the end of ctx; it reports whether d passed.
func For(ctx context.Context, clock semabus.Clock, d time.Duration) bool {
	over := make(chan struct{})
	stop := clock.AfterFunc(d, func() { close(over) })
	defer stop()
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// Refits waits until the scorers of all changed intents are refitted. Errors: those of Admin.Info, and that of ctx.
func Refits(ctx context.Context, clock semabus.Clock, c *client.Client) error {
	for {
		info, err := c.Info(ctx)
		if err != nil || info.PendingRefits == 0 {
			return err
		}
		if !For(ctx, clock, refitPoll) {
			return ctx.Err()
		}
	}
}
