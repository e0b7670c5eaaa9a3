package localindex_test

import (
	"context"
	"fmt"

	"github.com/semabus/semabus/router/driver"
	"github.com/semabus/semabus/router/localindex"
)

func Example() {
	ctx := context.Background()
	idx := localindex.New()
	p := driver.Partition{Tenant: "default", Space: "example"}
	entries := []driver.Entry{
		{ID: 1, Vector: []float32{1, 0, 0}},
		{ID: 2, Vector: []float32{0.8, 0.6, 0}},
		{ID: 3, Vector: []float32{0, 1, 0}},
	}
	if err := idx.Update(ctx, p, 1, entries, nil); err != nil {
		fmt.Println(err)
		return
	}
	hits, err := idx.Search(ctx, p, []driver.Query{{Vector: []float32{1, 0, 0}, MinScore: 0.5, Max: 10}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range hits[0] {
		fmt.Println(h.ID, h.Score)
	}
	// Output:
	// 1 1
	// 2 0.8
}
