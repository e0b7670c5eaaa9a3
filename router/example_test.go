package router_test

import (
	"context"
	"fmt"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/embed/localembed"
	"github.com/semabus/semabus/router"
	"github.com/semabus/semabus/router/localindex"
)

// Two intents in plain words, one message for the second.
func Example() {
	ctx := context.Background()
	embedder := embed.New(localembed.New(), embed.Options{})
	r, err := router.New(router.Options{Embedder: embedder, Index: localindex.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	changes := []*router.Change{
		{Version: 1, Intent: &semabus.Intent{Name: "refunds", Description: "refund requests and double charges"}},
		{Version: 2, Intent: &semabus.Intent{Name: "cards", Description: "card lost or stolen"}},
	}
	if err := r.Apply(ctx, "default", changes); err != nil {
		fmt.Println(err)
		return
	}
	m := &semabus.Message{ID: "m1", Text: "My card was stolen!"}
	vectors, err := embedder.EmbedOne(ctx, m.Text, embeddriver.Query, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := r.Decide(ctx, &router.Request{Tenant: "default", Message: m, Vectors: vectors})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Outcome, d.Groups(), d.Matches[0].Reason)
	// Output: matched [cards] meaning
}
