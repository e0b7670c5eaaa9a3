package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/child"
	"github.com/semabus/semabus/cmd/semabus/internal/wait"
	"github.com/semabus/semabus/examples/helpdesk"
)

const (
	patience = 20 * time.Second // for one claim to come true; beyond it the claim fails
	startUp  = 30 * time.Second // for all agents to be ready

	promptPatience = 3 * time.Second // for the effects of a typed line; beyond it the line is said to wait

	workKey   = "demo-work" // header: how long an agent works on the message, a Go duration
	runnerUp  = "refunds"   // the group with two agents, for act 2
	shareGoal = 0.95        // of messages that must reach exactly the right agents
)

// stage is the running demo: a node, its agents, and what they did.
type stage struct {
	out   io.Writer // for people; discarded under --json
	json  *json.Encoder
	clock semabus.Clock

	node    *child.Node
	crew    *crew
	bus     *client.Client
	ledger  *ledger
	desk    []helpdesk.Message
	sent    []sent // every message published, in order; /why N counts from 1
	summary Summary
	playing int      // number of the act
	failed  []string // claims that did not hold
	typed   int      // agents hired at the prompt
}

// sent is one published message.
type sent struct {
	id, text string
	receipt  semabus.Receipt
}

// pairs are the deliveries that the receipt promises.
func (s *sent) pairs() []pair {
	out := make([]pair, len(s.receipt.Groups))
	for i, g := range s.receipt.Groups {
		out[i] = pair{s.id, g}
	}
	return out
}

// act is one claim and its proof.
type act func(context.Context) error

// acts are what is played, in order.
func (s *stage) acts() []act {
	return []act{s.actRouting, s.actAgentKilled, s.actNodeKilled, s.actWhy, s.actTransaction}
}

// run sets the stage, plays the acts, then the prompt if there is one, and takes everything down.
func (s *stage) run(ctx context.Context, acts []act, prompt func(context.Context, *stage) error) error {
	node, err := child.StartNode(ctx, child.NodeOptions{})
	if err != nil {
		return err
	}
	defer node.Close()
	s.node, s.crew, s.ledger = node, newCrew(node.GRPC), newLedger()
	defer s.crew.dismiss()
	if s.bus, err = client.Dial(ctx, node.GRPC, client.Options{}); err != nil {
		return err
	}
	defer func() { _ = s.bus.Close() }() // nothing is in flight any more

	over := false // an interrupt at the prompt is a way to leave it
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error { return s.readLedger(inner) })
	g.Go(func() error {
		err := s.play(inner, acts)
		if err == nil && prompt != nil {
			err = prompt(inner, s)
		}
		if err == nil {
			over, err = true, errCurtain
		}
		return err
	})
	if err := g.Wait(); !errors.Is(err, errCurtain) && (!over || ctx.Err() == nil) {
		return err
	}
	if len(s.failed) > 0 {
		return fmt.Errorf("%d of the demo's claims did not hold: %v", len(s.failed), s.failed)
	}
	return nil
}

// errCurtain ends the group once all is said.
var errCurtain = errors.New("the demo is over")

func (s *stage) play(ctx context.Context, acts []act) error {
	if err := s.assemble(ctx); err != nil {
		return err
	}
	for _, a := range acts {
		if err := a(ctx); err != nil {
			return err
		}
	}
	return s.conclude()
}

// assemble hires the agents and waits until the router has settled on their intents.
func (s *stage) assemble(ctx context.Context) error {
	intents, err := helpdesk.Intents()
	if err != nil {
		return err
	}
	if s.desk, err = helpdesk.Messages(); err != nil {
		return err
	}
	var agents []*agent
	for i := range intents {
		members := 1
		if intents[i].Name == runnerUp {
			members = 2
		}
		for m := range members {
			a, err := s.crew.hire(ctx, fmt.Sprintf("%s-%d", intents[i].Name, m+1), intents[i].Name, "")
			if err != nil {
				return err
			}
			agents = append(agents, a)
		}
	}
	wait, cancel := context.WithTimeout(ctx, startUp)
	defer cancel()
	for _, a := range agents {
		if err := a.awaitReady(wait); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.out, "node    pid %d on %s, data in a temporary folder\n", s.node.PID(), s.node.GRPC)
	fmt.Fprintf(s.out, "agents  %d processes, each subscribed in plain words:\n", len(agents))
	for i := range intents {
		fmt.Fprintf(s.out, "        %-14s %s\n", intents[i].Name, intents[i].Description)
	}
	return s.settled(wait)
}

// settled waits until the router has taken in every change of the intents.
func (s *stage) settled(ctx context.Context) error { return wait.Refits(ctx, s.clock, s.bus) }

// readLedger collects effects from the ledger group, like any subscriber, until ctx ends.
func (s *stage) readLedger(ctx context.Context) error {
	return s.bus.Subscribe(ctx, ledgerGroup, func(_ context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		return semabus.Settlement{}, s.ledger.record(d.Message)
	}, client.SubscribeOptions{Concurrency: 16, Member: "demo"})
}

// publish sends one message under an id of our own and remembers it.
func (s *stage) publish(ctx context.Context, m *semabus.Message) (*sent, error) {
	r, err := s.bus.Publish(ctx, m)
	if err != nil {
		return nil, err
	}
	s.sent = append(s.sent, sent{id: r.ID, text: m.Text, receipt: r})
	return &s.sent[len(s.sent)-1], nil
}

// claim prints an act's line of claim, before it is played.
func (s *stage) claim(n int, claim string) {
	s.playing = n
	fmt.Fprintf(s.out, "\nact %d   %s\n", n, claim)
}

// provef prints the act's line of proof.
func (s *stage) provef(held bool, format string, args ...any) {
	mark := "✓"
	if !held {
		mark = "✗"
		s.failed = append(s.failed, fmt.Sprintf("act %d", s.playing))
	}
	fmt.Fprintf(s.out, "      %s %s\n", mark, fmt.Sprintf(format, args...))
}

// conclude prints the summary.
func (s *stage) conclude() error {
	s.summary.EffectsDuplicated = s.ledger.duplicated()
	sum := &s.summary
	fmt.Fprintf(s.out, "\n%-22s %6d\n%-22s %6d\n%-22s %6d\n%-22s %6d\n%-22s %6d\n%-22s %6d\n%-22s %6d\n%-22s %6.1f\n%-22s %6.1f\n",
		"messages", sum.Messages, "right", sum.Right, "wrong", sum.Wrong, "missed", sum.Missed, "unmatched", sum.Unmatched,
		"effects duplicated", sum.EffectsDuplicated, "lost", sum.Lost, "p50 ms", sum.P50, "p99 ms", sum.P99)
	if s.json == nil {
		return nil
	}
	return s.json.Encode(sum)
}
