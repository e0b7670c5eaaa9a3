package client

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	semabus "github.com/semabus/semabus"
)

// nearTries is how many retries are spaced by nearCap at most: about a minute. A node that restarts is found within a second
// of its return; one that stays away longer is asked less and less often.
const (
	nearTries = 80
	nearCap   = 800 * time.Millisecond
)

// backoff spaces retries: the first at once but for a jitter of 50 ms, then doubling up to 0.8 s for about a minute, after that
// up to 10 s, half of each at random, so that clients cut off together do not come back together. The zero value is ready.
type backoff struct{ n int }

// next is the wait before the coming try.
func (b *backoff) next() time.Duration {
	b.n++
	if b.n == 1 {
		return rand.N(firstRetry)
	}
	d := min(nearCap, firstRetry<<min(b.n-1, 16))
	if b.n > nearTries {
		d = min(retryCap, nearCap<<min(b.n-nearTries, 16))
	}
	return d/2 + rand.N(d/2)
}

func (b *backoff) reset() { b.n = 0 }

// sleep waits for d or the end of ctx; it reports whether d passed.
func (c *Client) sleep(ctx context.Context, d time.Duration) bool {
	over := make(chan struct{})
	stop := c.clock.AfterFunc(d, func() { close(over) })
	defer stop()
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// errPatience ends a context when the client's patience does.
var errPatience = errors.New("the node stayed away")

// patient is ctx that also ends, with errPatience as its cause, when the patience is used up. calm stops that; it and
// cancel must be called.
func (c *Client) patient(ctx context.Context) (_ context.Context, calm func() bool, cancel func()) {
	pctx, end := context.WithCancelCause(ctx)
	calm = func() bool { return true }
	if c.o.Patience > 0 {
		calm = c.clock.AfterFunc(c.o.Patience, func() { end(errPatience) })
	}
	return pctx, calm, func() { calm(); end(nil) }
}

// pursue opens streams until one that was welcomed has ended (nil), ctx ends (nil), or the error is none that passes.
// Between two tries it waits, also after a stream that was of use: a node that restarts is not stormed.
func (c *Client) pursue(ctx context.Context, op string, b *backoff, session func(ctx context.Context, welcomed func()) error) error {
	pctx, calm, cancel := c.patient(ctx)
	defer cancel()
	for welcomed := false; !welcomed; {
		err := session(pctx, func() {
			welcomed = true
			calm()
		})
		if err == nil || ctx.Err() != nil {
			return nil
		}
		e := fromStatus(op, err)
		switch {
		case errors.Is(context.Cause(pctx), errPatience):
			return away(op, c.o.Patience, err)
		case !broken(e) || c.o.Patience < 0:
			return e
		}
		c.log.Warn("stream lost", "op", op, "error", err)
		c.sleep(pctx, max(b.next(), min(e.RetryAfter, retryCap)))
	}
	return nil
}

// converse receives a stream's answers while send sends, and returns when both have ended: nil when the stream ended in order,
// which is after send has finished. Whichever fails first ends the other by cancel, which ends the stream's context.
func converse[A any](op string, cancel func(), recv func() (A, error), heard func(A) error, send func() (finished bool, err error)) error {
	var g errgroup.Group
	g.Go(func() error {
		defer cancel() // the sender waits no longer
		for {
			a, err := recv()
			if err == nil {
				err = heard(a)
			}
			if err != nil {
				return err
			}
		}
	})
	finished, err := send()
	if err != nil {
		cancel()
	}
	rerr := g.Wait()
	switch {
	case err != nil:
		return err
	case !errors.Is(rerr, io.EOF):
		return rerr
	case !finished:
		return errCut(op)
	}
	return nil
}

// call makes one unary request and repeats it while the node is away: requests are safe to repeat, as those that change
// something carry an op id.
func call[Q, A any](ctx context.Context, c *Client, op string, f func(context.Context, *Q, ...grpc.CallOption) (*A, error), q *Q) (*A, error) {
	pctx, _, cancel := c.patient(ctx)
	defer cancel()
	var b backoff
	for {
		a, err := f(pctx, q, c.ready)
		if err == nil {
			return a, nil
		}
		e := fromStatus(op, err)
		switch {
		case ctx.Err() != nil:
			return nil, ended(op, ctx, err)
		case errors.Is(context.Cause(pctx), errPatience):
			return nil, away(op, c.o.Patience, err)
		case !passing(e) || e.Code != semabus.CodeUnavailable || c.o.Patience < 0:
			return nil, e
		}
		c.sleep(pctx, max(b.next(), min(e.RetryAfter, retryCap)))
	}
}

// once is call without a second try, for what is not safe to repeat.
func once[Q, A any](ctx context.Context, c *Client, op string, f func(context.Context, *Q, ...grpc.CallOption) (*A, error), q *Q) (*A, error) {
	a, err := f(ctx, q, c.ready)
	if err != nil {
		return nil, fromStatus(op, err)
	}
	return a, nil
}
