package localindex_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/semabus/semabus/router/localindex"
)

// patterns are the ways to fill rows and queries: random, and what is most likely to overflow.
func patterns(rnd *rand.Rand) []func(i int) (q int16, row int8) {
	return []func(i int) (int16, int8){
		func(int) (int16, int8) {
			return int16(rnd.IntN(2*math.MaxInt16+1) - math.MaxInt16), int8(rnd.IntN(255) - 127)
		},
		func(int) (int16, int8) { return math.MaxInt16, math.MaxInt8 },
		func(int) (int16, int8) { return -math.MaxInt16, math.MaxInt8 },
		func(int) (int16, int8) { return -math.MaxInt16, -math.MaxInt8 },
		func(i int) (int16, int8) {
			return int16(math.MaxInt16 * (1 - 2*(i%2))), int8(math.MaxInt8 * (1 - 2*(i%2)))
		},
		func(int) (int16, int8) { return 0, math.MinInt8 },
		func(i int) (int16, int8) { return int16(i), 1 },
	}
}

func TestDotsEqualPortable(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, stride := range []int{0, 32, 64, 96, 128, 256, 512, 544, 1024, 1536} {
		limit := int16(localindex.QueryLimit(stride))
		for n := range 12 {
			for k, fill := range patterns(rnd) {
				q, rows := make([]int16, stride), make([]int8, stride*n)
				for i := range q {
					v, _ := fill(i)
					q[i] = min(limit, max(-limit, v))
				}
				for i := range rows {
					_, rows[i] = fill(i)
				}
				got, want := make([]int32, n), make([]int32, n)
				localindex.Dots(q, rows, got)
				localindex.DotsPortable(q, rows, want)
				if !slices.Equal(got, want) {
					t.Fatalf("stride %d, %d rows, pattern %d: %v, want %v", stride, n, k, got, want)
				}
				for i := range n {
					exact := int64(0)
					for j := range q {
						exact += int64(q[j]) * int64(rows[i*stride+j])
					}
					if int64(want[i]) != exact {
						t.Fatalf("stride %d, pattern %d: %d, in 64 bits %d", stride, k, want[i], exact)
					}
				}
			}
		}
	}
}

func TestDotEqualsPortable(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := range 600 {
		a, b := make([]float32, n+1), make([]float32, n+1)
		for i := range a {
			a[i] = float32(rnd.NormFloat64() * math.Pow(10, float64(rnd.IntN(24)-12)))
			b[i] = float32(rnd.NormFloat64() * math.Pow(10, float64(rnd.IntN(24)-12)))
		}
		a, b = a[1:], b[1:] // not aligned
		got, want := localindex.Dot(a, b), localindex.DotPortable(a, b)
		if math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("length %d: %g, want %g", n, got, want)
		}
	}
}

func FuzzDots(f *testing.F) {
	f.Add([]byte{1, 2, 3, 0x80, 0xff, 0x7f, 0, 9}, uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, n uint8) {
		stride := len(data) / (2 + int(n)) / localindex.RowAlign * localindex.RowAlign
		limit := int16(localindex.QueryLimit(stride))
		q, rows := make([]int16, stride), make([]int8, stride*int(n))
		for i := range q {
			q[i] = min(limit, max(-limit, int16(data[2*i])<<8|int16(data[2*i+1])))
		}
		for i := range rows {
			rows[i] = int8(data[2*stride+i])
		}
		got, want := make([]int32, n), make([]int32, n)
		localindex.Dots(q, rows, got)
		localindex.DotsPortable(q, rows, want)
		if !slices.Equal(got, want) {
			t.Errorf("stride %d, %d rows: %v, want %v", stride, n, got, want)
		}
	})
}
