package localembed

import (
	"context"
	"slices"
	"sync"

	"github.com/semabus/semabus/embed/driver"
)

// Dim is the dimension of the hashed tier.
const Dim = 256

// MaxBytes is how much of a text is looked at: the subject of a message stands at its beginning.
const MaxBytes = 8 << 10

// checkEvery is the number of texts between two looks at the context.
const checkEvery = 64

// Model is the embedded model. It is safe for concurrent use.
type Model struct {
	tier driver.Tier
	pool sync.Pool // of *extractor
}

var _ driver.Driver = (*Model)(nil)

// New makes the model. It reads no file and starts nothing.
func New() *Model {
	m := &Model{tier: driver.Tier{Name: "hashed", Space: space, Dim: Dim, MaxBytes: MaxBytes}}
	m.pool.New = func() any { return newExtractor() }
	return m
}

// Tiers implements [driver.Driver].
func (m *Model) Tiers() []driver.Tier { return []driver.Tier{m.tier} }

// Embed implements [driver.Driver]. Queries and passages are treated alike. The error is the context's.
func (m *Model) Embed(ctx context.Context, texts []string, _ driver.Kind, out [][]driver.Vector) error {
	x := m.pool.Get().(*extractor) //nolint:errcheck // the pool holds nothing else
	defer m.pool.Put(x)
	for i, text := range texts {
		if i%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		v := &out[i][0]
		v.Values = slices.Grow(v.Values[:0], Dim)[:Dim]
		features, whole := x.extract(text)
		project(features, (*[Dim]float32)(v.Values))
		v.Truncated = !whole
	}
	return nil
}
