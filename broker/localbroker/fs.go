package localbroker

import (
	"io"
	"os"
)

// FS is the file system as the engine uses it: the seam of the crash tests. Names are paths as given by Options.Dir and
// path/filepath. Implementations are safe for concurrent use.
type FS interface {
	Files
	Folders
	Volume
}

// Files are the operations on files.
type Files interface {
	// OpenFile opens for reading and writing; flag may hold os.O_CREATE and os.O_EXCL.
	OpenFile(name string, flag int) (File, error)
	// Rename replaces; it is durable after SyncDir.
	Rename(from, to string) error
	// Remove deletes a file.
	Remove(name string) error
}

// Folders are the operations on folders.
type Folders interface {
	// MkdirAll makes the folder and its parents.
	MkdirAll(dir string) error
	// ReadDir lists the names of the files in a folder, sorted.
	ReadDir(dir string) ([]string, error)
	// SyncDir makes creations, renames and removals in the folder durable.
	SyncDir(dir string) error
}

// Volume is what concerns the whole of it.
type Volume interface {
	// Lock takes the exclusive lock file or fails at once with an error that matches ErrLocked.
	Lock(name string) (io.Closer, error)
	// Space is the free and the total number of bytes of the file system that holds dir.
	Space(dir string) (free, total uint64, err error)
}

// File is one open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes data and size durable (fdatasync).
	Sync() error
	// Size is the length in bytes.
	Size() (int64, error)
}

// ErrLocked says that another process holds the lock file.
const ErrLocked = lockError("held by another process")

type lockError string

func (e lockError) Error() string { return string(e) }

// osFS is the real one.
type osFS struct{}

type osFile struct{ *os.File }

func (osFS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (osFS) OpenFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|flag, 0o600) //nolint:gosec // the name is made from Options.Dir
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

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

func (f osFile) Sync() error { return datasync(f.File) }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
