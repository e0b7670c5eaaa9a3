package node_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/client"
)

// The intents of a prepared node are dealt out to its groups.
func ExampleGroup() {
	fmt.Println(len(node.Groups()), node.Group(0), node.Group(9))
	// Output: 8 group-0 group-1
}

// A node of the checkout with a thousand intents. (Not run here: the tests of the commands run nodes.)
func Example() {
	ctx, dir := context.Background(), os.TempDir()
	binary, err := node.Build(ctx, dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := node.Prepared(ctx, node.Options{Binary: binary, Dir: dir}, semabus.SystemClock{}, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	c, err := client.Dial(ctx, n.GRPC, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c.Publish(ctx, &semabus.Message{Text: "Can you cancel my invoice at home?"}))
}

func TestGroups(t *testing.T) {
	t.Parallel()
	all := node.Groups()
	for i := range 100 {
		if !slices.Contains(all, node.Group(i)) {
			t.Errorf("intent %d is of %s, which is none of %v", i, node.Group(i), all)
		}
	}
	if slices.Sort(all); len(slices.Compact(all)) != len(all) {
		t.Errorf("%v", all)
	}
}

// TestNoNode: a program that is not there, and one that ends at once.
func TestNoNode(t *testing.T) {
	t.Parallel()
	no, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	for _, binary := range []string{"no-such-program", no} {
		n, err := node.Start(t.Context(), node.Options{Binary: binary, Dir: t.TempDir()})
		if semabus.CodeOf(err) != semabus.CodeUnavailable {
			t.Errorf("%s: %v", binary, err)
		}
		n.Close()
		if _, err := node.Prepared(t.Context(), node.Options{Binary: binary, Dir: t.TempDir()}, semabus.SystemClock{}, 1); err == nil {
			t.Errorf("%s was prepared", binary)
		}
	}
}
