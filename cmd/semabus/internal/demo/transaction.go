package demo

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

// actTransaction prepares two messages and never resolves them, as a producer that dies does. Another producer of the group
// looks into their store: one of the two had committed.
func (s *stage) actTransaction(ctx context.Context) error {
	const producers, soon = "shop", 300 * time.Millisecond
	s.claim(5, "A message goes out if its producer's own transaction committed, and only then, also when the producer dies.")
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	prepare := func(text string) (client.Transaction, error) {
		return s.bus.Prepare(wait, producers, &semabus.Message{To: runnerUp, Text: text}, soon)
	}
	paid, err := prepare("Order 4712 is paid, send the receipt.")
	if err != nil {
		return err
	}
	unpaid, err := prepare("Order 4713 is paid, send the receipt.")
	if err != nil {
		return err
	}
	store := map[string]bool{paid.ID: true} // what the dead producer had committed
	asked := make(chan string, 16)
	checking, stop := context.WithCancel(wait)
	defer stop()
	var g errgroup.Group
	g.Go(func() error {
		return s.bus.CheckTransactions(checking, producers, func(_ context.Context, t client.Transaction, _ *semabus.Message) (semabus.Resolution, error) {
			asked <- t.ID
			if store[t.ID] {
				return semabus.ResolutionCommit, nil
			}
			return semabus.ResolutionRollback, nil
		})
	})
	for open := map[string]bool{paid.ID: true, unpaid.ID: true}; len(open) > 0; {
		select {
		case id := <-asked:
			delete(open, id)
		case <-wait.Done():
			s.provef(false, "nobody was asked about %d of 2 transactions", len(open))
			return ctx.Err()
		}
	}
	lost := s.ledger.await(wait, []pair{{paid.MessageID, runnerUp}})
	s.summary.Lost += len(lost)
	_, err = s.bus.Resolve(wait, unpaid.ID, semabus.ResolutionCommit) // too late: it was rolled back
	refused := semabus.ReasonOf(err) == semabus.ReasonTransactionEnded
	stop()
	if err := g.Wait(); err != nil {
		return err
	}
	groups, _ := s.ledger.groups(unpaid.MessageID)
	s.provef(len(lost) == 0 && len(groups) == 0 && refused,
		"two messages prepared and left alone; another producer was asked about both: the committed one was delivered %d time, the other %d times",
		1-len(lost), len(groups))
	return nil
}
