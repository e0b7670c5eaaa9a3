package client_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

// BenchmarkPublish is one message of 256 bytes, durable, by address: client, gRPC and node share the machine.
func BenchmarkPublish(b *testing.B) {
	for _, callers := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			_, c := setup(b)
			text := strings.Repeat("0123456789abcdef", 16)
			var g errgroup.Group
			b.ReportAllocs()
			b.ResetTimer()
			for i := range callers {
				n := b.N / callers
				if i == 0 {
					n += b.N % callers
				}
				g.Go(func() error {
					m := &semabus.Message{To: "desk", Text: text}
					for range n {
						if _, err := c.Publish(b.Context(), m); err != nil {
							return err
						}
					}
					return nil
				})
			}
			must(b, g.Wait())
		})
	}
}

// BenchmarkPublishAsync is the same with one publisher that keeps order.
func BenchmarkPublishAsync(b *testing.B) {
	for _, window := range []int{16, 256, 4096} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) {
			_, c := setup(b)
			p, err := c.NewPublisher(client.PublisherOptions{Window: window})
			must(b, err)
			m := &semabus.Message{To: "desk", Text: strings.Repeat("0123456789abcdef", 16)}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				must(b, p.PublishAsync(b.Context(), m, func(_ semabus.Receipt, err error) {
					if err != nil {
						b.Error(err)
					}
				}))
			}
			must(b, p.Close())
		})
	}
}

// BenchmarkSubscribe is one message of 256 bytes delivered, handled and settled, as it is published by one publisher.
func BenchmarkSubscribe(b *testing.B) {
	for _, concurrency := range []int{1, 64} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			_, c := setup(b)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			var settled atomic.Int64
			var g errgroup.Group
			g.Go(func() error {
				return c.Subscribe(ctx, "desk", nothing, client.SubscribeOptions{Concurrency: concurrency, Prefetch: concurrency,
					OnSettled: func(_ *semabus.Delivery, _ semabus.Settled, err error) {
						if err != nil {
							b.Error(err)
						}
						if settled.Add(1) == int64(b.N) {
							cancel()
						}
					}})
			})
			b.ReportAllocs()
			b.ResetTimer()
			p, err := c.NewPublisher(client.PublisherOptions{Window: 64})
			must(b, err)
			m := &semabus.Message{To: "desk", Text: strings.Repeat("0123456789abcdef", 16)}
			for range b.N {
				must(b, p.PublishAsync(b.Context(), m, func(_ semabus.Receipt, err error) {
					if err != nil {
						b.Error(err)
					}
				}))
			}
			must(b, g.Wait())
			must(b, p.Close())
		})
	}
}
