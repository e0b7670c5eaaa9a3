package localblob

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

const (
	blockSize = 64 << 10                      // bytes of content under one checksum
	sumSize   = sha256.Size                   // bytes of a checksum
	magic     = "sb-blob1"                    // format and version
	tailSize  = sumSize + 8 + len(magic) + 32 // what follows the blocks' checksums
)

// trailer is what stands behind a blob's content:
//
//	block checksums  32 bytes each
//	content          32 bytes, SHA-256
//	length            8 bytes, big endian
//	magic             8 bytes
//	check            32 bytes, SHA-256 of all of the above
type trailer struct {
	content [sumSize]byte
	size    int64
	sums    []byte
}

func blocksOf(size int64) int64 { return (size + blockSize - 1) / blockSize }

// fileSize is the length of the file of a blob.
func fileSize(size int64) int64 { return size + blocksOf(size)*sumSize + int64(tailSize) }

// sizeOf is the length of the blob in an intact file, and at least 0 for another.
func sizeOf(file int64) int64 {
	body := file - int64(tailSize)
	blocks := (body + blockSize + sumSize - 1) / (blockSize + sumSize)
	return max(0, body-blocks*sumSize)
}

// append encodes the trailer.
func (t *trailer) append(b []byte) []byte {
	from := len(b)
	b = append(b, t.sums...)
	b = append(b, t.content[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.size)) //nolint:gosec // a length is not negative
	b = append(b, magic...)
	check := sha256.Sum256(b[from:])
	return append(b, check[:]...)
}

// readTrailer decodes and checks the trailer of the blob with that hash.
func readTrailer(f File, hash string) (*trailer, error) {
	length, _, err := f.Stat()
	if err != nil {
		return nil, errDisk(err)
	}
	size := sizeOf(length)
	if length != fileSize(size) {
		return nil, errDamaged(hash, length, "the file's length is none that a blob has")
	}
	b := make([]byte, length-size)
	if _, err := f.ReadAt(b, size); err != nil {
		return nil, errDisk(err)
	}
	return parseTrailer(b, size, hash)
}

// parseTrailer decodes what stands behind a content of size bytes.
func parseTrailer(b []byte, size int64, hash string) (*trailer, error) {
	sums := int(blocksOf(size)) * sumSize
	if len(b) != sums+tailSize {
		return nil, errDamaged(hash, size, "the trailer's length does not fit the content's")
	}
	body, check := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], check) {
		return nil, errDamaged(hash, size, "the trailer does not fit its checksum")
	}
	t := &trailer{sums: body[:sums], size: int64(binary.BigEndian.Uint64(body[sums+sumSize:]))} //nolint:gosec // compared below
	copy(t.content[:], body[sums:])
	switch {
	case string(body[sums+sumSize+8:]) != magic:
		return nil, errDamaged(hash, size, "the file is of another kind or version")
	case t.size != size:
		return nil, errDamaged(hash, size, "the file's length is not that of its trailer")
	case hex.EncodeToString(t.content[:]) != hash:
		return nil, errDamaged(hash, 0, "the file holds another content than its name says")
	}
	return t, nil
}

// summer computes a trailer from a content's blocks.
type summer struct {
	whole hash.Hash
	t     trailer
}

func newSummer() *summer { return &summer{whole: sha256.New()} }

// block takes the next block: blockSize bytes, or less for the last.
func (s *summer) block(b []byte) {
	sum := sha256.Sum256(b)
	s.t.sums = append(s.t.sums, sum[:]...)
	s.t.size += int64(len(b))
	s.whole.Write(b)
}

func (s *summer) trailer() *trailer {
	s.whole.Sum(s.t.content[:0])
	return &s.t
}
