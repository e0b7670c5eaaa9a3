package aged_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

// disk is a file system in memory that can lose power: what was not synced is then gone, or there in parts. It can also fail
// from one change on.
type disk struct {
	mu     sync.Mutex
	now    map[string]*inode // the folder as the process sees it
	synced map[string]*inode // the folder as the disk has it
	life   int               // rises with every crash: files of an earlier life are dead

	changes  int    // creations, writes, syncs, renames and removals so far
	failFrom int    // the first change that fails; 0 = none
	failTo   int    // the first one after it that does not
	failure  error  // with what
	noReads  error  // why no file can be read; nil when they can
	onChange func() // called before every change, without the lock
	onRead   func() // and before every read
}

// inode is one file: its bytes now, and as of its last sync.
type inode struct {
	data, synced []byte
	dirty        []extent // written since the last sync
}

type extent struct{ from, to int }

var (
	errDead = errors.New("file of a process that was killed")
	errDisk = errors.New("the disk is broken")
)

func newDisk() *disk { return &disk{now: map[string]*inode{}, synced: map[string]*inode{}} }

// crash cuts the power. Of what was not synced each sector survives with the given probability, and so does each creation,
// removal and renaming.
func (d *disk) crash(survives float64, rnd *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	const sector = 512
	d.life++
	names := map[string]*inode{}
	for name, n := range d.synced {
		if rnd.Float64() < survives {
			n = d.now[name]
		}
		names[name] = n
	}
	for name, n := range d.now {
		if d.synced[name] == nil && rnd.Float64() < survives {
			names[name] = n
		}
	}
	d.now = map[string]*inode{}
	for name, n := range names {
		if n == nil { // removed
			continue
		}
		after := slices.Clone(n.synced)
		for _, x := range n.dirty {
			for at := x.from; at < x.to; at = (at/sector + 1) * sector {
				end := min((at/sector+1)*sector, x.to)
				if rnd.Float64() >= survives || end > len(n.data) {
					continue
				}
				if len(after) < end {
					after = append(after, make([]byte, end-len(after))...)
				}
				copy(after[at:end], n.data[at:end])
			}
		}
		d.now[name] = &inode{data: after, synced: slices.Clone(after)}
	}
	d.syncDir()
	d.failFrom, d.noReads = 0, nil
}

// kill is kill -9: the operating system keeps what it was given.
func (d *disk) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life++
	d.failFrom, d.noReads = 0, nil
}

// fail lets the n-th change from now fail, counted from 1, and those after it up to count in all.
func (d *disk) fail(n, count int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failFrom, d.failTo, d.failure = d.changes+n, d.changes+n+count, errDisk
}

// names lists the files.
func (d *disk) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.now {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// clone is a disk with the same files, all of them synced.
func (d *disk) clone() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := newDisk()
	for name, n := range d.now {
		c.now[name] = &inode{data: slices.Clone(n.data), synced: slices.Clone(n.data)}
	}
	c.syncDir()
	return c
}

func (d *disk) syncDir() {
	d.synced = map[string]*inode{}
	for name, n := range d.now {
		d.synced[name] = n
	}
}

// process is the disk as one process sees it: nothing works for it after the crash or kill that ended it.
type process struct {
	*disk
	life int
}

func (d *disk) begin() *process {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &process{d, d.life}
}

// dead is why nothing works any more; mu is held.
func (p *process) dead() error {
	if p.life != p.disk.life {
		return errDead
	}
	return nil
}

// change counts one change and fails it where it must; mu is held.
func (p *process) change() error {
	if err := p.dead(); err != nil {
		return err
	}
	p.changes++
	if p.failFrom > 0 && p.changes >= p.failFrom && p.changes < p.failTo {
		return p.failure
	}
	return nil
}

// before calls what is to happen before a change.
func (p *process) before() {
	if p.onChange != nil {
		p.onChange()
	}
}

// OpenFile has a result of its own type, as the engine's file system has: see aged.Adapt.
func (p *process) OpenFile(name string, flag int) (*handle, error) {
	p.before()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.dead(); err != nil {
		return nil, err
	}
	n := p.now[name]
	switch {
	case n != nil && flag&os.O_EXCL != 0:
		return nil, os.ErrExist
	case n == nil && flag&os.O_CREATE == 0:
		return nil, os.ErrNotExist
	case n == nil:
		if err := p.change(); err != nil {
			return nil, err
		}
		n = &inode{}
		p.now[name] = n
	}
	return &handle{p: p, inode: n}, nil
}

func (p *process) Rename(from, to string) error {
	p.before()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.change(); err != nil {
		return err
	}
	if p.now[from] == nil {
		return os.ErrNotExist
	}
	p.now[to] = p.now[from]
	delete(p.now, from)
	return nil
}

func (p *process) Remove(name string) error {
	p.before()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now[name] == nil {
		return os.ErrNotExist
	}
	if err := p.change(); err != nil {
		return err
	}
	delete(p.now, name)
	return nil
}

func (p *process) ReadDir(dir string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name := range p.now {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	return names, p.dead()
}

func (p *process) SyncDir(string) error {
	p.before()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.change(); err != nil {
		return err
	}
	p.syncDir()
	return nil
}

// handle is one open file.
type handle struct {
	p      *process
	inode  *inode
	closed bool
}

func (h *handle) ReadAt(b []byte, off int64) (int, error) {
	if h.p.onRead != nil {
		h.p.onRead()
	}
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	switch {
	case h.p.dead() != nil:
		return 0, errDead
	case h.closed:
		return 0, os.ErrClosed
	case h.p.noReads != nil:
		return 0, h.p.noReads
	case off < 0:
		return 0, os.ErrInvalid
	case off >= int64(len(h.inode.data)):
		return 0, io.EOF
	}
	n := copy(b, h.inode.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) WriteAt(b []byte, off int64) (int, error) {
	h.p.before()
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	err := h.p.change()
	if errors.Is(err, errDead) {
		return 0, err
	}
	n, from := h.inode, int(off)
	if err != nil { // half of it may have reached the file
		b = b[:len(b)/2]
	}
	end := from + len(b)
	if end > len(n.data) {
		n.data = append(n.data, make([]byte, end-len(n.data))...)
	}
	copy(n.data[from:], b)
	n.dirty = append(n.dirty, extent{from, end})
	return len(b), err
}

// Sync that fails drops what it should have written: a later success says nothing about it, as on Linux.
func (h *handle) Sync() error {
	h.p.before()
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	n := h.inode
	if err := h.p.change(); err != nil {
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

func (h *handle) Size() (int64, error) {
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	return int64(len(h.inode.data)), h.p.dead()
}

func (h *handle) Close() error {
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	if h.closed {
		return os.ErrClosed
	}
	h.closed = true
	return nil
}

// fs is what a table takes.
func (p *process) fs() aged.FS { return aged.Adapt(p) }
