package node

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	semabus "github.com/semabus/semabus"
)

// The garbage collector lets the heap grow by a share of what lives (GOGC, 100 %). A bus that holds much then needs twice its
// memory, and one that holds little collects all the time. So the node sets the share anew every few seconds, to leave about
// the same room whatever lives. Whoever sets GOGC keeps what they set.
const (
	heapRoom      = 96 << 20 // bytes between two collections
	leastPercent  = 30
	mostPercent   = 400
	heapLookEvery = 2 * time.Second

	heapLive = "/gc/heap/live:bytes"
)

// heapPercent is the share for a heap of which so much lives.
func heapPercent(live uint64) int {
	if live == 0 {
		return mostPercent
	}
	return int(min(max(100*heapRoom/live, leastPercent), mostPercent)) //nolint:gosec // bounded
}

// tuneMemory keeps the share until ctx ends, and then puts back what was.
func tuneMemory(ctx context.Context, clock semabus.Clock) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	sample := []metrics.Sample{{Name: heapLive}}
	before, now := 0, 0
	for first := true; ; first = false {
		metrics.Read(sample)
		if p := heapPercent(sample[0].Value.Uint64()); p != now {
			was := debug.SetGCPercent(p)
			if now = p; first {
				before = was
			}
		}
		over := make(chan struct{})
		stop := clock.AfterFunc(heapLookEvery, func() { close(over) })
		select {
		case <-over:
		case <-ctx.Done():
			stop()
			debug.SetGCPercent(before)
			return nil
		}
	}
}
