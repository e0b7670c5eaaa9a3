package aged

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrDamaged is matched by every *DamageError: bytes on the disk are not those that were written. Any other error of a
	// read or write is the file system's.
	ErrDamaged = errors.New("damaged")
	// ErrForeign says that the files belong to another owner, or were written by another version of this package.
	ErrForeign = errors.New("files of another table or version")
	// ErrClosed is the answer of a table that was closed.
	ErrClosed = errors.New("the table is closed")
)

// DamageError names what is damaged. It matches ErrDamaged.
type DamageError struct {
	File   string // without folder
	Offset int64  // of the part that does not fit its checksum or its place, in bytes
	What   string // what is wrong there
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at %d: %s", e.File, e.Offset, e.What)
}

// Is matches ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

func damaged(file string, offset int64, format string, args ...any) error {
	return &DamageError{File: file, Offset: offset, What: fmt.Sprintf(format, args...)}
}

// readFull reads len(p) bytes; a file that ends before is damaged.
func readFull(f File, name string, p []byte, offset int64) error {
	n, err := f.ReadAt(p, offset)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF):
		return damaged(name, offset, "the file ends after %d of %d bytes", n, len(p))
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %s at %d: %w", name, offset, err)
}
