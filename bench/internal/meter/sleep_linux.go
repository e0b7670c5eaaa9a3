package meter

import (
	"syscall"
	"time"
)

// Sleep waits in the kernel, which wakes within some 60 µs; the runtime's timers are up to 1 ms late in an idle process,
// which is more than what a latency measures. It cannot be interrupted: for short waits only.
func Sleep(d time.Duration) {
	for rest := syscall.NsecToTimespec(int64(d)); ; {
		var left syscall.Timespec
		if err := syscall.Nanosleep(&rest, &left); err != syscall.EINTR {
			return
		}
		rest = left
	}
}
