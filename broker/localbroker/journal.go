package localbroker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// journal writes frames to the end of the log. It belongs to the leader of the commits.
type journal struct {
	fs      FS
	dir     string
	logID   [16]byte
	segment uint32
	file    File
	seed    uint32
	offset  int64  // of the next frame
	filled  int64  // up to here the file has its blocks, so that a sync has no metadata to write
	length  int64  // of the file
	ahead   int64  // how much to fill at once
	full    int64  // size from which a segment is full
	number  uint64 // of the newest frame
	written int64  // bytes since the newest checkpoint

	unsynced bool // the newest frame was not synced: a relaxed log, or one that was just replayed
	lost     bool // a sync failed: what the disk holds is not known
	syncs    atomic.Int64
	bytes    atomic.Int64 // of all segments
	zeros    []byte
	opened   func(segment uint32, f File) // hears of each new segment

	spareMu sync.Mutex
	spares  []string // files of dropped segments, for those to come
}

// maxSpares bounds the dropped segments whose files are kept for the next ones: a file that has its blocks already needs no
// zeros written ahead and no metadata synced. What a spare holds is never taken for frames: checksums are seeded with the
// number of the segment.
const maxSpares = 2

func spareName(n uint32) string { return fmt.Sprintf("%010d.spare", n) }

// retire takes the file of a dropped segment out of the log: as a spare, or for good.
func (j *journal) retire(n uint32) error {
	name := filepath.Join(j.dir, segmentName(n))
	j.spareMu.Lock()
	defer j.spareMu.Unlock()
	if len(j.spares) >= maxSpares {
		return j.fs.Remove(name)
	}
	if err := j.fs.Rename(name, filepath.Join(j.dir, spareName(n))); err != nil {
		return err
	}
	j.spares = append(j.spares, spareName(n))
	return nil
}

// reuse gives a spare the name of a new segment; false where there is none.
func (j *journal) reuse(n uint32) (bool, error) {
	j.spareMu.Lock()
	defer j.spareMu.Unlock()
	if len(j.spares) == 0 {
		return false, nil
	}
	last := len(j.spares) - 1
	if err := j.fs.Rename(filepath.Join(j.dir, j.spares[last]), filepath.Join(j.dir, segmentName(n))); err != nil {
		return false, err
	}
	j.spares = j.spares[:last]
	return true, nil
}

const (
	minAhead = 256 << 10
	maxAhead = 1 << 20
)

func segmentName(n uint32) string { return fmt.Sprintf("%010d.seg", n) }

// segmentNumber reads the name of a segment; ok is false for any other file.
func segmentNumber(name string) (n uint32, ok bool) {
	digits, found := strings.CutSuffix(name, ".seg")
	v, err := strconv.ParseUint(digits, 10, 32)
	return uint32(v), found && err == nil && segmentName(uint32(v)) == name //nolint:gosec // parsed with 32 bits
}

// reserve makes room for a frame of at most size bytes: it begins a new segment where the old one is full, and fills the
// file ahead. An error leaves the log as it was, and may be answered by trying again unless lost is set.
func (j *journal) reserve(size int) error {
	if j.offset >= j.full {
		if err := j.roll(j.segment + 1); err != nil {
			return err
		}
	}
	end := j.offset + int64(size)
	if end <= j.filled {
		return nil
	}
	n := max(end-j.filled, j.ahead)
	if n = min(n, max(j.full-j.filled, end-j.filled)); int64(len(j.zeros)) < n {
		j.zeros = make([]byte, n)
	}
	if _, err := j.file.WriteAt(j.zeros[:n], j.filled); err != nil {
		return err
	}
	j.filled += n
	j.bytes.Add(max(0, j.filled-j.length))
	j.length = max(j.length, j.filled)
	j.ahead = min(2*j.ahead, maxAhead)
	return nil
}

// roll begins the segment n.
func (j *journal) roll(n uint32) error {
	if j.unsynced { // the log has no hole in the middle
		if err := j.file.Sync(); err != nil {
			j.lost = true
			return err
		}
		j.unsynced = false
	}
	reused, err := j.reuse(n)
	if err != nil {
		return err
	}
	f, err := j.fs.OpenFile(filepath.Join(j.dir, segmentName(n)), os.O_CREATE)
	if err != nil {
		return err
	}
	length, err := f.Size() // a crash may have left one that nothing was acknowledged in
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if err := j.fs.SyncDir(j.dir); err != nil {
		j.lost = true
		return errors.Join(err, f.Close())
	}
	j.use(n, f, 0, length)
	if reused {
		j.filled = min(length, j.full)
		j.bytes.Add(length)
	}
	j.opened(n, f)
	return nil
}

// use goes on writing in an open segment at an offset; the file has a length already.
func (j *journal) use(n uint32, f File, offset, length int64) {
	j.segment, j.file, j.offset, j.filled, j.length = n, f, offset, offset, length
	j.seed = frameSeed(j.logID, n)
}

// append writes one frame, given as room for its header and the payload, and makes it durable if sync says so. After an
// error nothing is known about the end of the log.
func (j *journal) append(frame []byte, sync bool) error {
	frame = sealFrame(frame, j.seed, j.number+1)
	if _, err := j.file.WriteAt(frame, j.offset); err != nil {
		return err
	}
	if sync && !dropFsync {
		if err := j.file.Sync(); err != nil {
			return err
		}
		j.syncs.Add(1)
	}
	j.unsynced = !sync
	j.number++
	j.offset += int64(len(frame))
	j.filled = max(j.filled, j.offset)
	j.written += int64(len(frame))
	return nil
}
