package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
)

const (
	spoolMemory = 1 << 20   // content that cannot be read twice is kept in memory up to this many bytes
	copyBytes   = 256 << 10 // read at once; the context is looked at in between
)

// source is a content whose hash is known and that can be read (again) from its beginning.
type source struct {
	hash string
	size int64
	r    io.Reader
	file *os.File // to be closed and removed; nil = none
}

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name()) // a leftover costs space in a temporary folder, no more
	}
}

// hashed reads the content once. What can be sought is read again from its place later; the rest is spooled.
func (s *Store) hashed(ctx context.Context, op string, r io.Reader) (*source, error) {
	if sk, ok := r.(io.ReadSeeker); ok {
		if start, err := sk.Seek(0, io.SeekCurrent); err == nil { // pipes are seekers that cannot seek
			sum, size, err := s.drain(ctx, op, sk, io.Discard)
			if err != nil {
				return nil, err
			}
			if _, err := sk.Seek(start, io.SeekStart); err != nil {
				return nil, errRead(op, err)
			}
			return &source{hash: sum, size: size, r: sk}, nil
		}
	}
	sp := &spool{dir: s.o.SpoolDir}
	sum, size, err := s.drain(ctx, op, r, sp)
	src := &source{hash: sum, size: size, file: sp.file}
	if err == nil {
		src.r, err = sp.reader()
		if err != nil {
			err = errSpool(op, err)
		}
	}
	if err != nil {
		src.close()
		return nil, err
	}
	return src, nil
}

// drain copies r to w, which is bounded by Options.MaxBytes, and hashes it on the way.
func (s *Store) drain(ctx context.Context, op string, r io.Reader, w io.Writer) (hash string, size int64, err error) {
	h := sha256.New()
	buf := make([]byte, copyBytes)
	for {
		if err := ctx.Err(); err != nil {
			return "", 0, errContext(op, err)
		}
		n, err := r.Read(buf)
		if size += int64(n); size > s.o.MaxBytes {
			return "", 0, errTooLarge(op, s.o.MaxBytes)
		}
		h.Write(buf[:n])
		if _, werr := w.Write(buf[:n]); werr != nil {
			return "", 0, errSpool(op, werr)
		}
		if errors.Is(err, io.EOF) {
			return hexOf(h.Sum(nil)), size, nil
		}
		if err != nil {
			return "", 0, errRead(op, err)
		}
	}
}

// spool keeps bytes in memory, and in a temporary file once they are many.
type spool struct {
	dir  string
	buf  bytes.Buffer
	file *os.File
}

func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil {
		if s.buf.Len()+len(p) <= spoolMemory {
			return s.buf.Write(p)
		}
		f, err := os.CreateTemp(s.dir, "semabus-blob-*")
		if err != nil {
			return 0, err
		}
		s.file = f
		if _, err := f.Write(s.buf.Bytes()); err != nil {
			return 0, err
		}
		s.buf = bytes.Buffer{}
	}
	return s.file.Write(p)
}

// reader reads what was written from the beginning.
func (s *spool) reader() (io.Reader, error) {
	if s.file == nil {
		return &s.buf, nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return s.file, err
}
