package localblob

import (
	"io"
	"os"
	"time"
)

// FS is the file system as the store uses it: the seam of the crash tests. Names are paths made of Options.Dir.
// Implementations are safe for concurrent use; what does not exist is an error that matches fs.ErrNotExist.
type FS interface {
	Files
	Folders
	// Lock takes the exclusive lock file or fails at once with an error that matches ErrLocked.
	Lock(name string) (io.Closer, error)
}

// Files are the operations on files.
type Files interface {
	// Create makes an empty file, or empties it, and opens it for writing.
	Create(name string) (File, error)
	// Open opens for reading.
	Open(name string) (File, error)
	// Remove deletes a file.
	Remove(name string) error
}

// Folders are the operations on folders.
type Folders interface {
	// MkdirAll makes the folder and its parents.
	MkdirAll(dir string) error
	// ReadDir lists the names in a folder, sorted.
	ReadDir(dir string) ([]string, error)
	Entries
}

// Entries are the operations on what a folder says.
type Entries interface {
	// Rename replaces; it is durable after SyncDir.
	Rename(from, to string) error
	// SyncDir makes creations, renames and removals in the folder durable.
	SyncDir(dir string) error
}

// File is one open file.
type File interface {
	io.ReaderAt
	io.Writer
	io.Closer
	// Sync makes the contents, the length and the time durable.
	Sync() error
	// Touch sets the time; it is durable after Sync.
	Touch(t time.Time) error
	// Stat is the length in bytes and the time.
	Stat() (size int64, touched time.Time, err error)
}

// ErrLocked says that another process holds the lock file.
const ErrLocked = lockError("held by another process")

type lockError string

func (e lockError) Error() string { return string(e) }

// osFS is the real one.
type osFS struct{}

type osFile struct{ *os.File }

func (osFS) Create(name string) (File, error) {
	return opened(os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)) //nolint:gosec // the name is made of Options.Dir
}

func (osFS) Open(name string) (File, error) {
	return opened(os.Open(name)) //nolint:gosec // the name is made of Options.Dir and hashes
}

func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (osFS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // Options.Dir
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

func (f osFile) Touch(t time.Time) error { return os.Chtimes(f.Name(), t, t) }

func (f osFile) Stat() (size int64, touched time.Time, err error) {
	st, err := f.File.Stat()
	if err != nil {
		return 0, time.Time{}, err
	}
	return st.Size(), st.ModTime(), nil
}
