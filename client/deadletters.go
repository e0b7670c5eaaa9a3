package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	semabus "github.com/semabus/semabus"
	semabusv1alpha "github.com/semabus/semabus/api/semabus/v1alpha"
)

// DeadLetter is a delivery that failed for good, named by the message and the group that gave up.
type DeadLetter struct {
	Message  *semabus.Message
	Group    string            // that gave up; of LOOP, whose delivery caused the message
	Reason   string            // ATTEMPTS_EXHAUSTED, POISON, EXPIRED, OVERFLOW, LOOP
	Attempts int               // how many there were
	Errors   []string          // of the attempts, oldest first
	Match    semabus.Match     // why the group had got it
	Time     time.Time         // when it was given up
	Decision *semabus.Decision // of DeadLetter only; nil = it failed before it was decided
}

// DeadLetterFilter selects dead letters: every condition that is not zero must hold.
type DeadLetterFilter struct {
	Group  string
	Reason string
	Filter string // CEL over the message, with the variables of an intent's filter, such as text.contains("refund")
	Since  time.Time
	Until  time.Time // exclusive
}

// DeadLetters yields the dead letters that the filter selects, oldest first, and ends with the first error. It reads page by page:
// what comes and goes meanwhile may be seen or not.
func (c *Client) DeadLetters(ctx context.Context, f DeadLetterFilter) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		q := &semabusv1alpha.DeadLettersListRequest{Group: f.Group, Reason: f.Reason, Filter: f.Filter, Since: stamp(f.Since), Until: stamp(f.Until),
			PageSize: pageSize}
		for {
			a, err := call(ctx, c, "client.DeadLetters", c.letters.List, q)
			if err != nil {
				yield(DeadLetter{}, err)
				return
			}
			for _, l := range a.GetLetters() {
				if !yield(fromLetter(l), nil) {
					return
				}
			}
			if q.PageToken = a.GetNextPageToken(); q.PageToken == "" {
				return
			}
		}
	}
}

// DeadLetter returns the letter of a message that a group gave up, with its decision; group "" = the only one that did. Errors:
// NOT_FOUND, INVALID_ARGUMENT / REQUIRED where several groups did.
func (c *Client) DeadLetter(ctx context.Context, messageID, group string) (*DeadLetter, error) {
	a, err := call(ctx, c, "client.DeadLetter", c.letters.Get, &semabusv1alpha.DeadLettersGetRequest{MessageId: messageID, Group: group})
	if err != nil {
		return nil, err
	}
	l := fromLetter(a.GetLetter())
	l.Decision = fromDecision(a.GetDecision())
	return &l, nil
}

func fromLetter(l *semabusv1alpha.DeadLetter) DeadLetter {
	return DeadLetter{Message: fromMessage(l.GetMessage()), Group: l.GetGroup(), Reason: l.GetReason(), Attempts: int(l.GetAttempts()),
		Errors: l.GetErrors(), Match: fromMatch(l.GetMatch()), Time: instant(l.GetTime())}
}

// Redrive says which dead letters are delivered again, and how fast.
type Redrive struct {
	DeadLetterFilter
	MessageID string  // only of this message; "" = of all
	Rate      float64 // letters a second, at most 10,000; 0 = 100
	DryRun    bool    // count only
}

// Redriven is how far a redrive has come.
type Redriven struct {
	Redriven int64 // moved, or that would be
	Skipped  int64 // stay though they were selected: leased by somebody, or of a group whose queue is full
}

// Redrive delivers dead letters again to the groups that gave up, oldest first, at a rate, and returns when those that were there are
// done. progress hears about every second how far it is; nil = nobody listens. A lost connection is made again, and the redrive
// goes on with what is left; so does another call after ctx ended. Errors: INVALID_ARGUMENT, that of ctx.
func (c *Client) Redrive(ctx context.Context, r Redrive, progress func(Redriven)) (Redriven, error) {
	const op = "client.Redrive"
	q := &semabusv1alpha.DeadLettersRedriveRequest{OpId: newID(), Group: r.Group, Reason: r.Reason, Filter: r.Filter, Since: stamp(r.Since),
		Until: stamp(r.Until), MessageId: r.MessageID, Rate: r.Rate, DryRun: r.DryRun}
	var so, before Redriven // before the stream of the moment
	var b backoff
	for finished := false; !finished; {
		err := c.pursue(ctx, op, &b, func(ctx context.Context, welcomed func()) error {
			stream, err := c.letters.Redrive(ctx, q, c.ready)
			if err != nil {
				return err
			}
			if before = so; r.DryRun {
				before = Redriven{}
			}
			for {
				a, err := stream.Recv()
				if finished = errors.Is(err, io.EOF); finished {
					welcomed()
					return nil
				}
				if err != nil {
					return err
				}
				welcomed()
				so = Redriven{Redriven: before.Redriven + int64(a.GetRedriven()), Skipped: int64(a.GetSkipped())}
				if progress != nil {
					progress(so)
				}
			}
		})
		if err != nil {
			return so, err
		}
		if ctx.Err() != nil && !finished {
			return so, ended(op, ctx, ctx.Err())
		}
	}
	return so, nil
}
