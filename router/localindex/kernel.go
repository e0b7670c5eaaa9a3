package localindex

// dotsPortable sets out[i] to the sum of q[j]·rows[i·len(q)+j]. len(q) is a multiple of rowAlign.
func dotsPortable(q []int16, rows []int8, out []int32) {
	n := len(q)
	for i := range out {
		row := rows[:n:n]
		rows = rows[n:]
		var a, b int32
		for j := 0; j < n; j += 8 {
			x, y := (*[8]int16)(q[j:]), (*[8]int8)(row[j:])
			a += int32(x[0])*int32(y[0]) + int32(x[1])*int32(y[1]) + int32(x[2])*int32(y[2]) + int32(x[3])*int32(y[3])
			b += int32(x[4])*int32(y[4]) + int32(x[5])*int32(y[5]) + int32(x[6])*int32(y[6]) + int32(x[7])*int32(y[7])
		}
		out[i] = a + b
	}
}

// lanes is how many partial sums a float32 dot product has: part of its definition, for float32 sums depend on the order.
const lanes = 16

// dotPortable is the float32 dot product of a and b, of the same length. Lane k sums components k, k+lanes, …; the lanes
// are added in pairs, 8 apart, 4 apart, 2 apart, neighbours; the components behind the last whole row of lanes come last,
// one after another. No multiplication is fused with an addition.
func dotPortable(a, b []float32) float32 {
	var sum [lanes]float32
	b = b[:len(a)]
	whole := len(a) / lanes * lanes
	for i := 0; i < whole; i += lanes {
		x, y := a[i:i+lanes:i+lanes], b[i:i+lanes:i+lanes]
		for k := range sum {
			sum[k] += float32(x[k] * y[k])
		}
	}
	for half := lanes / 2; half > 0; half /= 2 {
		for k := range half {
			sum[k] += sum[k+half]
		}
	}
	for i := whole; i < len(a); i++ {
		sum[0] += float32(a[i] * b[i])
	}
	return sum[0]
}
