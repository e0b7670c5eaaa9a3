package bus_test

import (
	"context"
	"fmt"
	"os"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/localbroker"
	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/localembed"
	"github.com/semabus/semabus/flow"
	"github.com/semabus/semabus/internal/bus"
	"github.com/semabus/semabus/router"
	"github.com/semabus/semabus/router/localindex"
)

// An agent says in plain words what it wants to hear; a message that means it reaches the agent, and the reply is published in
// the commit that settles the work.
func Example() {
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	clock := semabus.SystemClock{}
	engine, err := localbroker.Open(localbroker.Options{Dir: dir, Clock: clock})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	embedder := embed.New(localembed.New(), embed.Options{})
	br, err1 := broker.New(engine, broker.Options{Clock: clock})
	ro, err2 := router.New(router.Options{Embedder: embedder, Index: localindex.New(), Clock: clock})
	ctx, me := context.Background(), semabus.Principal{Tenant: "default", Name: "me", Role: semabus.RoleAdmin, Set: "default"}
	b, err3 := bus.Open(ctx, bus.Options{Broker: br, Embedder: embedder, Router: ro, Flow: flow.New(clock), Clock: clock})
	if err1 != nil || err2 != nil || err3 != nil {
		fmt.Println(err1, err2, err3)
		return
	}
	_, _, err = b.RegisterIntent(ctx, me, "", semabus.Intent{Name: "refunds", Description: "refund requests and double charges",
		Examples: []string{"I want my money back", "please refund my order", "I was charged twice"}})
	fmt.Println(err)
	r := b.Publish(ctx, me, []bus.PublishItem{{Message: &semabus.Message{Text: "please refund the double charge"}}})[0]
	fmt.Println(r.Receipt.Outcome, r.Receipt.Groups, r.Err)
	work, err := b.Fetch(ctx, me, bus.FetchRequest{Group: "refunds"})
	fmt.Println(len(work), err)
	s := b.Settle(ctx, me, []semabus.Settlement{{Token: work[0].Lease.Token, Outcome: semabus.SettleDone,
		Outputs: []*semabus.Message{{To: "customers", Text: "refunded"}}}})[0]
	fmt.Println(s.Settled.Outputs[0].Groups, s.Err)
	// Output:
	// <nil>
	// matched [refunds] <nil>
	// 1 <nil>
	// [customers] <nil>
}
