package embed_test

import (
	"context"
	"fmt"

	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/embed/localembed"
)

func Example() {
	e := embed.New(localembed.New(), embed.Options{})
	ctx := context.Background()
	intents, err := e.Embed(ctx, []string{"refund requests and double charges", "card lost or stolen"}, driver.Passage)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := embed.Extract("application/json", []byte(`{"id": 7, "body": "I need a refund for a double charge"}`))
	fmt.Println(text)
	message, err := e.EmbedOne(ctx, text, driver.Query, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	refund, card := embed.Dot(message[0].Values, intents[0][0].Values), embed.Dot(message[0].Values, intents[1][0].Values)
	fmt.Println("a refund:", refund > card)
	// Output:
	// I need a refund for a double charge
	// a refund: true
}

func ExampleExtract() {
	text, ok := embed.Extract("text/html", []byte("<p>My card was <b>stolen</b> &mdash; help!</p>"))
	fmt.Println(text, ok)
	text, ok = embed.Extract("image/png", []byte{0x89, 'P', 'N', 'G'})
	fmt.Printf("%q %v\n", text, ok)
	// Output:
	// My card was stolen — help! true
	// "" false
}
