package indextest

import (
	"fmt"

	"github.com/semabus/semabus/router/driver"
)

func exactCases() []testCase {
	return []testCase{
		{"Exact/Random", exactRandom},
		{"Exact/Clustered", exactClustered},
		{"Exact/LargeBias", exactBias},
		{"Exact/Magnitudes", exactMagnitudes},
		{"Exact/ManyEntries", exactMany},
	}
}

// scan puts n vectors made by gen and compares the answers to queries of several minimums and maximums.
func (r *rig) scan(n, dim int, gen func(i int) []float32, queries ...[]float32) {
	r.t.Helper()
	model := make(map[uint64][]float32, n)
	for i := range n {
		model[uint64(i)*2654435761%(1<<40)] = gen(i)
	}
	r.version++
	p := driver.Partition{Tenant: fmt.Sprint("exact ", r.version)}
	r.updateAt(p, r.version, entriesOf(model))
	for _, v := range queries {
		value, _ := dot(v, gen(0))
		for _, c := range []driver.Query{
			{MinScore: minusInf, Max: 1}, {MinScore: minusInf, Max: 64}, {MinScore: minusInf, Max: n},
			{MinScore: 0, Max: 64}, {MinScore: 0.1, Max: n}, {MinScore: 0.25, Max: 10}, {MinScore: float32(value), Max: n / 2},
		} {
			c.Vector = v
			r.wantExact(fmt.Sprintf("%d × %d, minimum %g, max %d", n, dim, c.MinScore, c.Max), model, c, r.searchIn(p, c))
		}
	}
}

func exactRandom(r *rig) {
	for _, dim := range []int{1, 2, 3, 16, 17, 31, 32, 33, 34, 63, 64, 65, 96, 255, 256, 257, 258, 384, 385, 768, 1025, 1537} {
		r.scan(300, dim, func(int) []float32 { return r.vector(dim, 1) }, r.vector(dim, 1), r.vector(dim, 0), make([]float32, dim))
	}
}

// exactClustered has vectors so near each other that an approximate scan cannot order them.
func exactClustered(r *rig) {
	const dim = 257
	centre := r.vector(dim, 1)
	near := func(int) []float32 {
		v := r.vector(dim, 1)
		for i := range v {
			v[i] = centre[i] + v[i]*1e-5
		}
		return v
	}
	r.scan(2000, dim, near, centre, r.vector(dim, 1))
}

// exactBias has a last component that dwarfs the rest.
func exactBias(r *rig) {
	const dim = 257
	r.scan(1000, dim, func(int) []float32 { return r.vector(dim, 1000) }, r.vector(dim, 1), r.vector(dim, 1000))
}

// exactMagnitudes mixes sizes over many orders, zeros and single large components among them.
func exactMagnitudes(r *rig) {
	const dim = 130
	mixed := func(i int) []float32 {
		v := r.vector(dim, 1)
		switch i % 7 {
		case 0:
			clear(v)
		case 1:
			v[r.rnd.IntN(dim)] = 100
		case 2, 3:
			scale := []float32{1e-42, 1e-30, 1e-10, 1e5, 1e12}[r.rnd.IntN(5)]
			for j := range v {
				v[j] *= scale
			}
		}
		return v
	}
	r.scan(1500, dim, mixed, r.vector(dim, 1), mixed(1), mixed(2), mixed(3))
}

func exactMany(r *rig) {
	const dim, n = 33, 30000
	r.scan(n, dim, func(int) []float32 { return r.vector(dim, 1) }, r.vector(dim, 1))
}
