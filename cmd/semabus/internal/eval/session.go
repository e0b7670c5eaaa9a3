package eval

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/child"
)

const (
	askAgain  = 50 * time.Millisecond // between two looks at the router's refits
	fetchSize = 1000                  // deliveries a fetch
)

// session is one evaluation's connection to a node, which is its own unless one was named.
type session struct {
	c    *client.Client
	node *child.Node // nil = somebody else's
}

// open starts or joins a node. Somebody else's must have no intents in the caller's tenant: they would compete.
func (r *runner) open(ctx context.Context) (s *session, err error) {
	s = &session{}
	addr := r.addr
	if addr == "" {
		if s.node, err = child.StartNode(ctx, child.NodeOptions{}); err != nil {
			return nil, err
		}
		addr = s.node.GRPC
	}
	if s.c, err = client.Dial(ctx, addr, client.Options{APIKey: r.key}); err != nil {
		return nil, joined(err, s.close(&plan{}))
	}
	info, err := s.c.Info(ctx)
	if err == nil && info.Intents > 0 {
		err = usage("--addr", addr, "its tenant has intents already: use a key of an empty tenant, or leave --addr out")
	}
	if err != nil {
		return nil, joined(err, s.close(&plan{}))
	}
	return s, nil
}

// joined is the first error; the second came of cleaning up after it.
func joined(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// close ends the session; on a node that is not its own it takes the plan's intents back.
func (s *session) close(p *plan) error {
	var err error
	if s.c != nil {
		if s.node == nil {
			err = s.remove(p)
		}
		err = joined(err, s.c.Close())
	}
	if s.node != nil {
		s.node.Close()
	}
	return err
}

// remove deletes the plan's intents, also after the evaluation was interrupted.
func (s *session) remove(p *plan) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range p.intents {
		g.Go(func() error {
			_, err := s.c.DeleteIntent(ctx, p.intents[i].Name)
			if semabus.CodeOf(err) == semabus.CodeNotFound {
				return nil // the evaluation ended before it was registered
			}
			return err
		})
	}
	return g.Wait()
}

func (s *session) registerOne(ctx context.Context, in semabus.Intent) error {
	_, err := s.c.RegisterIntent(ctx, in)
	return err
}

// settled waits until every registered intent has its scorer.
func (s *session) settled(ctx context.Context, clock semabus.Clock) error {
	ctx, cancel := context.WithTimeout(ctx, refitWithin)
	defer cancel()
	for {
		info, err := s.c.Info(ctx)
		if err != nil {
			return err
		}
		if info.PendingRefits == 0 {
			return nil
		}
		again := make(chan struct{})
		stop := clock.AfterFunc(askAgain, func() { close(again) })
		select {
		case <-again:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
	}
}

func (s *session) match(ctx context.Context, text string, limit int) ([]semabus.Match, error) {
	return s.c.Match(ctx, text, min(limit, fetchSize))
}

// publishBatch sends messages side by side and waits for all receipts.
func (s *session) publishBatch(ctx context.Context, batch []*semabus.Message) error {
	var mu sync.Mutex
	var first error
	var open sync.WaitGroup
	for _, m := range batch {
		open.Add(1)
		err := s.c.PublishAsync(ctx, m, func(_ semabus.Receipt, err error) {
			mu.Lock()
			first = joined(first, err)
			mu.Unlock()
			open.Done()
		})
		if err != nil {
			open.Done()
			open.Wait()
			return err
		}
	}
	open.Wait()
	return first
}

// drain fetches and settles what a group received and returns the message ids.
func (s *session) drain(ctx context.Context, group string) ([]string, error) {
	var ids []string
	for {
		got, err := s.c.Fetch(ctx, group, client.FetchOptions{Max: fetchSize})
		if err != nil || len(got) == 0 {
			return ids, err
		}
		done := make([]semabus.Settlement, len(got))
		for i := range got {
			ids = append(ids, got[i].Message.ID)
			done[i] = semabus.Settlement{Token: got[i].Lease.Token, Outcome: semabus.SettleDone}
		}
		results, err := s.c.Settle(ctx, done...)
		if err != nil {
			return ids, err
		}
		for i := range results {
			if results[i].Err != nil {
				return ids, results[i].Err
			}
		}
	}
}

// space is that of the vectors behind a published message's decision.
func (s *session) space(ctx context.Context, probe string) (space, tier string, err error) {
	a, err := s.c.Why(ctx, probe, "")
	if err != nil || a.Decision == nil {
		return "", "", err
	}
	return a.Decision.Space, a.Decision.Tier, nil
}
