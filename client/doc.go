// Package client is what applications import to use a semabus node: publish in plain words, subscribe, and ask why.
//
// Main path:
//
//	c, err := client.Dial(ctx, "127.0.0.1:7420", client.Options{APIKey: key})
//	defer c.Close()
//	_, err = c.RegisterIntent(ctx, semabus.Intent{Name: "refunds", Description: "refund requests and double charges"})
//	receipt, err := c.Publish(ctx, &semabus.Message{Text: "you charged me twice"})
//	err = c.Subscribe(ctx, "refunds", func(ctx context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
//		return semabus.Settlement{Outputs: []*semabus.Message{{Text: "done", To: d.Message.ReplyTo}}}, nil
//	}, client.SubscribeOptions{Concurrency: 8})
//
// Guarantees:
//
//   - Publish returns a receipt once the message is decided and durable. A connection lost on the way is repeated under the
//     same producer id and sequence, so that the message is stored once.
//   - Subscribe reconnects by itself, with jitter and at most 10 s between tries. A delivery is settled when its handler
//     returns, together with the outputs; a handler whose lease is lost has its context cancelled. A panic costs an attempt,
//     never the process.
//   - Requests that change something carry an op id, so that repeating them after a lost answer changes nothing twice.
//   - Every error is a *semabus.Error (semabus.AsError); its text says what to do.
//   - Close and the end of Subscribe take two steps: nothing new, then a grace for what is under way. What was not begun is
//     given back at once and costs no attempt.
//
// A Client is one connection and is safe for concurrent use. Dial starts nothing; what Publish and Subscribe start ends
// before Close and Subscribe return.
package client
