package localindex

import "github.com/semabus/semabus/router/driver"

// The kernels, for the tests that compare them.
var (
	Dots         = dots
	DotsPortable = dotsPortable
	Dot          = dot
	DotPortable  = dotPortable
	QueryLimit   = queryLimit
)

// RowAlign is what the length of a row is a multiple of.
const RowAlign = rowAlign

// ChunkRows is the most entries of a chunk.
const ChunkRows = chunkRows

// Chunks counts a partition's chunks, and the rows they hold, dead ones too.
func (x *Index) Chunks(p driver.Partition) (chunks, rows int) {
	part := x.known(p)
	if part == nil {
		return 0, 0
	}
	for _, b := range part.state.Load().chunks {
		chunks, rows = chunks+1, rows+len(b.ids)
	}
	return chunks, rows
}
