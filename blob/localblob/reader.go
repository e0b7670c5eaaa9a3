package localblob

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
)

// reader hands out a blob block by block, each checked before. It is for one goroutine at a time, as readers are.
type reader struct {
	f    File
	hash string
	t    *trailer
	pos  int64 // of the next byte
	buf  []byte
	left []byte // of the checked block, from pos
	err  error  // what every further Read answers
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.left) == 0 {
		if r.left, r.err = r.load(); r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	r.pos += int64(n)
	return n, nil
}

// load reads and checks the block that holds pos and returns its bytes from pos on.
func (r *reader) load() ([]byte, error) {
	if r.pos >= r.t.size {
		return nil, io.EOF
	}
	index := r.pos / blockSize
	start := index * blockSize
	n := min(blockSize, r.t.size-start)
	if r.buf == nil {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	if m, err := r.f.ReadAt(b, start); int64(m) < n {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, errDamaged(r.hash, start+int64(m), "the file ends early")
		}
		return nil, errDisk(err)
	}
	if sum := sha256.Sum256(b); !bytes.Equal(sum[:], r.t.sums[index*sumSize:(index+1)*sumSize]) {
		return nil, errDamaged(r.hash, start, "the block does not fit its checksum")
	}
	return b[r.pos-start:], nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.err = errClosed()
	return r.f.Close()
}
