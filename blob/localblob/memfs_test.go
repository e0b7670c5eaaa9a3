package localblob_test

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/semabus/semabus/blob/localblob"
)

// memFS is a file system in memory that knows what would survive a loss of power: contents and times of files that were
// synced, under names whose folders were synced.
type memFS struct {
	mu      sync.Mutex
	live    map[string]*memFile // files and folders by path
	durable map[string]*memFile
	locked  bool

	ops    int  // changes tried so far
	failAt int  // the change that fails; 0 = none
	dead   bool // all changes from failAt on fail: the process died
}

// memFile is a file, or a folder.
type memFile struct {
	folder       bool
	data, synced []byte
	at, syncedAt time.Time
}

var errDead = errors.New("the process is dead")

func newMemFS() *memFS {
	root := &memFile{folder: true}
	return &memFS{live: map[string]*memFile{"/": root}, durable: map[string]*memFile{"/": root}}
}

// change counts a change and says whether it fails. The lock is held.
func (m *memFS) change() error {
	m.ops++
	switch {
	case m.failAt == 0 || m.ops < m.failAt || m.ops > m.failAt && !m.dead:
		return nil
	case m.dead:
		return errDead
	}
	return syscall.ENOSPC
}

// crash is what a machine finds after the power came back.
func (m *memFS) crash() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := newMemFS()
	for name, f := range m.durable {
		reachable := true
		for d := filepath.Dir(name); d != "/"; d = filepath.Dir(d) {
			reachable = reachable && m.durable[d] != nil
		}
		if reachable {
			after := &memFile{folder: f.folder, data: f.synced, synced: f.synced, at: f.syncedAt, syncedAt: f.syncedAt}
			n.live[name], n.durable[name] = after, after
		}
	}
	return n
}

// under lists the names in a folder.
func (m *memFS) under(dir string) []string {
	var names []string
	for name := range m.live {
		if name != "/" && filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names
}

func (m *memFS) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.change(); err != nil {
		return err
	}
	for d := filepath.Clean(dir); d != "/"; d = filepath.Dir(d) {
		if m.live[d] == nil {
			m.live[d] = &memFile{folder: true}
		}
	}
	return nil
}

func (m *memFS) ReadDir(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live[filepath.Clean(dir)] == nil {
		return nil, fs.ErrNotExist
	}
	return m.under(dir), nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.change(); err != nil {
		return err
	}
	dir = filepath.Clean(dir)
	for name := range m.durable {
		if name != "/" && filepath.Dir(name) == dir && m.live[name] == nil {
			delete(m.durable, name)
		}
	}
	for _, n := range m.under(dir) {
		m.durable[filepath.Join(dir, n)] = m.live[filepath.Join(dir, n)]
	}
	return nil
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.change(); err != nil {
		return err
	}
	if m.live[from] == nil || m.live[filepath.Dir(to)] == nil {
		return fs.ErrNotExist
	}
	m.live[to] = m.live[from]
	delete(m.live, from)
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.change(); err != nil {
		return err
	}
	if m.live[name] == nil {
		return fs.ErrNotExist
	}
	delete(m.live, name)
	return nil
}

func (m *memFS) Create(name string) (localblob.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.change(); err != nil {
		return nil, err
	}
	if m.live[filepath.Dir(name)] == nil {
		return nil, fs.ErrNotExist
	}
	f := &memFile{}
	m.live[name] = f
	return &memHandle{m, f}, nil
}

func (m *memFS) Open(name string) (localblob.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.live[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return &memHandle{m, f}, nil
}

func (m *memFS) Lock(string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked {
		return nil, localblob.ErrLocked
	}
	m.locked = true
	return unlock{m}, nil
}

type unlock struct{ m *memFS }

func (u unlock) Close() error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	u.m.locked = false
	return nil
}

// memHandle is an open file.
type memHandle struct {
	m *memFS
	f *memFile
}

func (h *memHandle) ReadAt(p []byte, off int64) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return strings.NewReader(string(h.f.data)).ReadAt(p, off)
}

// Write that fails has written half, as a full disk does.
func (h *memHandle) Write(p []byte) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.change(); err != nil {
		h.f.data = append(slices.Clip(h.f.data), p[:len(p)/2]...)
		return len(p) / 2, err
	}
	h.f.data = append(slices.Clip(h.f.data), p...)
	return len(p), nil
}

func (h *memHandle) Sync() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.change(); err != nil {
		return err
	}
	h.f.synced, h.f.syncedAt = h.f.data, h.f.at
	return nil
}

func (h *memHandle) Touch(t time.Time) error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.change(); err != nil {
		return err
	}
	h.f.at = t
	return nil
}

func (h *memHandle) Stat() (int64, time.Time, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return int64(len(h.f.data)), h.f.at, nil
}

func (h *memHandle) Close() error { return nil }
