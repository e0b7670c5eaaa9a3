package broker_test

import (
	"context"
	"fmt"
	"os"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/localbroker"
)

// A message is stored with its delivery in one commit; whoever works on it settles the lease, and the reply is in the same
// commit as the settlement.
func Example() {
	dir, err := os.MkdirTemp("", "broker")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	engine, err := localbroker.Open(localbroker.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	b, err := broker.New(engine, broker.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	send := func(c *broker.Commit) {
		if done, err := b.Commit(ctx, []*broker.Commit{c}); err != nil || done[0].Err != nil {
			fmt.Println(err, done[0].Err)
		}
	}
	take := func(group string) semabus.Delivery {
		ds, err := b.Lease(ctx, broker.LeaseOptions{Tenant: "default", Group: group})
		if err != nil || len(ds) == 0 {
			fmt.Println(group, "has nothing", err)
			return semabus.Delivery{Message: &semabus.Message{}}
		}
		return ds[0]
	}
	send(&broker.Commit{Tenant: "default", Entries: []broker.Entry{{
		Message: &semabus.Message{ID: "1", Text: "please refund me"}, Groups: []broker.Target{{Group: "refunds"}}}}})
	work := take("refunds")
	fmt.Println(work.Message.Text)
	send(&broker.Commit{Tenant: "default",
		Settles: []broker.Settle{{Token: work.Lease.Token, Outcome: semabus.SettleDone}},
		Entries: []broker.Entry{{Message: &semabus.Message{ID: "2", Text: "refunded"}, Groups: []broker.Target{{Group: "replies"}}}}})
	fmt.Println(take("replies").Message.Text)
	// Output:
	// please refund me
	// refunded
}
