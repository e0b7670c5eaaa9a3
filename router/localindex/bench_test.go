package localindex_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/semabus/semabus/router/driver"
	"github.com/semabus/semabus/router/localindex"
)

// BenchmarkSearch is the router's query: cosines of 256 components and a bias, the best 64 over a floor.
func BenchmarkSearch(b *testing.B) {
	for _, entries := range []int{1000, 10000, 100000} {
		rnd := rand.New(rand.NewPCG(1, 1))
		x := localindex.New()
		puts := make([]driver.Entry, entries)
		for i := range puts {
			v := unit(rnd, 257)
			v[256] = 0
			puts[i] = driver.Entry{ID: uint64(i), Vector: v}
		}
		update(b, x, 1, puts)
		for _, batch := range []int{1, 8} {
			b.Run(fmt.Sprintf("entries=%d/queries=%d", entries, batch), func(b *testing.B) {
				queries := make([]driver.Query, batch)
				for i := range queries {
					queries[i] = driver.Query{Vector: unit(rnd, 257), MinScore: 0.12, Max: 64}
				}
				var hits [][]driver.Hit
				for b.Loop() {
					hits, _ = x.Search(context.Background(), home, queries, hits)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/query")
			})
		}
	}
}

func BenchmarkUpdateOne(b *testing.B) {
	const entries = 100000
	rnd := rand.New(rand.NewPCG(1, 1))
	x := localindex.New()
	puts := make([]driver.Entry, entries)
	for i := range puts {
		puts[i] = driver.Entry{ID: uint64(i), Vector: unit(rnd, 257)}
	}
	update(b, x, 1, puts)
	version := uint64(1)
	v := unit(rnd, 257)
	for b.Loop() {
		version++
		update(b, x, version, []driver.Entry{{ID: version * 7919 % entries, Vector: v}})
	}
}

func BenchmarkKernel(b *testing.B) {
	q, rows, out := make([]int16, 256), make([]int8, 256*1000), make([]int32, 1000)
	b.Run("detected", func(b *testing.B) {
		for b.Loop() {
			localindex.Dots(q, rows, out)
		}
	})
	b.Run("portable", func(b *testing.B) {
		for b.Loop() {
			localindex.DotsPortable(q, rows, out)
		}
	})
}
