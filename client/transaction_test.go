package client_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

// TestTransaction: the message goes out with the producer's own commit, and not without it.
func TestTransaction(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	var store []string
	r, err := c.Transaction(t.Context(), "shop", &semabus.Message{To: "orders", Text: "paid"}, func(_ context.Context, tx client.Transaction) error {
		if out := fetchAll(t, c, "orders"); len(out) > 0 {
			t.Errorf("seen before its commit: %q", out)
		}
		store = append(store, tx.ID)
		return nil
	})
	must(t, err)
	if !slices.Equal(r.Groups, []string{"orders"}) || len(store) != 1 {
		t.Errorf("receipt %+v", r)
	}
	broke := errors.New("no money")
	_, err = c.Transaction(t.Context(), "shop", &semabus.Message{To: "orders", Text: "not paid"}, func(context.Context, client.Transaction) error { return broke })
	if !errors.Is(err, broke) {
		t.Errorf("the error is %v", err)
	}
	if out := fetchAll(t, c, "orders"); !slices.Equal(out, []string{"paid"}) {
		t.Errorf("orders got %q", out)
	}
	_, err = c.Resolve(t.Context(), store[0], semabus.ResolutionRollback)
	is(t, err, semabus.CodeFailedPrecondition, semabus.ReasonTransactionEnded)
}

// TestCheckTransactions: a producer that died is spoken for by another one, also over a line that breaks.
func TestCheckTransactions(t *testing.T) {
	t.Parallel()
	srv, c := setup(t)
	w := &wire{}
	checking := srv.dial(t, client.Options{Connect: w.connect, Clock: hasty{}})
	ctx, cancel := context.WithCancel(t.Context())
	var g errgroup.Group
	asked := make(chan client.Transaction, 16)
	known := map[string]semabus.Resolution{}
	g.Go(func() error {
		return checking.CheckTransactions(ctx, "shop", func(_ context.Context, tx client.Transaction, m *semabus.Message) (semabus.Resolution, error) {
			asked <- tx
			if m.Text == "paid" {
				return semabus.ResolutionCommit, nil
			}
			return semabus.ResolutionRollback, nil
		})
	})
	w.cut(false) // wherever it is by now
	for _, text := range []string{"paid", "not paid"} {
		tx, err := c.Prepare(t.Context(), "shop", &semabus.Message{To: "orders", Text: text}, time.Millisecond)
		must(t, err)
		known[tx.ID] = semabus.ResolutionUnspecified
	}
	for len(known) > 0 {
		delete(known, receive(t, asked).ID)
	}
	ds, err := c.Fetch(t.Context(), "orders", client.FetchOptions{Wait: 30 * time.Second})
	must(t, err)
	if len(ds) != 1 || ds[0].Message.Text != "paid" {
		t.Errorf("orders got %+v", ds)
	}
	cancel()
	must(t, g.Wait())
}

// TestOperations: a reserved effect is done once, and one in doubt is listed.
func TestOperations(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	feed(t, c, "pay", 1)
	ds, err := c.Fetch(t.Context(), "pay", client.FetchOptions{})
	must(t, err)
	o, err := c.Reserve(t.Context(), &ds[0], semabus.Operation{ID: "pay-1", Description: "pay"})
	must(t, err)
	if o.State != semabus.OperationReserved || o.Group != "pay" {
		t.Fatalf("reserved %+v", o)
	}
	_, err = c.Extend(t.Context(), client.Extension{Token: ds[0].Lease.Token}) // the worker gives up
	must(t, err)
	var doubtful []string
	for o, err := range c.InDoubt(t.Context(), "") {
		must(t, err)
		doubtful = append(doubtful, o.ID)
	}
	if !slices.Equal(doubtful, []string{"pay-1"}) {
		t.Fatalf("in doubt are %q", doubtful)
	}
	o, err = c.ResolveOp(t.Context(), "pay-1", semabus.OperationDone, []byte("receipt"))
	must(t, err)
	ds, err = c.Fetch(t.Context(), "pay", client.FetchOptions{})
	must(t, err)
	again, err := c.Reserve(t.Context(), &ds[0], semabus.Operation{ID: "pay-1"})
	must(t, err)
	if o.State != semabus.OperationDone || again.State != semabus.OperationDone || string(again.Result) != "receipt" {
		t.Errorf("resolved %+v, reserved again %+v", o, again)
	}
}

// TestRequest: the reply comes back to who asked.
func TestRequest(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	s := subscribe(t, c, "oracle", func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		return semabus.Settlement{Outputs: []*semabus.Message{{To: d.Message.ReplyTo, Text: "re: " + d.Message.Text}}}, nil
	}, client.SubscribeOptions{})
	m, r, err := c.Request(t.Context(), &semabus.Message{To: "oracle", Text: "what?"}, time.Minute)
	must(t, err)
	if m.Text != "re: what?" || m.InReplyTo != r.ID {
		t.Errorf("the reply is %+v of %+v", m, r)
	}
	s.end(t)
	_, _, err = c.Request(t.Context(), &semabus.Message{To: "oracle", Text: "still there?"}, 50*time.Millisecond)
	is(t, err, semabus.CodeDeadlineExceeded, semabus.ReasonNoReply)
}
