package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
)

const help = `  TEXT              publish it and see who hears it, and why
  /intent TEXT      hire an agent that wants to hear TEXT, in your words
  /reject N         message N was not for the agents that got it: teach the router
  /kill AGENT       kill -9 an agent process
  /why N [GROUP]    why message N reached GROUP, or did not
  /help, /quit
`

// prompt reads lines until /quit, the end of input or ctx.
func prompt(in io.Reader) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		fmt.Fprintf(s.out, "\nYour turn: type what a customer might say. Agents: %s\n%s", strings.Join(s.crew.names(), " "), help)
		lines := make(chan string)
		var g errgroup.Group // not waited for: a read from a terminal cannot be interrupted, the process's end ends it
		g.Go(func() error {
			defer close(lines)
			scanner := bufio.NewScanner(in)
			for scanner.Scan() {
				select {
				case lines <- scanner.Text():
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return scanner.Err()
		})
		for {
			fmt.Fprint(s.out, "> ")
			select {
			case <-ctx.Done():
				return ctx.Err()
			case line, ok := <-lines:
				if !ok || strings.TrimSpace(line) == "/quit" {
					return nil
				}
				if err := s.answer(ctx, strings.TrimSpace(line)); err != nil {
					fmt.Fprintf(s.out, "  %v\n", err)
				}
			}
		}
	}
}

// answer does what one line asks for.
func (s *stage) answer(ctx context.Context, line string) error {
	command, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case line == "":
		return nil
	case !strings.HasPrefix(line, "/"):
		return s.say(ctx, line)
	case command == "/intent" && rest != "":
		return s.hireTyped(ctx, rest)
	case command == "/reject":
		return s.reject(ctx, rest)
	case command == "/kill" && rest != "":
		return s.crew.kill(rest)
	case command == "/why":
		return s.why(ctx, rest)
	}
	fmt.Fprint(s.out, help)
	return nil
}

// say publishes a typed line, waits for its effects and explains the decision.
func (s *stage) say(ctx context.Context, text string) error {
	started := s.clock.Now()
	p, err := s.publish(ctx, &semabus.Message{Text: text})
	if err != nil {
		return err
	}
	n := len(s.sent)
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	missing := s.ledger.await(wait, p.pairs())
	_, last := s.ledger.groups(p.id)
	switch {
	case len(p.receipt.Groups) == 0:
		fmt.Fprintf(s.out, "  %d → nobody; it waits in %s\n", n, semabus.GroupUnmatched)
	case len(missing) > 0:
		fmt.Fprintf(s.out, "  %d → %s, but nobody of %v works on it yet\n", n, list(p.receipt.Groups), missing)
	default:
		fmt.Fprintf(s.out, "  %d → %s in %.1f ms\n", n, list(p.receipt.Groups), milliseconds(last.Sub(started)))
	}
	return s.why(ctx, strconv.Itoa(n))
}

// hireTyped starts an agent for an intent in the user's words.
func (s *stage) hireTyped(ctx context.Context, words string) error {
	s.typed++
	name := fmt.Sprintf("typed-%d", s.typed)
	a, err := s.crew.hire(ctx, name, name, words)
	if err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, startUp)
	defer cancel()
	if err := a.awaitReady(wait); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "  %s (pid %d) listens for “%s”\n", name, a.proc.PID(), words)
	return s.settled(wait)
}

// number finds the message that "/why N" or "/reject N" means.
func (s *stage) number(arg string) (*sent, error) {
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 || n > len(s.sent) {
		return nil, &semabus.Error{
			Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: "N", Value: semabus.Shorten(arg),
			Fix: fmt.Sprintf("give a message's number, 1 to %d", len(s.sent)),
		}
	}
	return &s.sent[n-1], nil
}

// reject tells the router that the message was not for the groups that got it.
func (s *stage) reject(ctx context.Context, arg string) error {
	p, err := s.number(arg)
	if err != nil {
		return err
	}
	for _, g := range p.receipt.Groups {
		if err := s.bus.Feedback(ctx, semabus.Feedback{MessageID: p.id, Group: g, Note: "rejected at the prompt"}); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "  %s learns that “%s” is not for it\n", g, p.text)
	}
	return s.settled(ctx)
}

// why explains a message for one group, or for those that got it and the desk's group that came nearest.
func (s *stage) why(ctx context.Context, arg string) error {
	number, group, _ := strings.Cut(arg, " ")
	p, err := s.number(number)
	if err != nil {
		return err
	}
	groups := slices.Clone(p.receipt.Groups)
	if group = strings.TrimSpace(group); group != "" {
		groups = []string{group}
	}
	if len(groups) == 0 {
		groups = []string{""}
	}
	for _, g := range groups {
		a, err := s.bus.Why(ctx, p.id, g)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "  %s: %s\n", g, a.Text)
	}
	return nil
}
