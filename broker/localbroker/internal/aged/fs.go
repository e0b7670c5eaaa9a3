package aged

import "io"

// FS is the file system as a table uses it: the seam of the crash tests. Names are paths made of Options.Dir.
// Implementations are safe for concurrent use.
type FS interface {
	Files
	Folder
}

// Files are the operations on files.
type Files interface {
	// OpenFile opens for reading and writing; flag may hold os.O_CREATE and os.O_EXCL. A missing file is os.ErrNotExist.
	OpenFile(name string, flag int) (File, error)
	// Rename replaces; it is durable after SyncDir.
	Rename(from, to string) error
	// Remove deletes a file; one that is still open can be read until it is closed.
	Remove(name string) error
}

// Folder are the operations on a folder.
type Folder interface {
	// ReadDir lists the names of the files in a folder.
	ReadDir(dir string) ([]string, error)
	// SyncDir makes creations, renames and removals in the folder durable.
	SyncDir(dir string) error
}

// File is one open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes data and size durable.
	Sync() error
	// Size is the length in bytes.
	Size() (int64, error)
}

// Source is an FS whose files have a type of their own.
type Source[F File] interface {
	SourceFiles[F]
	Folder
}

// SourceFiles are Files whose files have a type of their own.
type SourceFiles[F File] interface {
	OpenFile(name string, flag int) (F, error)
	Rename(from, to string) error
	Remove(name string) error
}

// Adapt makes an FS of the owner's: Go takes no method with another result for the same, even where one result is the other.
func Adapt[F File](fs Source[F]) FS { return adapted[F]{fs} }

type adapted[F File] struct{ Source[F] }

func (a adapted[F]) OpenFile(name string, flag int) (File, error) {
	f, err := a.Source.OpenFile(name, flag)
	if err != nil {
		return nil, err // and not a File that holds a nil F
	}
	return f, nil
}
