package peer

import (
	"context"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/client"
)

type semabusServer struct{ *node.Node }

func startSemabus(ctx context.Context, e Env) (Server, error) {
	n, err := node.Prepared(ctx, node.Options{Binary: e.Binary, Dir: e.Dir}, e.Clock, e.Intents)
	if err != nil {
		return nil, err
	}
	return semabusServer{n}, nil
}

// Publish implements [Server]: publishers that wait for each acknowledgement share the streams of their connection, as the
// goroutines of an application do; those with a window have a stream each.
func (s semabusServer) Publish(ctx context.Context, l *Load) error {
	clients, end, err := s.Dial(ctx, l.Lines(), client.Options{})
	if err != nil {
		return err
	}
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	for i := range l.Publishers {
		c, source := clients[i%len(clients)], l.Source(i)
		g.Go(func() error {
			if l.Window == 1 {
				return oneByOne(ctx, c, source)
			}
			return windowed(ctx, c, source, l.Window)
		})
	}
	return g.Wait()
}

func oneByOne(ctx context.Context, c *client.Client, s *Source) error {
	for {
		text, sent, ok := s.Next(ctx)
		if !ok {
			return ctx.Err()
		}
		if _, err := c.Publish(ctx, &semabus.Message{Text: string(text)}); err != nil {
			return err
		}
		s.Acked(sent)
	}
}

func windowed(ctx context.Context, c *client.Client, s *Source, window int) error {
	p, err := c.NewPublisher(client.PublisherOptions{Window: window})
	if err != nil {
		return err
	}
	refused := make(chan error, 1) // the first
	for {
		text, sent, ok := s.Next(ctx)
		if !ok || len(refused) > 0 {
			break
		}
		err := p.PublishAsync(ctx, &semabus.Message{Text: string(text)}, func(_ semabus.Receipt, err error) {
			if err == nil {
				s.Acked(sent)
				return
			}
			select {
			case refused <- err:
			default:
			}
		})
		if err != nil {
			_ = p.Close() // the refusal says more
			return err
		}
	}
	err = p.Close() // after everything handed over is answered
	select {
	case first := <-refused:
		return first
	default:
		return err
	}
}
