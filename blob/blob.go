package blob

import (
	"context"
	"io"
	"strconv"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob/driver"
)

// MaxList is the most blobs one List returns, and the most hashes one Touch takes.
const MaxList = 1000

// Store is the portable blob store over one backend. It is safe for concurrent use.
type Store struct {
	d driver.Driver
	o Options
}

// New wraps a backend. It starts nothing and fails with INVALID_ARGUMENT on a missing backend or a negative option.
func New(d driver.Driver, o Options) (*Store, error) {
	var f faults
	if d == nil {
		f.add(semabus.ReasonRequired, "driver", "", "", "open a backend first")
	}
	o.validate(&f)
	if err := f.err("blob.New"); err != nil {
		return nil, err
	}
	return &Store{d: d, o: o.withDefaults()}, nil
}

// Put stores the content that r has from its place to its end and returns its hash and size. It reads r twice if that is an
// io.ReadSeeker; of another reader it keeps the bytes until they are hashed. Errors: TOO_LARGE; DISK_FULL; what r answered,
// inside an INVALID_VALUE error unless it was typed.
func (s *Store) Put(ctx context.Context, tenant string, r io.Reader) (driver.Info, error) {
	const op = "blob.Put"
	var f faults
	f.tenant(tenant)
	if r == nil {
		f.add(semabus.ReasonRequired, "data", "", "", "give the content")
	}
	if err := f.err(op); err != nil {
		return driver.Info{}, err
	}
	src, err := s.hashed(ctx, op, r)
	if err != nil {
		return driver.Info{}, err
	}
	defer src.close()
	if err := s.d.Put(ctx, tenant, src.hash, src.size, src.r); err != nil {
		return driver.Info{}, errDriver(op, err)
	}
	return driver.Info{Hash: src.hash, Size: src.size, Touched: s.o.Clock.Now()}, nil
}

// Open reads a blob from an offset in bytes; size is that of the whole blob. The caller closes the reader, whose Read
// fails with DATA_LOSS rather than hand out a wrong byte. Errors: NOT_FOUND; OUT_OF_RANGE for an offset behind the end.
func (s *Store) Open(ctx context.Context, tenant, hash string, offset int64) (r io.ReadCloser, size int64, err error) {
	const op = "blob.Open"
	var f faults
	f.tenant(tenant)
	f.hash("sha256", hash)
	if offset < 0 {
		f.add(semabus.ReasonInvalidValue, "offset", "0 or more", strconv.FormatInt(offset, 10), "give the bytes to skip")
	}
	if err := f.err(op); err != nil {
		return nil, 0, err
	}
	if r, size, err = s.d.Open(ctx, tenant, hash, offset); err != nil {
		return nil, 0, errDriver(op, err)
	}
	return r, size, nil
}

// Stat describes a blob without reading it; NOT_FOUND where there is none.
func (s *Store) Stat(ctx context.Context, tenant, hash string) (driver.Info, error) {
	const op = "blob.Stat"
	var f faults
	f.tenant(tenant)
	f.hash("sha256", hash)
	if err := f.err(op); err != nil {
		return driver.Info{}, err
	}
	infos, err := s.d.Stat(ctx, tenant, []string{hash})
	if err != nil {
		return driver.Info{}, errDriver(op, err)
	}
	if len(infos) != 1 || infos[0].Hash == "" {
		return driver.Info{}, errNotFound(op, "sha256", hash)
	}
	return infos[0], nil
}

// Touch keeps blobs from being swept for another Options.Grace and describes them, in the order of the hashes. It touches
// those that exist and fails with NOT_FOUND naming the first that does not. At most [MaxList] hashes.
func (s *Store) Touch(ctx context.Context, tenant string, hashes []string) ([]driver.Info, error) {
	const op = "blob.Touch"
	var f faults
	f.tenant(tenant)
	if len(hashes) > MaxList {
		f.add(semabus.ReasonTooMany, "sha256", strconv.Itoa(MaxList), strconv.Itoa(len(hashes)), "split the call")
	} else {
		for i, h := range hashes {
			f.hash(indexed(i), h)
		}
	}
	if err := f.err(op); err != nil || len(hashes) == 0 {
		return nil, err
	}
	infos, err := s.d.Touch(ctx, tenant, hashes)
	if err != nil {
		return nil, errDriver(op, err)
	}
	for i := range infos {
		if infos[i].Hash == "" {
			return nil, errNotFound(op, indexed(i), hashes[i])
		}
	}
	return infos, nil
}

func indexed(i int) string { return "sha256[" + strconv.Itoa(i) + "]" }

// List returns blobs of a tenant in the order of their hashes, after a hash ("" = from the first), at most limit and at most
// [MaxList]; 0 = [MaxList]. An empty answer is the end.
func (s *Store) List(ctx context.Context, tenant, after string, limit int) ([]driver.Info, error) {
	const op = "blob.List"
	var f faults
	f.tenant(tenant)
	if after != "" {
		f.hash("after", after)
	}
	if limit < 0 {
		f.add(semabus.ReasonInvalidValue, "limit", "0 or more", strconv.Itoa(limit), "give the number of blobs wanted")
	}
	if err := f.err(op); err != nil {
		return nil, err
	}
	if limit == 0 || limit > MaxList {
		limit = MaxList
	}
	infos, err := s.d.List(ctx, tenant, after, limit)
	return infos, errDriver(op, err)
}
