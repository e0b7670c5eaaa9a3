package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// window is how many messages may wait for their receipts.
const window = 1024

// sending is one run of the command.
type sending struct {
	publisher *client.Publisher
	out, errs io.Writer
	name      string // of the command, before errors
	json      bool
	single    bool // there is one message: its error needs no number
}

// answer is one message's, in the order of publishing.
type answer struct {
	receipt semabus.Receipt
	err     error
}

// all publishes what next yields until io.EOF and prints the answers. The error of one message alone is returned as it is;
// of several each is printed, and the worst counts for the exit code.
func (s *sending) all(ctx context.Context, next func() (*semabus.Message, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan chan answer, window)
	var g errgroup.Group // not waited for: a read from a terminal cannot be interrupted, the process's end ends it
	g.Go(func() error {
		defer close(answers)
		return s.feed(ctx, next, answers)
	})
	var errs []error
	n := 0
	for slot := range receive(ctx, answers) {
		n++
		var a answer
		select {
		case a = <-slot:
		case <-ctx.Done():
			return ctx.Err()
		}
		if a.err == nil {
			if err := s.print(a.receipt); err != nil {
				return err
			}
			continue
		}
		errs = append(errs, a.err)
		if !s.single {
			fault.Write(s.errs, fmt.Sprintf("%s: message %d", s.name, n), a.err)
			errs[len(errs)-1] = fault.Reported(a.err)
		}
		if ends(a.err) {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// receive yields the slots until the channel is closed or ctx ends.
func receive(ctx context.Context, from <-chan chan answer) func(func(chan answer) bool) {
	return func(yield func(chan answer) bool) {
		for {
			select {
			case slot, ok := <-from:
				if !ok || !yield(slot) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// feed hands the messages to the publisher, each with a slot for its answer.
func (s *sending) feed(ctx context.Context, next func() (*semabus.Message, error), answers chan<- chan answer) error {
	for {
		m, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		slot := make(chan answer, 1)
		select {
		case answers <- slot:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil { // of the source: the last answer
			slot <- answer{err: err}
			return err
		}
		if err := s.publisher.PublishAsync(ctx, m, func(r semabus.Receipt, err error) { slot <- answer{r, err} }); err != nil {
			slot <- answer{err: err}
		}
	}
}

// ends reports whether what went wrong with one message goes wrong with the next one too.
func ends(err error) bool {
	switch semabus.CodeOf(err) {
	case semabus.CodeUnavailable, semabus.CodeUnauthenticated, semabus.CodePermissionDenied, semabus.CodeUnimplemented,
		semabus.CodeCanceled, semabus.CodeDataLoss:
		return true
	}
	return false
}

func (s *sending) print(r semabus.Receipt) error {
	if s.json {
		return output.JSON(s.out, view.NewReceipt(r))
	}
	text := strings.Join(r.Groups, ", ")
	switch {
	case r.Outcome == semabus.OutcomeNone:
		text = "waits in " + semabus.GroupUnmatched
	case r.Outcome == semabus.OutcomeAmbiguous:
		text = "waits in " + semabus.GroupHeld
	case !r.Final:
		text = "will be decided"
	}
	if r.DuplicateOf != "" {
		text += " (duplicate of " + r.DuplicateOf + ")"
	}
	_, err := fmt.Fprintf(s.out, "%-9s  %s  %s\n", r.Outcome, fault.Clean(r.ID), fault.Clean(text))
	return err
}
