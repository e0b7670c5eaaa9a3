package localblob

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob/driver"
)

// Options configure [Open].
type Options struct {
	Dir   string        // required: the folder, made where it does not exist
	Clock semabus.Clock // nil = the machine's clock
	FS    FS            // nil = the machine's file system
}

// Store is the backend. It is safe for concurrent use.
type Store struct {
	dir   string
	fs    FS
	clock semabus.Clock
	lock  io.Closer
	next  atomic.Uint64 // number of the next temporary file

	// mu makes a touch and what follows from it one step: shared by those that touch, exclusive for Delete.
	mu     sync.RWMutex
	closed bool

	made sync.Map // folders known to be durable: path → struct{}
}

var _ driver.Driver = (*Store)(nil)

const (
	tmpDir   = "tmp"
	lockFile = "lock"

	shardDigits = 2 // of a hash name the folder of a blob
)

// Open takes the folder for this process and removes what an earlier one left unfinished. Errors: DATA_IN_USE where another
// process has it; READ_ONLY and DISK_FULL.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errInvalid("dir", "", "name the folder")
	}
	if o.Clock == nil {
		o.Clock = semabus.SystemClock{}
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	s := &Store{dir: o.Dir, fs: o.FS, clock: o.Clock}
	if err := s.fs.MkdirAll(filepath.Join(s.dir, tmpDir)); err != nil {
		return nil, errDisk(err)
	}
	if err := s.syncParents(); err != nil {
		return nil, errDisk(err)
	}
	lock, err := s.fs.Lock(filepath.Join(s.dir, lockFile))
	if errors.Is(err, ErrLocked) {
		return nil, errInUse(s.dir, err)
	}
	if err != nil {
		return nil, errDisk(err)
	}
	s.lock = lock
	if err := s.clean(); err != nil {
		return nil, errors.Join(errDisk(err), lock.Close())
	}
	return s, nil
}

// syncParents makes the folder itself durable, and whichever parents were made with it. A parent that may not be read, or
// that cannot be synced, was there before.
func (s *Store) syncParents() error {
	for d := filepath.Clean(s.dir); d != filepath.Dir(d); {
		d = filepath.Dir(d)
		if err := s.fs.SyncDir(d); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EINVAL) {
			return err
		}
	}
	return nil
}

// clean removes temporary files: whoever wrote them is gone.
func (s *Store) clean() error {
	names, err := s.fs.ReadDir(filepath.Join(s.dir, tmpDir))
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := s.fs.Remove(filepath.Join(s.dir, tmpDir, n)); err != nil {
			return err
		}
	}
	return nil
}

// Close gives the folder back. Later calls answer SHUTTING_DOWN; open readers go on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.lock.Close()
}

