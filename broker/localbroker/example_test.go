package localbroker_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

func Example() {
	dir, err := os.MkdirTemp("", "localbroker")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	b, err := localbroker.Open(localbroker.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer b.Close()
	ctx := context.Background()

	// A message and its delivery become true together, and are on disk when Commit returns.
	_, err = b.Commit(ctx, []*driver.Batch{{
		Tenant:     "acme",
		Messages:   []driver.Message{{ID: "m1", Body: []byte("hello")}},
		Deliveries: []driver.Enqueue{{MessageID: "m1", Group: "greeters"}},
	}})
	if err != nil {
		panic(err)
	}
	work, err := b.Lease(ctx, &driver.LeaseRequest{Tenant: "acme", Group: "greeters", Max: 1, For: time.Minute})
	if err != nil {
		panic(err)
	}
	settle := &driver.Batch{Tenant: "acme", Settles: []driver.Settle{{Token: work[0].Token}}}
	first, _ := b.Commit(ctx, []*driver.Batch{settle})
	second, _ := b.Commit(ctx, []*driver.Batch{settle})
	fmt.Printf("%s, settled %v, settled again %v\n", work[0].Body, first[0].Applied, second[0].Applied)
	// Output: hello, settled true, settled again false
}
