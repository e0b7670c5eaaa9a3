// Command quickstart is the smallest use of semabus: two agents say in plain words what they want to hear, a publisher says
// things, and each thing reaches who it is for. docs/quickstart.md walks through it.
//
//	semabus serve &                  # or: go run ./cmd/semabus serve
//	go run ./examples/quickstart
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7420", "the node's gRPC address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// agents are who wants to hear what. Examples are not needed; each one makes the router surer.
var agents = []semabus.Intent{
	{Name: "refunds", Description: "refund requests and double charges", Examples: []string{
		"you charged me twice", "I want my money back", "please refund my order", "there is a double charge on my statement"}},
	{Name: "cards", Description: "card lost or stolen", Examples: []string{
		"I lost my card", "my card was stolen", "block my card please", "somebody took my wallet with the card"}},
}

// said is what customers say.
var said = []string{
	"Hello, you charged me twice for order 4711.",
	"My card was stolen on the train, please block it!",
	"I want my money back for the broken lamp.",
	"What a lovely morning.",
}

// run plays it through once.
func run(ctx context.Context, addr string, out io.Writer) error {
	c, err := client.Dial(ctx, addr, client.Options{})
	if err != nil {
		return err
	}
	defer c.Close() // what is under way is finished first

	// 1. Say what each agent wants to hear. The group of an intent is who receives: agents of one group share its work.
	for _, in := range agents {
		in.Group = in.Name
		if _, err := c.RegisterIntent(ctx, in); err != nil && semabus.CodeOf(err) != semabus.CodeAlreadyExists {
			return err
		}
	}

	// 2. Publish. The receipt comes when the message is decided and on disk; the work may wait for its agents.
	jobs := 0
	for _, text := range said {
		r, err := c.Publish(ctx, &semabus.Message{Text: text})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "published  %-52s for %v\n", text, r.Groups)
		jobs += len(r.Groups)
		if len(r.Groups) == 0 { // nobody: ask why
			why, err := c.Why(ctx, r.ID, "refunds")
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "           %s\n", why.Text)
		}
	}

	// 3. Work, until everything is done.
	return subscribe(ctx, c, jobs, out)
}

// subscribe lets the agents work on a number of jobs.
func subscribe(ctx context.Context, c *client.Client, jobs int, out io.Writer) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	var mu sync.Mutex
	handle := func(_ context.Context, job *semabus.Delivery) (semabus.Settlement, error) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "%-10s %s\n", job.Group, job.Message.Text)
		if jobs--; jobs == 0 {
			done()
		}
		return semabus.Settlement{}, nil // to return is to settle: done, or an error to be given it again
	}
	var g errgroup.Group
	for _, in := range agents {
		g.Go(func() error { return c.Subscribe(ctx, in.Name, handle, client.SubscribeOptions{Concurrency: 4}) })
	}
	return g.Wait() // Subscribe returns when ctx has ended and its handlers have settled
}