// ready refuses what cannot succeed: a closed store, an ended context, a hash that is none.
func (s *Store) ready(ctx context.Context, hashes ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, h := range hashes {
		if !isHash(h) {
			return errInvalid("sha256", strconv.QuoteToASCII(semabus.Shorten(h)), "64 lower-case hex digits")
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed()
	}
	return nil
}

func isHash(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

var base32Names = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// tenantDir is a tenant's folder. 160 bits of a hash keep tenants apart, whatever their names are made of.
func (s *Store) tenantDir(tenant string) string {
	sum := sha256.Sum256([]byte(tenant))
	return filepath.Join(s.dir, base32Names.EncodeToString(sum[:20]))
}

// shard is the folder of a blob; hash has been checked.
func (s *Store) shard(tenant, hash string) string {
	return filepath.Join(s.tenantDir(tenant), hash[:shardDigits])
}

func (s *Store) path(tenant, hash string) string { return filepath.Join(s.shard(tenant, hash), hash) }

// makeDirs makes a shard's folder durable, once a process.
func (s *Store) makeDirs(shard string) error {
	if _, ok := s.made.Load(shard); ok {
		return nil
	}
	if err := s.fs.MkdirAll(shard); err != nil {
		return err
	}
	for d := filepath.Dir(shard); ; d = filepath.Dir(d) {
		if err := s.fs.SyncDir(d); err != nil {
			return err
		}
		if d == filepath.Clean(s.dir) {
			break
		}
	}
	s.made.Store(shard, struct{}{})
	return nil
}

// Open implements [driver.Driver].
func (s *Store) Open(ctx context.Context, tenant, hash string, offset int64) (io.ReadCloser, int64, error) {
	if err := s.ready(ctx, hash); err != nil {
		return nil, 0, err
	}
	f, err := s.fs.Open(s.path(tenant, hash))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, errNotFound(hash)
	}
	if err != nil {
		return nil, 0, errDisk(err)
	}
	t, err := readTrailer(f, hash)
	if err == nil && (offset < 0 || offset > t.size) {
		err = errOffset(offset, t.size)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return &reader{f: f, hash: hash, t: t, pos: offset}, t.size, nil
}

// Stat implements [driver.Driver].
func (s *Store) Stat(ctx context.Context, tenant string, hashes []string) ([]driver.Info, error) {
	return s.infos(ctx, tenant, hashes, time.Time{})
}

// Touch implements [driver.Driver].
func (s *Store) Touch(ctx context.Context, tenant string, hashes []string) ([]driver.Info, error) {
	return s.infos(ctx, tenant, hashes, s.clock.Now())
}

// infos describes blobs and touches them unless the time is zero.
func (s *Store) infos(ctx context.Context, tenant string, hashes []string, touch time.Time) ([]driver.Info, error) {
	if err := s.ready(ctx, hashes...); err != nil {
		return nil, err
	}
	out := make([]driver.Info, len(hashes))
	for i, h := range hashes {
		err := s.info(tenant, h, touch, &out[i])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errDisk(err)
		}
	}
	return out, nil
}

func (s *Store) info(tenant, hash string, touch time.Time, out *driver.Info) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, err := s.fs.Open(s.path(tenant, hash))
	if err != nil {
		return err
	}
	defer f.Close()
	if !touch.IsZero() {
		if err := f.Touch(touch); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	size, touched, err := f.Stat()
	if err != nil {
		return err
	}
	*out = driver.Info{Hash: hash, Size: sizeOf(size), Touched: touched}
	return nil
}

// List implements [driver.Driver].
func (s *Store) List(ctx context.Context, tenant, after string, limit int) ([]driver.Info, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if after != "" && !isHash(after) {
		return nil, errInvalid("after", strconv.QuoteToASCII(semabus.Shorten(after)), "64 lower-case hex digits")
	}
	shards, err := s.fs.ReadDir(s.tenantDir(tenant))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errDisk(err)
	}
	var out []driver.Info
	for _, shard := range shards {
		if len(out) == limit {
			break
		}
		if len(shard) != shardDigits || after != "" && shard < after[:shardDigits] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if out, err = s.listShard(tenant, shard, after, limit, out); err != nil {
			return nil, errDisk(err)
		}
	}
	return out, nil
}

// listShard appends the blobs of one shard. A file that is gone again is left out.
func (s *Store) listShard(tenant, shard, after string, limit int, out []driver.Info) ([]driver.Info, error) {
	names, err := s.fs.ReadDir(filepath.Join(s.tenantDir(tenant), shard))
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if n <= after || !isHash(n) || len(out) == limit {
			continue
		}
		var in driver.Info
		switch err := s.info(tenant, n, time.Time{}, &in); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			out = append(out, in)
		}
	}
	return out, nil
}

// Delete implements [driver.Driver].
func (s *Store) Delete(ctx context.Context, tenant string, before time.Time, hashes []string) (int, error) {
	if err := s.ready(ctx, hashes...); err != nil {
		return 0, err
	}
	deleted := 0
	for _, h := range hashes {
		ok, err := s.delete(tenant, h, before)
		if err != nil {
			return deleted, errDisk(err)
		}
		if ok {
			deleted++
		}
	}
	return deleted, nil
}

// delete removes one blob unless it was touched since. It need not be durable: a blob that comes back is swept again.
func (s *Store) delete(tenant, hash string, before time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.fs.Open(s.path(tenant, hash))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, touched, err := f.Stat()
	_ = f.Close()
	if err != nil || !touched.Before(before) {
		return false, err
	}
	return true, s.fs.Remove(s.path(tenant, hash))
}
