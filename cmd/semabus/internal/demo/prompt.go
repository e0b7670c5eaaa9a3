package demo

import (
	"bufio"
	"cmp"
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
  /reject N [GROUP] message N was not for the agents that got it, or not for GROUP: teach the router
  /kill AGENT       kill -9 an agent process
  /why N [GROUP]    why message N reached GROUP, or did not
  /help, /quit
`

// prompt reads lines until /quit, the end of input or ctx; all three end it well.
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
				fmt.Fprintln(s.out)
				return nil
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
		return s.killTyped(rest)
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
	wait, cancel := context.WithTimeout(ctx, promptPatience)
	defer cancel()
	missing := s.ledger.await(wait, p.pairs())
	_, last := s.ledger.groups(p.id)
	switch {
	case len(p.receipt.Groups) == 0:
		fmt.Fprintf(s.out, "  %d → nobody; it waits in %s\n", n, semabus.GroupUnmatched)
	case len(missing) > 0:
		idle := make([]string, len(missing))
		for i := range missing {
			idle[i] = missing[i].group
		}
		fmt.Fprintf(s.out, "  %d → %s; it waits in the queue of %s, where nobody has taken it up yet\n", n, list(p.receipt.Groups), list(idle))
	default:
		fmt.Fprintf(s.out, "  %d → %s in %.1f ms\n", n, list(p.receipt.Groups), milliseconds(last.Sub(started)))
	}
	return s.why(ctx, strconv.Itoa(n))
}

// killTyped kills an agent and says who is left to do its work.
func (s *stage) killTyped(name string) error {
	group, err := s.crew.kill(name)
	if err != nil {
		return err
	}
	left := s.crew.members(group)
	if len(left) == 0 {
		fmt.Fprintf(s.out, "  %s is dead, and nobody else works for %s: its messages wait\n", name, group)
		return nil
	}
	fmt.Fprintf(s.out, "  %s is dead; %s goes on\n", name, list(left))
	return nil
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

// reject tells the router that the message was not for the groups that got it, or not for the one that is named.
func (s *stage) reject(ctx context.Context, arg string) error {
	p, groups, err := s.named(arg)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		fmt.Fprint(s.out, "  nobody got it\n")
	}
	for _, g := range groups {
		if err := s.bus.Feedback(ctx, semabus.Feedback{MessageID: p.id, Group: g, Note: "rejected at the prompt"}); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "  %s learns that “%s” is not for it\n", g, p.text)
	}
	return s.settled(ctx)
}

// named reads "N [GROUP]": the message, and the group or else all that got it.
func (s *stage) named(arg string) (*sent, []string, error) {
	number, group, _ := strings.Cut(arg, " ")
	p, err := s.number(number)
	if err != nil {
		return nil, nil, err
	}
	if group = strings.TrimSpace(group); group != "" {
		return p, []string{group}, nil
	}
	return p, slices.Clone(p.receipt.Groups), nil
}

// why explains a message for one group, or for all that got it; where nobody did, it names the nearest.
func (s *stage) why(ctx context.Context, arg string) error {
	p, groups, err := s.named(arg)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		groups = []string{""}
	}
	for _, g := range groups {
		a, err := s.bus.Why(ctx, p.id, g)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "  %s: %s\n", cmp.Or(g, "nobody"), a.Text)
	}
	return nil
}
