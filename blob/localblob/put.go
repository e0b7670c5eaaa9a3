package localblob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
)

// Put implements [driver.Driver].
func (s *Store) Put(ctx context.Context, tenant, hash string, size int64, r io.Reader) error {
	if err := s.ready(ctx, hash); err != nil {
		return err
	}
	name := filepath.Join(s.dir, tmpDir, strconv.FormatUint(s.next.Add(1), 10)+".put")
	err := s.write(ctx, name, hash, size, r)
	if err == nil {
		err = s.publish(name, tenant, hash)
	}
	if err != nil {
		_ = s.fs.Remove(name) // where this fails too, the next Open removes it
	}
	return err
}

// write makes the whole file of a blob under a temporary name, durably.
func (s *Store) write(ctx context.Context, name, hash string, size int64, r io.Reader) error {
	f, err := s.fs.Create(name)
	if err != nil {
		return errDisk(err)
	}
	if err := s.fill(ctx, f, hash, size, r); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return errDisk(err)
	}
	if err := f.Close(); err != nil {
		return errDisk(err)
	}
	return nil
}

// fill copies the content, checks it and appends the trailer.
func (s *Store) fill(ctx context.Context, f File, hash string, size int64, r io.Reader) error {
	sum := newSummer()
	buf := make([]byte, min(blockSize, max(size, 1)))
	for left := size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		block := buf[:min(blockSize, left)]
		if _, err := io.ReadFull(r, block); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return errInvalid("data", "", fmt.Sprintf("the content ends before its %d bytes", size))
			}
			return fmt.Errorf("read content: %w", err)
		}
		sum.block(block)
		if _, err := f.Write(block); err != nil {
			return errDisk(err)
		}
		left -= int64(len(block))
	}
	if n, err := io.ReadFull(r, buf[:1]); n > 0 {
		return errInvalid("data", "", fmt.Sprintf("the content goes on after its %d bytes", size))
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read content: %w", err)
	}
	t := sum.trailer()
	if got := hex.EncodeToString(t.content[:]); got != hash {
		return errInvalid("sha256", hash, "the content has the hash "+got)
	}
	if _, err := f.Write(t.append(nil)); err != nil {
		return errDisk(err)
	}
	return errDiskOrNil(f.Touch(s.clock.Now()))
}

// publish gives a complete file its place.
func (s *Store) publish(name, tenant, hash string) error {
	shard := s.shard(tenant, hash)
	if err := s.makeDirs(shard); err != nil {
		return errDisk(err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed()
	}
	if err := s.fs.Rename(name, s.path(tenant, hash)); err != nil {
		return errDisk(err)
	}
	return errDiskOrNil(s.fs.SyncDir(shard))
}

func errDiskOrNil(err error) error {
	if err == nil {
		return nil
	}
	return errDisk(err)
}
