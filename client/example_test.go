package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/internal/node"
)

// startNode stands in for `semabus serve`: a node on a free port with a temporary folder.
func startNode() (addr string, stop func()) {
	dir, err := os.MkdirTemp("", "semabus-example")
	check(err)
	config := node.Default()
	config.Data, config.Listen, config.HTTP = dir, "127.0.0.1:0", ""
	ctx, cancel := context.WithCancel(context.Background())
	n, err := node.Open(ctx, config, node.Options{})
	check(err)
	var g errgroup.Group
	g.Go(func() error { return n.Run(ctx) })
	return n.GRPCAddr(), func() {
		cancel()
		check(g.Wait())
		check(os.RemoveAll(dir))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// desk registers two intents.
func desk(ctx context.Context, c *client.Client) {
	for _, in := range []semabus.Intent{
		{Name: "refunds", Description: "refund requests and double charges", Examples: []string{
			"you charged me twice", "I want my money back", "please refund my order", "double charge on my statement"}},
		{Name: "cards", Description: "card lost or stolen", Examples: []string{
			"I lost my card", "my card was stolen", "block my card please", "somebody took my wallet with the card"}},
	} {
		in.Group = in.Name
		_, err := c.RegisterIntent(ctx, in)
		check(err)
	}
}

// An agent says in plain words what it wants to hear, and hears it.
func Example() {
	addr, stop := startNode()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, addr, client.Options{})
	check(err)
	defer c.Close()

	_, err = c.RegisterIntent(ctx, semabus.Intent{Name: "refunds", Group: "refunds", Description: "refund requests and double charges",
		Examples: []string{"you charged me twice", "I want my money back", "please refund my order"}})
	check(err)
	receipt, err := c.Publish(ctx, &semabus.Message{Text: "hello, you have charged me twice"})
	check(err)
	fmt.Println("for", receipt.Groups)

	work, done := context.WithCancel(ctx)
	err = c.Subscribe(work, "refunds", func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		fmt.Println("heard:", d.Message.Text)
		done()
		return semabus.Settlement{}, nil
	}, client.SubscribeOptions{})
	check(err)
	// Output:
	// for [refunds]
	// heard: hello, you have charged me twice
}

func ExampleClient_Publish() {
	addr, stop := startNode()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, addr, client.Options{})
	check(err)
	defer c.Close()

	r, err := c.Publish(ctx, &semabus.Message{To: "refunds", Text: "please look at order 7"})
	check(err)
	fmt.Println(r.Outcome, r.Groups, "final:", r.Final)

	// A condition: somebody must be there for it, else nothing is stored.
	_, err = c.Publish(ctx, &semabus.Message{Text: "is anybody there?"}, client.Expect(semabus.ExpectAtLeastOne))
	fmt.Println(semabus.ReasonOf(err))
	// Output:
	// matched [refunds] final: true
	// NO_MATCH
}

// Many messages a second from one goroutine, in order.
func ExamplePublisher_PublishAsync() {
	addr, stop := startNode()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, addr, client.Options{})
	check(err)
	defer c.Close()

	p, err := c.NewPublisher(client.PublisherOptions{Window: 1000})
	check(err)
	stored := 0
	for i := range 5000 {
		err := p.PublishAsync(ctx, &semabus.Message{To: "readings", Text: fmt.Sprint(i)}, func(_ semabus.Receipt, err error) {
			if err == nil {
				stored++ // callbacks of one stream do not run at the same time
			}
		})
		check(err) // it waits for room in the window, and fails only with ctx or the client
	}
	check(p.Close())
	fmt.Println(stored, "stored")
	// Output: 5000 stored
}

// A handler's outputs are published in the commit that settles its delivery: both happen, once, or neither.
func ExampleClient_Subscribe() {
	addr, stop := startNode()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, addr, client.Options{})
	check(err)
	defer c.Close()
	for _, text := range []string{"order 7", "order 8"} {
		_, err = c.Publish(ctx, &semabus.Message{To: "refunds", Text: text})
		check(err)
	}

	work, leave := context.WithCancel(ctx)
	tries := 0
	err = c.Subscribe(work, "refunds", func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		if d.Message.Text == "order 7" {
			if tries++; tries == 1 {
				return semabus.Settlement{RetryAfter: time.Millisecond}, errors.New("the ledger is busy")
			}
			defer leave()
		}
		return semabus.Settlement{Outputs: []*semabus.Message{{To: "letters", Text: d.Message.Text + " is refunded"}}}, nil
	}, client.SubscribeOptions{Concurrency: 1})
	check(err)
	fmt.Println("tries of order 7:", tries)

	letters, err := c.Fetch(ctx, "letters", client.FetchOptions{Max: 10})
	check(err)
	for _, l := range letters {
		fmt.Println(l.Message.Text)
	}
	// Unordered output:
	// tries of order 7: 2
	// order 8 is refunded
	// order 7 is refunded
}

func ExampleClient_Fetch() {
	addr, stop := startNode()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, addr, client.Options{})
	check(err)
	defer c.Close()
	_, err = c.Publish(ctx, &semabus.Message{To: "nightly", Text: "count the stock"})
	check(err)

	work, err := c.Fetch(ctx, "nightly", client.FetchOptions{Max: 10, Lease: time.Hour})
	check(err)
	for _, d := range work {
		fmt.Println(d.Message.Text, "attempt", d.Attempt)
		results, err := c.Settle(ctx, semabus.Settlement{Token: d.Lease.Token, Outcome: semabus.SettleDone})
		check(err)
		fmt.Println("error:", results[0].Err)
	}
	// Output:
	// count the stock attempt 1
	// error: <nil>
}

func ExampleClient_RegisterIntent() {
	addr, stop := startNode()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, addr, client.Options{})
	check(err)
	defer c.Close()

	in := semabus.Intent{Name: "refunds", Group: "refunds", Description: "refund requests and double charges"}
	reg, err := c.RegisterIntent(ctx, in)
	check(err)
	_, err = c.RegisterIntent(ctx, in)
	fmt.Println(reg.Intent.Name, "version", reg.Intent.Version, "then", semabus.CodeOf(err))

	// From here on, whatever is published at this registry version or later is compared with the intent.
	_, err = c.Publish(ctx, &semabus.Message{Text: "hello"}, client.MinRegistryVersion(reg.RegistryVersion))
	check(err)
	// Output: refunds version 1 then ALREADY_EXISTS
}

func ExampleClient_Match() {
	addr, stop := startNode()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, addr, client.Options{})
	check(err)
	defer c.Close()
	desk(ctx, c)

	matches, err := c.Match(ctx, "my card was stolen on the train", 2) // nothing is delivered
	check(err)
	for _, m := range matches {
		fmt.Println(m.Intent, m.Reason)
	}
	// Output:
	// cards meaning
	// refunds below_threshold
}

func ExampleClient_Why() {
	addr, stop := startNode()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, addr, client.Options{})
	check(err)
	defer c.Close()
	desk(ctx, c)
	r, err := c.Publish(ctx, &semabus.Message{Text: "please block my card, it was stolen"})
	check(err)

	for _, group := range []string{"cards", "refunds"} {
		why, err := c.Why(ctx, r.ID, group)
		check(err)
		fmt.Println(group, why.Reason, "delivered:", why.Reason.Delivers())
	}
	// Output:
	// cards meaning delivered: true
	// refunds below_threshold delivered: false
}
