package localindex

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router/driver"
)

// maxMagnitude bounds the components of vectors and queries, so that no dot product overflows.
const maxMagnitude = 1e15

// Index is a vector index in memory. It implements [driver.Driver].
type Index struct {
	mu         sync.RWMutex // guards the map, not the partitions
	partitions map[driver.Partition]*partition
}

var _ driver.Driver = (*Index)(nil)

// New makes an empty index. Nothing has to be closed.
func New() *Index { return &Index{partitions: map[driver.Partition]*partition{}} }

// Update puts and deletes entries of one partition atomically; the vectors are copied. An id both put and deleted is put.
// Errors: INVALID_ARGUMENT for a vector that is empty, of another length than the partition's, or has a component that is
// not a number of size ≤ 1e15; then nothing has changed. The length of a partition is that of its first vector, until
// [Index.Drop].
func (x *Index) Update(
	ctx context.Context, p driver.Partition, version uint64, puts []driver.Entry, deletes []uint64,
) error {
	if err := ended(ctx); err != nil {
		return err
	}
	return x.partition(p).update(version, puts, deletes)
}

// Search implements [driver.Driver]. Errors: INVALID_ARGUMENT for a query of another length than the partition's, with
// Max < 1, with MinScore NaN, or with a component that is not a number of size ≤ 1e15.
func (x *Index) Search(
	ctx context.Context, p driver.Partition, queries []driver.Query, dst [][]driver.Hit,
) ([][]driver.Hit, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	var s *state
	if part := x.known(p); part != nil {
		s = part.state.Load()
	}
	for i := range queries {
		if err := checkQuery(&queries[i], i, s); err != nil {
			return nil, err
		}
	}
	hits := resize(dst, len(queries))
	if s == nil || len(s.chunks) == 0 {
		return hits, nil
	}
	return hits, s.search(ctx, queries, hits)
}

// resize is dst with n lists of length 0, their capacity kept.
func resize(dst [][]driver.Hit, n int) [][]driver.Hit {
	dst = dst[:cap(dst)]
	for len(dst) < n {
		dst = append(dst, nil)
	}
	dst = dst[:n]
	for i := range dst {
		dst[i] = dst[i][:0]
	}
	return dst
}

// Drop forgets a partition.
func (x *Index) Drop(ctx context.Context, p driver.Partition) error {
	if err := ended(ctx); err != nil {
		return err
	}
	x.mu.Lock()
	delete(x.partitions, p)
	x.mu.Unlock()
	return nil
}

// Version implements [driver.Driver].
func (x *Index) Version(ctx context.Context, p driver.Partition) (version uint64, entries int, err error) {
	if err := ended(ctx); err != nil {
		return 0, 0, err
	}
	part := x.known(p)
	if part == nil {
		return 0, 0, nil
	}
	s := part.state.Load()
	return s.version, s.alive, nil
}

func (x *Index) known(p driver.Partition) *partition {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.partitions[p]
}

func (x *Index) partition(p driver.Partition) *partition {
	if part := x.known(p); part != nil {
		return part
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	part := x.partitions[p]
	if part == nil {
		part = newPartition()
		x.partitions[p] = part
	}
	return part
}

// ended is the typed error of a context that is done, nil before.
func ended(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	code := semabus.CodeCanceled
	if errors.Is(err, context.DeadlineExceeded) {
		code = semabus.CodeDeadlineExceeded
	}
	return &semabus.Error{Code: code, Reason: code.String(), Op: "localindex", Fix: "repeat with more time", Err: err}
}

func invalid(reason, field, value, limit, fix string) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: reason, Field: field, Value: value, Limit: limit, Fix: fix, Op: "localindex",
	}
}

// checkVector reports a vector of the wrong length (dim; 0 = any) or with components out of range. The field at fault is
// list[i].vector.
func checkVector(list string, i int, v []float32, dim int) error {
	if len(v) == 0 {
		return invalid(semabus.ReasonRequired, at(list, i, "vector"), "", "", "give a vector")
	}
	if dim > 0 && len(v) != dim {
		return invalid(semabus.ReasonInvalidValue, at(list, i, "vector"), strconv.Itoa(len(v))+" components",
			strconv.Itoa(dim)+" components", "give vectors of one length for a partition")
	}
	for _, c := range v {
		if !(c <= maxMagnitude && c >= -maxMagnitude) { // NaN is neither
			return invalid(semabus.ReasonInvalidValue, at(list, i, "vector"), strconv.FormatFloat(float64(c), 'g', -1, 32),
				"±1e15", "give finite components")
		}
	}
	return nil
}

func at(list string, i int, field string) string { return list + "[" + strconv.Itoa(i) + "]." + field }

// checkQuery reports a faulty query; s is nil for an unknown partition.
func checkQuery(q *driver.Query, i int, s *state) error {
	switch {
	case q.Max < 1:
		return invalid(semabus.ReasonInvalidValue, at("queries", i, "max"), strconv.Itoa(q.Max), "≥ 1", "ask for at least one hit")
	case math.IsNaN(float64(q.MinScore)):
		return invalid(semabus.ReasonInvalidValue, at("queries", i, "min_score"), "NaN", "", "give a number; -Inf takes every entry")
	case s == nil:
		return checkVector("queries", i, q.Vector, 0)
	}
	return checkVector("queries", i, q.Vector, s.dim)
}
