package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/internal/node"
)

// folder checks the data folder: that it can be written, whether a node has it, its space and its disk's fsync.
func folder(c *node.Config, running bool) []Finding {
	dir, state := existing(c.Data)
	if dir == "" {
		return []Finding{{"data folder", Fail, c.Data + " and no folder above it exists", "name another folder with --data"}}
	}
	f, err := os.CreateTemp(dir, ".semabus-doctor-")
	if err != nil {
		return []Finding{{"data folder", Fail, fault.Clean(err.Error()), "give this user the right to write " + dir}}
	}
	defer os.Remove(f.Name()) //nolint:errcheck // nothing but this check made it
	defer f.Close()           //nolint:errcheck // it is removed
	return []Finding{{"data folder", OK, c.Data + ", " + state, ""}, lock(c.Data, running), space(dir), fsync(f), clock(c.Data)}
}

// existing is the data folder itself, or the nearest folder above that exists, and which of the two it is.
func existing(data string) (dir, state string) {
	data, err := filepath.Abs(data)
	if err != nil {
		return "", ""
	}
	if st, err := os.Stat(data); err == nil && st.IsDir() {
		return data, "can be written"
	}
	for dir = filepath.Dir(data); ; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err == nil {
			if !st.IsDir() {
				return "", ""
			}
			return dir, "will be made"
		}
		if dir == filepath.Dir(dir) {
			return "", ""
		}
	}
}

// lock looks whether a node has the folder. It takes a shared lock for a moment, which no running node notices.
func lock(data string, running bool) Finding {
	f, err := os.Open(filepath.Join(data, "broker", "LOCK"))
	if errors.Is(err, fs.ErrNotExist) {
		return Finding{"data lock", OK, "no node has used it yet", ""}
	}
	if err != nil {
		return Finding{"data lock", Fail, fault.Clean(err.Error()), "give this user the right to read the folder"}
	}
	defer f.Close() //nolint:errcheck // read only
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); {
	case err == nil:
		return Finding{"data lock", OK, "free", ""}
	case errors.Is(err, unix.EWOULDBLOCK) && running:
		return Finding{"data lock", OK, "held by the running node", ""}
	case errors.Is(err, unix.EWOULDBLOCK):
		return Finding{"data lock", Warn, "another node has it, at another address", "stop that node, or name another folder"}
	default:
		return Finding{"data lock", Warn, fault.Clean(err.Error()), "put the data on a local disk: this file system has no locks"}
	}
}

// refuseBelow is where the broker refuses new messages: a tenth of the disk, at most 1 GiB.
func refuseBelow(total uint64) uint64 { return min(total/10, 1<<30) }

func space(dir string) Finding {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Finding{"free space", Warn, fault.Clean(err.Error()), "look at the disk"}
	}
	size := uint64(st.Bsize) //nolint:gosec // a block size is positive
	free, total := st.Bavail*size, st.Blocks*size
	f := Finding{"free space", OK, fmt.Sprintf("%s of %s", bytes(free), bytes(total)), ""}
	switch need := refuseBelow(total); {
	case free < need:
		f.State, f.Fix = Fail, "free some: below "+bytes(need)+" new messages are refused"
	case free < 4*need:
		f.State, f.Fix = Warn, "free some soon: below "+bytes(need)+" new messages are refused"
	}
	return f
}

func bytes(n uint64) string {
	const gib = 1 << 30
	if n >= gib {
		return fmt.Sprintf("%.1f GiB", float64(n)/gib)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// The bounds of an fsync that need no word: publishes wait for one.
const (
	syncs    = 20
	slowSync = 10 * time.Millisecond
)

// fsync measures how long a small write takes to be durable.
func fsync(f *os.File) Finding {
	took := make([]time.Duration, syncs)
	block := make([]byte, 4<<10)
	for i := range took {
		begin := time.Now()
		_, err := f.Write(block)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return Finding{"fsync", Fail, fault.Clean(err.Error()), "look at the disk"}
		}
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	median, worst := took[syncs/2], took[syncs-1]
	out := Finding{"fsync", OK, fmt.Sprintf("median %s, worst %s of %d", median.Round(time.Microsecond), worst.Round(time.Microsecond), syncs), ""}
	if median > slowSync {
		out.State, out.Fix = Warn, "use a faster disk: every publish waits for an fsync"
	}
	return out
}

// clock compares the machine's clock with the newest thing in the data folder.
func clock(data string) Finding {
	now := time.Now()
	var newest time.Time
	_ = filepath.WalkDir(data, func(_ string, d fs.DirEntry, err error) error { // what cannot be read is not compared
		if err != nil {
			return nil //nolint:nilerr // skipped
		}
		if info, err := d.Info(); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	})
	f := Finding{"clock", OK, now.UTC().Format(time.RFC3339), ""}
	if ahead := newest.Sub(now); ahead > time.Minute {
		f.State, f.Fix = Warn, "set the clock: the data folder is "+ahead.Round(time.Second).String()+" ahead of it, and times never go back"
	} else if now.Year() < 2024 {
		f.State, f.Fix = Warn, "set the clock"
	}
	return f
}

// bind checks that strangers are kept out.
func bind(c *node.Config) Finding {
	k, err := node.OpenKeys(c.Data, semabus.SystemClock{})
	if err != nil {
		return Finding{"keys", Fail, fault.Summary(err), "restore keys.json, or delete it and create new keys"}
	}
	if !k.Empty() {
		return Finding{"keys", OK, "callers need a key", ""}
	}
	for _, a := range []string{c.Listen, c.HTTP} {
		if a == "" || loopback(a) {
			continue
		}
		if c.Insecure {
			return Finding{"keys", Warn, "none, and " + a + " is open to everybody", "create a key: semabus key create"}
		}
		return Finding{"keys", Fail, "none, so that serve refuses " + a, "create a key: semabus key create"}
	}
	return Finding{"keys", OK, "none: only this machine is served, as administrator", ""}
}
