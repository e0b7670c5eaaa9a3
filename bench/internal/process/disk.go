package process

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	semabus "github.com/semabus/semabus"
)

// syncs is how often SyncTime writes.
const syncs = 100

// SyncTime is the median time of writing 4 KiB behind the others and syncing them, in a file under dir whose place is
// allocated already: the price of one durable write, which all systems pay that keep their promise.
func SyncTime(dir string, clock semabus.Clock) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync-time"))
	if err != nil {
		return 0, Failed("write to "+dir, err)
	}
	defer func() {
		_ = f.Close() // what it holds is of no use
		_ = os.Remove(f.Name())
	}()
	if _, err := f.Write(make([]byte, syncs<<12)); err != nil {
		return 0, Failed("write to "+dir, err)
	}
	if err := f.Sync(); err != nil {
		return 0, Failed("sync a file in "+dir, err)
	}
	block := make([]byte, 1<<12)
	var took []time.Duration
	for i := range syncs {
		began := clock.Now()
		if _, err := f.WriteAt(block, int64(i)<<12); err != nil {
			return 0, Failed("write to "+dir, err)
		}
		if err := datasync(f); err != nil {
			return 0, Failed("sync a file in "+dir, err)
		}
		took = append(took, clock.Now().Sub(began))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// FreePort is a loopback port that nobody listens on now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, Failed("find a free port", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:errcheck // a TCP listener has a TCP address
}
