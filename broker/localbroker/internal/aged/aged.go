package aged

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

const defaultCacheBytes = 64 << 20

// Options configure [Open]. FS and Dir are required.
type Options struct {
	FS     FS     // of the owner: see [Adapt]
	Dir    string // folder of the files; it exists
	Prefix string // of the names of all files of this table in Dir, such as "marks-"

	// ID says whose table it is: one of another is refused with ErrForeign. Zero takes the table as it is, and makes an id
	// up for a new one. Who knows it can choose keys whose hashes collide, which makes the table slow, never wrong.
	ID [16]byte

	CacheBytes int64        // memory of filters, fences and blocks together; blocks get what is left, at least 1 MiB; 0 = 64 MiB
	MaxBytes   int64        // of the files; Expire drops the oldest beyond it; 0 = no bound
	Logger     *slog.Logger // nil = discard
}

func (o Options) withDefaults() Options {
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// validate lists every fault at once.
func (o *Options) validate() error {
	var errs []error
	if o.FS == nil {
		errs = append(errs, errors.New("aged: no file system"))
	}
	if o.Dir == "" {
		errs = append(errs, errors.New("aged: no folder"))
	}
	if strings.ContainsAny(o.Prefix, `/\`) {
		errs = append(errs, fmt.Errorf("aged: prefix %q names a folder", o.Prefix))
	}
	if o.CacheBytes < 0 || o.MaxBytes < 0 {
		errs = append(errs, fmt.Errorf("aged: negative bound: cache %d, files %d bytes", o.CacheBytes, o.MaxBytes))
	}
	return errors.Join(errs...)
}

// Table is a durable table of keys whose entries end. Put, Get, Pending, Count, Bytes, Version, Stats and Hold may be called
// at any time from any goroutine. So may Flush, Expire, Compact, Each, Verify and Close, but Flush runs once at a time, and
// so do Expire and Compact together: a second call waits for the first. Flush does not wait for Compact.
type Table struct {
	o    Options
	id   [16]byte
	hash hasher

	policy policy
	memory memory
	cache  *cache
	view   atomic.Pointer[view] // nil after Close
	next   atomic.Uint32        // number of the next file

	flushing sync.Mutex // one Flush at a time
	merging  sync.Mutex // one Compact or Expire at a time: what is in the view stays there, Flush adds to its end only
	edit     sync.Mutex // one manifest at a time; taken under flushing or merging
	broken   error      // why no manifest is written any more

	reads, misled, flushed, merged atomic.Uint64
}

// view is the table's files at one moment, oldest first.
type view struct {
	files    []*file
	serial   uint64
	manifest []byte // as on disk
}

// Open reads the table in a folder, or begins a new one, and removes what a crash left behind. It fails with ErrDamaged,
// ErrForeign or the file system's error, and has then changed nothing else.
func Open(o Options) (*Table, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	t := &Table{o: o, cache: newCache(), policy: newPolicy(o.MaxBytes)}
	t.memory.init()
	names, err := o.FS.ReadDir(o.Dir)
	if err != nil {
		return nil, err
	}
	data, err := t.readManifest()
	if err != nil {
		return nil, err
	}
	if data == nil {
		if err := t.begin(names); err != nil {
			return nil, err
		}
		return t, nil
	}
	m, err := decodeManifest(o.Prefix+manifestName, data)
	if err != nil {
		return nil, err
	}
	if o.ID != [16]byte{} && o.ID != m.id {
		return nil, fmt.Errorf("%s: %w", o.Prefix+manifestName, ErrForeign)
	}
	t.identify(m.id)
	t.next.Store(m.next)
	v := &view{serial: m.serial, manifest: data}
	for _, l := range m.files {
		f, err := t.openFile(l)
		if err != nil {
			v.release()
			return nil, err
		}
		v.files = append(v.files, f)
	}
	if err := t.sweep(names, m); err != nil {
		v.release()
		return nil, err
	}
	t.show(v)
	return t, nil
}

// begin makes a new table. The manifest is there before any file is, so files without one are a table that lost it.
func (t *Table) begin(names []string) error {
	for _, name := range names {
		if _, ok := fileNumber(t.o.Prefix, name); ok {
			return damaged(t.o.Prefix+manifestName, 0, "it is missing, and %s is there", name)
		}
	}
	id := t.o.ID
	if id == ([16]byte{}) {
		if _, err := rand.Read(id[:]); err != nil {
			return err
		}
	}
	t.identify(id)
	t.next.Store(1)
	m := manifest{id: id, serial: 1, next: 1}
	v := &view{serial: 1, manifest: m.encode()}
	if err := t.writeManifest(v.manifest); err != nil {
		return err
	}
	t.show(v)
	return nil
}

func (t *Table) identify(id [16]byte) { t.id, t.hash = id, newHasher(id) }

func (t *Table) seed(number uint32) uint32 { return fileSeed(t.id, t.o.Prefix, number) }

// openNamed opens a file that must be there.
func (t *Table) openNamed(name string) (File, error) {
	f, err := t.o.FS.OpenFile(filepath.Join(t.o.Dir, name), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, damaged(name, 0, "the file is missing")
	}
	return f, err
}

// sweep removes what a crash left behind.
func (t *Table) sweep(names []string, m *manifest) error {
	live := map[uint32]bool{}
	for _, l := range m.files {
		live[l.number] = true
	}
	for _, name := range names {
		n, ok := fileNumber(t.o.Prefix, name)
		if ok && !live[n] || name == t.o.Prefix+manifestName+tempSuffix {
			if err := t.o.FS.Remove(filepath.Join(t.o.Dir, name)); err != nil {
				return err
			}
			t.o.Logger.Info("removed what a crash left behind", "file", name)
		}
	}
	return nil
}

// install makes other files the table: durable first, then visible. change gets the files of now and may keep the slice.
func (t *Table) install(change func(files []*file) []*file) error {
	t.edit.Lock()
	defer t.edit.Unlock()
	old := t.view.Load()
	if old == nil {
		return ErrClosed
	}
	if t.broken != nil {
		return t.broken
	}
	v := &view{files: change(append([]*file(nil), old.files...)), serial: old.serial + 1}
	m := manifest{id: t.id, serial: v.serial, next: t.next.Load()}
	kept := map[*file]bool{}
	for _, f := range v.files {
		kept[f] = true
		m.files = append(m.files, listed{f.number, f.size, f.crc})
	}
	v.manifest = m.encode()
	if err := t.writeManifest(v.manifest); err != nil {
		return err
	}
	t.show(v)
	for _, f := range old.files {
		if !kept[f] {
			t.cache.forget(f.number)
			f.gone.Store(true)
			f.release()
		}
	}
	return nil
}

// show makes a view what Get reads.
func (t *Table) show(v *view) {
	t.view.Store(v)
	t.cache.limit(t.o.CacheBytes - v.memory())
}

// usable says why nothing can be written.
func (t *Table) usable() error {
	t.edit.Lock()
	defer t.edit.Unlock()
	if t.view.Load() == nil {
		return ErrClosed
	}
	return t.broken
}

// Close waits for Flush, Expire and Compact and closes the files. It writes nothing: what is pending is lost unless Flush
// came before.
func (t *Table) Close() error {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	t.merging.Lock()
	defer t.merging.Unlock()
	if v := t.view.Swap(nil); v != nil {
		v.release()
	}
	return nil
}

func (v *view) release() {
	for _, f := range v.files {
		f.release()
	}
}

func (v *view) bytes() (n int64) {
	for _, f := range v.files {
		n += f.size
	}
	return n
}

func (v *view) memory() (n int64) {
	for _, f := range v.files {
		n += f.memory()
	}
	return n
}
