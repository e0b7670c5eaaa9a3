//go:build !linux

package meter

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
)

// Sleep waits for d, as exactly as the runtime's timers are. For short waits only.
func Sleep(d time.Duration) { Wait(context.Background(), semabus.SystemClock{}, d) }
