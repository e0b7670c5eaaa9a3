package localindex

import "math"

const (
	chunkRows = 1024 // entries of a chunk: its int8 rows stay in the second-level cache while several queries read them
	rowAlign  = 32   // a row's length is a multiple of it, the width of one step of the kernels
)

// chunk holds up to chunkRows entries. Its rows are written once, by the partition's one writer, behind the rows that any
// published block shows; so blocks of several states share it, and an update copies no vector.
type chunk struct {
	dim    int
	stride int // bytes of an int8 row: dim-1 rounded up to rowAlign, the rest zero
	rows   []int8
	exact  []float32 // dim a row
	meta   []meta
	ids    []uint64
}

// meta says how an int8 row stands for its vector.
type meta struct {
	scale    float32 // component ≈ scale · int8
	bias     float32 // the last component, not part of the row
	residual float32 // length of (vector without its last component − scale · row), rounded up
	norm     float32 // length of the vector, rounded up
}

func newChunk(dim, rows int) *chunk {
	stride := strideOf(dim)
	return &chunk{
		dim: dim, stride: stride, rows: make([]int8, rows*stride), exact: make([]float32, rows*dim),
		meta: make([]meta, rows), ids: make([]uint64, rows),
	}
}

func strideOf(dim int) int { return (dim - 1 + rowAlign - 1) / rowAlign * rowAlign }

// write stores an entry in row i.
func (c *chunk) write(i int, id uint64, v []float32) {
	copy(c.vector(i), v)
	c.meta[i] = quantise(v, c.rows[i*c.stride:(i+1)*c.stride])
	c.ids[i] = id
}

func (c *chunk) vector(i int) []float32 { return c.exact[i*c.dim : (i+1)*c.dim] }

// block is what a state shows of a chunk: its first n rows but the dead ones.
type block struct {
	*chunk
	n    int
	dead []uint64 // bit a row; nil = none. Never changed once published
	gone int      // dead rows
}

func (b *block) isDead(i int) bool { return b.dead != nil && b.dead[i>>6]&(1<<(i&63)) != 0 }

// quantise fills row with v's components but the last, as multiples of the returned scale.
func quantise(v []float32, row []int8) meta {
	body := v[:len(v)-1]
	m := meta{bias: v[len(v)-1]}
	var most float32
	for _, c := range body {
		most = max(most, c, -c)
	}
	clear(row)
	if most > 0 {
		m.scale = most / math.MaxInt8
	}
	var lost, norm float64
	for i, c := range body {
		if m.scale > 0 { // the smallest subnormal divided by 127 is 0: then the row is zero and all is residual
			row[i] = int8(min(math.MaxInt8, max(-math.MaxInt8, math.RoundToEven(float64(c)/float64(m.scale)))))
		}
		d := float64(c) - float64(m.scale)*float64(row[i])
		lost += d * d
		norm += float64(c) * float64(c)
	}
	m.residual = up(math.Sqrt(lost))
	m.norm = up(math.Sqrt(norm + float64(m.bias)*float64(m.bias)))
	return m
}

// up is the next float32 above x, which also covers the rounding errors of the float64 sum that x comes from.
func up(x float64) float32 {
	return math.Nextafter32(float32(x*(1+1e-12)), math.MaxFloat32)
}
