package client

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// Transaction names a message that is published if its producer's own transaction commits.
type Transaction struct {
	ID        string // keep it with the producer's own data, in the same local transaction: a Checker looks there
	MessageID string
}

// Prepare stores a message that nobody sees until Resolve says how the producer's own transaction ended. group names the
// producers that can be asked about it ([Client.CheckTransactions]), first after checkAfter (0 = 30 s).
func (c *Client) Prepare(ctx context.Context, group string, m *semabus.Message, checkAfter time.Duration) (Transaction, error) {
	if m == nil {
		return Transaction{}, required("message")
	}
	if err := checkText(m); err != nil {
		return Transaction{}, err
	}
	q := &semabusv1.PrepareRequest{OpId: newID(), Message: toMessage(m), ProducerGroup: group}
	if checkAfter != 0 {
		q.CheckAfter = durationpb.New(checkAfter)
	}
	if m.TraceParent == "" {
		t := c.traceOf(ctx, m)
		q.Message.TraceParent, q.Message.TraceState = t.parent, t.state
	}
	a, err := call(ctx, c, "client.Prepare", c.bus.Prepare, q)
	if err != nil {
		return Transaction{}, err
	}
	return Transaction{ID: a.GetTransactionId(), MessageID: a.GetMessageId()}, nil
}

// Resolve ends a transaction; the receipt is that of a committed message. Saying the same again is no error; saying otherwise
// is FAILED_PRECONDITION / TRANSACTION_ENDED.
func (c *Client) Resolve(ctx context.Context, transactionID string, as semabus.Resolution) (semabus.Receipt, error) {
	a, err := call(ctx, c, "client.Resolve", c.bus.Resolve, &semabusv1.ResolveRequest{OpId: newID(), TransactionId: transactionID,
		Resolution: semabusv1.Resolution(as)})
	if err != nil {
		return semabus.Receipt{}, err
	}
	if a.GetReceipt() == nil {
		return semabus.Receipt{}, nil
	}
	return fromReceipt(a.GetReceipt()), nil
}

// Transaction prepares a message, runs the producer's own transaction and publishes the message if that returns nil, or rolls
// the message back with its error. fn commits its local work, and the transaction's ID with it, before it returns. A producer
// that dies in between, or whose answer is lost, is asked by the node through [Client.CheckTransactions], any producer of the
// group in its place: keep one open. An error of the node after fn has committed leaves the message to that, and says so.
func (c *Client) Transaction(ctx context.Context, group string, m *semabus.Message, fn func(ctx context.Context, t Transaction) error) (semabus.Receipt, error) {
	t, err := c.Prepare(ctx, group, m, 0)
	if err != nil {
		return semabus.Receipt{}, err
	}
	if err := fn(ctx, t); err != nil {
		if _, rerr := c.Resolve(context.WithoutCancel(ctx), t.ID, semabus.ResolutionRollback); rerr != nil {
			c.log.Warn("a rollback did not reach the node: it will ask", "transaction", t.ID, "error", rerr)
		}
		return semabus.Receipt{}, err
	}
	return c.Resolve(ctx, t.ID, semabus.ResolutionCommit)
}

// Checker says what the producer's own store knows of a transaction: commit, rollback, or unspecified while it is still running.
type Checker func(ctx context.Context, t Transaction, m *semabus.Message) (semabus.Resolution, error)

// CheckTransactions answers the node's questions about transactions of a producer group until ctx ends, and reconnects by
// itself. A Checker that fails is asked again later. It returns nil when ctx ended, or an error that does not pass.
func (c *Client) CheckTransactions(ctx context.Context, group string, check Checker) error {
	var b backoff
	for ctx.Err() == nil {
		err := c.pursue(ctx, "client.CheckTransactions", &b, func(ctx context.Context, welcomed func()) error {
			return c.answerChecks(ctx, group, check, welcomed)
		})
		if err != nil {
			return err
		}
		if ctx.Err() == nil {
			c.sleep(ctx, b.next())
		}
	}
	return nil
}

// answerChecks is one stream.
func (c *Client) answerChecks(ctx context.Context, group string, check Checker, welcomed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.bus.CheckTransaction(ctx, c.ready)
	if err != nil {
		return err
	}
	if err := stream.Send(&semabusv1.CheckTransactionRequest{ProducerGroup: group}); err != nil {
		return err
	}
	if _, err := stream.Header(); err != nil {
		return err
	}
	welcomed()
	for {
		q, err := stream.Recv()
		if err != nil {
			return err
		}
		t := Transaction{ID: q.GetTransactionId(), MessageID: q.GetMessage().GetId()}
		as, err := check(ctx, t, fromMessage(q.GetMessage()))
		if err != nil {
			c.log.Warn("a checker failed: it is asked again", "transaction", t.ID, "error", err)
			continue
		}
		if as == semabus.ResolutionUnspecified {
			continue
		}
		if err := stream.Send(&semabusv1.CheckTransactionRequest{OpId: newID(), TransactionId: t.ID, Resolution: semabusv1.Resolution(as)}); err != nil {
			return err
		}
	}
}
