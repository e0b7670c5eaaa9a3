package localbroker_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/semabus/semabus/broker/localbroker"
)

// crashFS is a file system in memory that can lose power: what was not synced is then gone, or there in parts. It can also
// fail from the n-th change on.
type crashFS struct {
	mu     sync.Mutex
	now    map[string]*inode // the folder as the process sees it
	synced map[string]*inode // the folder as the disk has it
	locks  map[string]bool
	life   int // rises with every crash: files of an earlier life are dead

	changes int   // writes, syncs, renames, removals and creations so far
	failAt  int   // the change that fails, and all after it; 0 = none
	failure error // with what
	full    bool  // writes that grow a file fail with ENOSPC

	// What happens meanwhile: called before a sync or a read of a file, and before a rename, without the lock.
	onSync   func()
	onRead   func()
	onRename func(to string)
}

// inode is one file: its bytes now, and as of its last sync.
type inode struct {
	data, synced []byte
	dirty        []extent // written since the last sync
}

type extent struct{ from, to int }

func newCrashFS() *crashFS {
	return &crashFS{now: map[string]*inode{}, synced: map[string]*inode{}, locks: map[string]bool{}}
}

// crash cuts the power. Of what was not synced each sector survives with the given probability.
func (fs *crashFS) crash(survives float64, rnd *rand.Rand) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	const sector = 512
	fs.life++
	fs.now = map[string]*inode{}
	for name, n := range fs.synced {
		after := slices.Clone(n.synced)
		for _, x := range n.dirty {
			for at := x.from; at < x.to; at = (at/sector + 1) * sector {
				end := min((at/sector+1)*sector, x.to)
				if rnd == nil || rnd.Float64() >= survives || end > len(n.data) {
					continue
				}
				if len(after) < end {
					after = append(after, make([]byte, end-len(after))...)
				}
				copy(after[at:end], n.data[at:end])
			}
		}
		fs.now[name] = &inode{data: after, synced: slices.Clone(after)}
	}
	fs.synced = map[string]*inode{}
	for name, n := range fs.now {
		fs.synced[name] = n
	}
	fs.locks = map[string]bool{}
	fs.failAt, fs.full = 0, false
}

// kill is kill -9: the operating system keeps what it was given.
func (fs *crashFS) kill() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.life++
	fs.locks = map[string]bool{}
	fs.failAt, fs.full = 0, false
}

// failFrom lets the n-th change from now fail, and every later one.
func (fs *crashFS) failFrom(n int, err error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.failAt, fs.failure = fs.changes+n, err
}

// change counts one change and fails it where it must.
func (fs *crashFS) change() error {
	fs.changes++
	if fs.failAt > 0 && fs.changes >= fs.failAt {
		return fs.failure
	}
	return nil
}

// process is the file system as one process sees it: nothing works for it after the crash or kill that ended it.
type process struct {
	*crashFS
	life int
}

// begin is the view of a new process.
func (fs *crashFS) begin() *process {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return &process{fs, fs.life}
}

// dead is why nothing works any more; fs.mu is held.
func (fs *process) dead() error {
	if fs.life != fs.crashFS.life {
		return errDead
	}
	return nil
}

func (fs *process) MkdirAll(string) error { return nil }

func (fs *process) OpenFile(name string, flag int) (localbroker.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.dead(); err != nil {
		return nil, err
	}
	n := fs.now[name]
	switch {
	case n != nil && flag&os.O_EXCL != 0:
		return nil, os.ErrExist
	case n == nil && flag&os.O_CREATE == 0:
		return nil, os.ErrNotExist
	case n == nil:
		if err := fs.change(); err != nil {
			return nil, err
		}
		n = &inode{}
		fs.now[name] = n
	}
	return &crashFile{fs: fs, inode: n}, nil
}

func (fs *process) Rename(from, to string) error {
	if fs.onRename != nil {
		fs.onRename(to)
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.dead(); err != nil {
		return err
	}
	if err := fs.change(); err != nil {
		return err
	}
	if fs.now[from] == nil {
		return os.ErrNotExist
	}
	fs.now[to] = fs.now[from]
	delete(fs.now, from)
	return nil
}

func (fs *process) Remove(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.dead(); err != nil {
		return err
	}
	if fs.now[name] == nil {
		return os.ErrNotExist
	}
	if err := fs.change(); err != nil {
		return err
	}
	delete(fs.now, name)
	return nil
}

func (fs *process) ReadDir(dir string) ([]string, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.dead(); err != nil {
		return nil, err
	}
	var names []string
	for name := range fs.now {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (fs *process) SyncDir(string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.dead(); err != nil {
		return err
	}
	if err := fs.change(); err != nil {
		return err
	}
	fs.synced = map[string]*inode{}
	for name, n := range fs.now {
		fs.synced[name] = n
	}
	return nil
}

func (fs *process) Lock(name string) (io.Closer, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.dead(); err != nil {
		return nil, err
	}
	if fs.locks[name] {
		return nil, fmt.Errorf("%s: %w", name, localbroker.ErrLocked)
	}
	fs.locks[name] = true
	return closer(func() error {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		if fs.dead() == nil {
			delete(fs.locks, name)
		}
		return nil
	}), nil
}

func (fs *process) Space(string) (free, total uint64, err error) { return 1 << 40, 1 << 41, nil }

type closer func() error

func (c closer) Close() error { return c() }

// crashFile is one open file; it is dead after a crash.
type crashFile struct {
	fs     *process
	inode  *inode
	closed bool
}

var errDead = errors.New("file of a process that was killed")

func (f *crashFile) ReadAt(p []byte, off int64) (int, error) {
	if f.fs.onRead != nil {
		f.fs.onRead()
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.dead(); err != nil {
		return 0, err
	}
	if f.closed {
		return 0, os.ErrClosed
	}
	if off >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.inode.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.dead(); err != nil {
		return 0, err
	}
	n, from, end := f.inode, int(off), int(off)+len(p)
	if f.fs.full && end > len(n.data) {
		return 0, syscall.ENOSPC
	}
	err := f.fs.change()
	if err != nil { // half of it may have reached the file
		end = from + len(p)/2
		p = p[:len(p)/2]
	}
	if end > len(n.data) {
		n.data = append(n.data, make([]byte, end-len(n.data))...)
	}
	copy(n.data[from:], p)
	n.dirty = append(n.dirty, extent{from, end})
	return len(p), err
}

// Sync that fails drops what it should have written: a later success says nothing about it, as on Linux.
func (f *crashFile) Sync() error {
	if f.fs.onSync != nil {
		f.fs.onSync()
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.dead(); err != nil {
		return err
	}
	n := f.inode
	if err := f.fs.change(); err != nil {
		n.dirty = nil
		return err
	}
	if len(n.synced) < len(n.data) {
		n.synced = append(n.synced, make([]byte, len(n.data)-len(n.synced))...)
	}
	for _, x := range n.dirty {
		copy(n.synced[x.from:x.to], n.data[x.from:x.to])
	}
	n.dirty = n.dirty[:0]
	return nil
}

func (f *crashFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.inode.data)), f.fs.dead()
}

func (f *crashFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.closed = true
	return nil
}

// flip changes a bit of a file; false where it is too short.
func (fs *crashFS) flip(name string, at int64) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.now[name]
	if n == nil || at >= int64(len(n.data)) {
		return false
	}
	n.data[at] ^= 4
	return true
}
