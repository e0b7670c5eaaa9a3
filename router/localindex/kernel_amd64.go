package localindex

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// hasAVX2 is whether the processor and the operating system let the AVX2 kernels run.
var hasAVX2 = cpu.X86.HasAVX2

// dots sets out[i] to the sum of q[j]·rows[i·len(q)+j]. len(q) is a multiple of rowAlign.
func dots(q []int16, rows []int8, out []int32) {
	if !hasAVX2 {
		dotsPortable(q, rows, out)
		return
	}
	rows = rows[:len(q)*len(out)]
	dotsAVX2(unsafe.SliceData(q), unsafe.SliceData(rows), unsafe.SliceData(out), len(q), len(out))
}

// dot is the float32 dot product of a and b, defined by [dotPortable].
func dot(a, b []float32) float32 {
	if !hasAVX2 {
		return dotPortable(a, b)
	}
	b = b[:len(a)]
	whole := len(a) / lanes * lanes
	sum := dotAVX2(unsafe.SliceData(a), unsafe.SliceData(b), whole)
	for i := whole; i < len(a); i++ {
		sum += float32(a[i] * b[i])
	}
	return sum
}

// dotsAVX2 is dotsPortable for n rows of stride bytes, stride a multiple of 16.
//
//go:noescape
func dotsAVX2(q *int16, rows *int8, out *int32, stride, n int)

// dotAVX2 is dotPortable for n components, n a multiple of lanes.
//
//go:noescape
func dotAVX2(a, b *float32, n int) float32
