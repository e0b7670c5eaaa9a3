//go:build !race

package localembed_test

import (
	"context"
	"testing"

	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/embed/localembed"
)

// TestAllocatesNothing is left out under the race detector, where a sync.Pool forgets at random.
func TestAllocatesNothing(t *testing.T) {
	m := localembed.New() // not parallel: AllocsPerRun counts for the whole process
	e := embed.New(m, embed.Options{})
	ctx := context.Background()
	var vs []embed.Vector
	for _, text := range []string{english, chinese} {
		n := testing.AllocsPerRun(200, func() {
			var err error
			if vs, err = e.EmbedOne(ctx, text, driver.Query, vs); err != nil {
				t.Error(err)
			}
		})
		if n >= 1 {
			t.Errorf("%v allocations for %q, want 0", n, text)
		}
	}
}
