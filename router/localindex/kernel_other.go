//go:build !amd64

package localindex

func dots(q []int16, rows []int8, out []int32) { dotsPortable(q, rows, out) }

func dot(a, b []float32) float32 { return dotPortable(a, b) }
