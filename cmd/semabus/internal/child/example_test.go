package child_test

import (
	"context"
	"fmt"

	"github.com/semabus/semabus/cmd/semabus/internal/child"
)

// A node of one's own, killed and started again on the same data and ports. (Not run here: this test program is not semabus.)
func Example() {
	ctx := context.Background()
	n, err := child.StartNode(ctx, child.NodeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	n.Kill()
	if err := n.Restart(ctx); err != nil {
		fmt.Println(err)
	}
}
