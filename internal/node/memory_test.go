package node_test

import (
	"testing"

	"github.com/semabus/semabus/internal/node"
)

// TestHeapPercent: about the same room whatever lives, within bounds.
func TestHeapPercent(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 400, 1 << 20: 400, 32 << 20: 300, 96 << 20: 100, 192 << 20: 50, 1 << 30: 30, 1 << 40: 30} {
		if got := node.HeapPercent(live); got != want {
			t.Errorf("%d MiB: %d %%, want %d", live>>20, got, want)
		}
	}
}
