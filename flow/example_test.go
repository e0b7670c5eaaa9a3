package flow_test

import (
	"context"
	"fmt"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/flow"
)

// A group of at most two leases at once: the third member waits until one is settled.
func Example() {
	f := flow.New(semabus.SystemClock{})
	f.Apply("default", []*flow.Change{{Version: 1, Group: semabus.GroupConfig{Name: "gpu", MaxConcurrency: 2}}})
	ctx := context.Background()
	n := f.Acquire(ctx, "default", "gpu", 10, 0)
	fmt.Println("room for", n)
	for i := range n {
		f.Hold("default", "gpu", []semabus.Delivery{{Lease: semabus.Lease{Token: []byte{byte(i)}, Expires: time.Now().Add(time.Minute)}}})
	}
	fmt.Println("room for", f.Acquire(ctx, "default", "gpu", 10, 0))
	f.Release([]byte{0})
	fmt.Println("room for", f.Acquire(ctx, "default", "gpu", 10, 0))
	// Output:
	// room for 2
	// room for 0
	// room for 1
}
