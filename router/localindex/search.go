package localindex

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"

	"github.com/semabus/semabus/router/driver"
)

// probe is a query on its way through the index.
type probe struct {
	vector   []float32
	minScore float64
	max      int

	row   []int16 // the vector without its last component, as multiples of scale; zero behind it
	scale float64
	bias  float64 // the last component

	// The error of an approximate score is at most residual·perResidual + norm·perNorm + tiny, see [probe.prepare].
	perResidual, perNorm float64

	candidates []candidate
	full       int     // number of candidates at which they are pruned
	floor      float64 // max candidates have scores of at least this, so an entry surely below is not in the answer
}

// candidate is an entry that may be in the answer.
type candidate struct {
	chunk *chunk
	row   int32
	low   float32 // lower bound of its score, rounded down
	high  float32 // upper bound, rounded up
}

// tiny covers the products that underflow in a float32 dot product.
const tiny = 1e-35

// scratch is what a search needs besides its answer; it is reused.
type scratch struct {
	probes []probe
	sums   [chunkRows]int32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *state) search(ctx context.Context, queries []driver.Query, hits [][]driver.Hit) error {
	sc := scratches.Get().(*scratch) //nolint:errcheck // the pool holds nothing else
	defer scratches.Put(sc)
	for len(sc.probes) < len(queries) {
		sc.probes = append(sc.probes, probe{})
	}
	probes := sc.probes[:len(queries)]
	for i := range queries {
		probes[i].prepare(&queries[i])
	}
	for _, b := range s.chunks {
		if err := ended(ctx); err != nil {
			return err
		}
		for i := range probes {
			probes[i].scan(b, sc.sums[:b.n])
		}
	}
	for i := range probes {
		hits[i] = probes[i].answer(hits[i])
		probes[i].release()
	}
	return nil
}

// prepare quantises the query and its error bound.
//
// Let v be an entry and q the query, both without their last component, v̂ = scale·row and q̂ likewise. The integer sum gives
// v̂·q̂ exactly, and v·q − v̂·q̂ = (v−v̂)·q + v̂·(q−q̂). By Cauchy and Schwarz its size is at most |v−v̂|·|q| + |v̂|·|q−q̂|, with
// |v̂| ≤ |v| + |v−v̂|. The last components are multiplied in float64. The exact score is a float32 dot product, which differs
// from the real one by at most γ·Σ|vᵢqᵢ| ≤ γ·|v|·|q|, γ = n·u/(1−n·u), u = 2⁻²⁴ (N. Higham, Accuracy and Stability of
// Numerical Algorithms, 2nd ed., §3.1).
func (p *probe) prepare(q *driver.Query) {
	n := len(q.Vector)
	p.vector, p.minScore, p.max = q.Vector, float64(q.MinScore), q.Max
	p.bias = float64(q.Vector[n-1])
	p.candidates, p.full = p.candidates[:0], 4*p.max+256
	p.floor = math.Inf(-1)
	body := q.Vector[:n-1]
	stride := strideOf(n)
	p.row = append(p.row[:0], make([]int16, stride)...)
	var most, norm, lost float64
	for _, c := range body {
		most = max(most, math.Abs(float64(c)))
	}
	limit := queryLimit(stride)
	p.scale = most / limit
	for i, c := range body {
		if p.scale > 0 {
			p.row[i] = int16(min(limit, max(-limit, math.RoundToEven(float64(c)/p.scale))))
		}
		d := float64(c) - p.scale*float64(p.row[i])
		lost += d * d
		norm += float64(c) * float64(c)
	}
	const slack = 1 + 1e-6 // over the rounding of this arithmetic
	full := math.Sqrt(norm+p.bias*p.bias) * slack
	length, residual := math.Sqrt(norm)*slack, math.Sqrt(lost)*slack
	nu := float64(n+2) * 0x1p-24
	p.perResidual = (length + residual) * slack
	p.perNorm = (residual + nu/(1-nu)*full + 1e-12*full) * slack
}

// queryLimit is the largest component of a quantised query: no sum of products with int8 overflows an int32.
func queryLimit(stride int) float64 {
	return float64(min(math.MaxInt16, math.MaxInt32/(math.MaxInt8*max(1, stride))))
}

// scan notes the rows of a block that may be in the answer; sums is scratch, one for each row.
func (p *probe) scan(b *block, sums []int32) {
	dots(p.row, b.rows, sums)
	for i, sum := range sums {
		m := &b.meta[i]
		score := float64(sum)*float64(m.scale)*p.scale + p.bias*float64(m.bias)
		off := float64(m.residual)*p.perResidual + float64(m.norm)*p.perNorm + tiny
		if high := score + off; high < p.minScore || high < p.floor || b.isDead(i) {
			continue
		}
		p.candidates = append(p.candidates, candidate{b.chunk, int32(i), down32(score - off), up32(score + off)})
		if len(p.candidates) >= p.full {
			p.prune()
			p.full = max(p.full, 2*len(p.candidates))
		}
	}
}

// prune leaves the candidates that the lower bounds of max others do not push out.
func (p *probe) prune() {
	if len(p.candidates) <= p.max {
		return
	}
	selectLow(p.candidates, p.max)
	p.floor = float64(p.candidates[0].low)
	for i := range p.candidates[:p.max] {
		p.floor = min(p.floor, float64(p.candidates[i].low))
	}
	kept := p.candidates[:0]
	for _, c := range p.candidates {
		if float64(c.high) >= p.floor {
			kept = append(kept, c)
		}
	}
	p.candidates = kept
}

// answer appends the hits to dst: exact scores of the candidates left.
func (p *probe) answer(dst []driver.Hit) []driver.Hit {
	p.prune()
	for _, c := range p.candidates {
		if score := dot(p.vector, c.chunk.vector(int(c.row))); float64(score) >= p.minScore {
			dst = append(dst, driver.Hit{ID: c.chunk.ids[c.row], Score: score})
		}
	}
	slices.SortFunc(dst, func(a, b driver.Hit) int {
		if c := cmp.Compare(b.Score, a.Score); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return dst[:min(len(dst), p.max)]
}

// release lets go of what the probe does not own.
func (p *probe) release() {
	p.vector = nil
	clear(p.candidates[:cap(p.candidates)])
}

func up32(x float64) float32   { return math.Nextafter32(float32(x), math.MaxFloat32) }
func down32(x float64) float32 { return math.Nextafter32(float32(x), -math.MaxFloat32) }

// selectLow reorders c so that its n largest lower bounds come first (quickselect, C. Hoare 1961; the pivot is the median
// of three). 0 < n < len(c).
func selectLow(c []candidate, n int) {
	for len(c) > 1 {
		pivot := middle(c[0].low, c[len(c)/2].low, c[len(c)-1].low)
		i, j := 0, len(c)-1
		for i <= j {
			for c[i].low > pivot {
				i++
			}
			for c[j].low < pivot {
				j--
			}
			if i <= j {
				c[i], c[j] = c[j], c[i]
				i, j = i+1, j-1
			}
		}
		switch { // c[:j+1] ≥ pivot ≥ c[i:], and what is between equals it
		case n <= j+1:
			c = c[:j+1]
		case n > i:
			c, n = c[i:], n-i
		default:
			return
		}
	}
}

func middle(a, b, c float32) float32 { return max(min(a, b), min(max(a, b), c)) }
