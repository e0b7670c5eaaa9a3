package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
)

// actRouting publishes what the customers say and compares who worked on it with who should have.
func (s *stage) actRouting(ctx context.Context) error {
	s.claim(1, "What customers write in English or Chinese reaches the right agents: those who asked for it in plain words.")
	var want []pair
	started := make([]time.Time, len(s.desk))
	for i := range s.desk {
		started[i] = s.clock.Now()
		p, err := s.publish(ctx, &semabus.Message{ID: s.desk[i].ID, Text: s.desk[i].Text})
		if err != nil {
			return err
		}
		want = append(want, p.pairs()...)
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lost := s.ledger.await(wait, want)
	s.summary.Lost += len(lost)

	verdicts := make([]verdict, len(s.desk))
	for i := range s.desk {
		m := &s.desk[i]
		v := verdict{N: i + 1, ID: m.ID, Lang: m.Lang, Text: m.Text, Gold: m.Groups, Delivered: []string{}}
		if groups, last := s.ledger.groups(m.ID); len(groups) > 0 {
			ms := milliseconds(last.Sub(started[i]))
			v.Delivered, v.MS = groups, &ms
		}
		v.Right, _, _ = judge(v.Gold, v.Delivered)
		verdicts[i] = v
		if err := s.show(&verdicts[i]); err != nil {
			return err
		}
	}
	sum := summarise(verdicts)
	sum.Lost = s.summary.Lost
	s.summary = sum
	share := float64(sum.Right) / float64(sum.Messages)
	s.provef(share >= shareGoal && len(lost) == 0,
		"%d of %d messages reached exactly the right agents (%.1f %%); %d reached a wrong one, %d missed one, "+
			"%d reached nobody; p50 %.1f ms, p99 %.1f ms from publish to the agent",
		sum.Right, sum.Messages, 100*share, sum.Wrong, sum.Missed, sum.Unmatched, sum.P50, sum.P99)
	return nil
}

// show prints one verdict: as JSON, or for people with its number, which /why takes.
func (s *stage) show(v *verdict) error {
	if s.json != nil {
		return s.json.Encode(v)
	}
	mark := "✓"
	if !v.Right {
		mark = "✗"
	}
	fmt.Fprintf(s.out, "  %s %3d  %-28s %s\n", mark, v.N, list(v.Delivered), v.Text)
	if !v.Right {
		fmt.Fprintf(s.out, "         %-28s meant for %s\n", "", list(v.Gold))
	}
	return nil
}

func list(groups []string) string {
	if len(groups) == 0 {
		return "nobody"
	}
	out := groups[0]
	for _, g := range groups[1:] {
		out += " + " + g
	}
	return out
}

// actAgentKilled gives one agent of a group a slow job, kills it in the middle and waits for the other to finish it.
func (s *stage) actAgentKilled(ctx context.Context) error {
	const work = 1500 * time.Millisecond
	s.claim(2, "An agent that dies in the middle of a job costs nothing: another takes the job over, its effect happens once.")
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p, err := s.publish(ctx, &semabus.Message{
		To: runnerUp, Text: "Please refund order 4711, it was charged twice.", Headers: map[string]string{workKey: work.String()},
	})
	if err != nil {
		return err
	}
	victim, err := s.crew.awaitWorking(wait, p.id)
	if err != nil {
		return err
	}
	pid := victim.proc.PID()
	if _, err := s.crew.kill(victim.name); err != nil {
		return err
	}
	killed := s.clock.Now()
	lost := s.ledger.await(wait, p.pairs())
	s.summary.Lost += len(lost)
	effects := s.ledger.of(pair{p.id, runnerUp})
	held := len(effects) == 1 && effects[0].Agent != victim.name
	if !held {
		s.provef(false, "kill -9 of %s (pid %d) while it worked; the ledger shows %d effects", victim.name, pid, len(effects))
		return nil
	}
	s.provef(true, "kill -9 of %s (pid %d) while it worked; %s took over and was done %.1f s later; the ledger shows %d effect",
		victim.name, pid, effects[0].Agent, s.clock.Now().Sub(killed).Seconds(), len(effects))
	return nil
}

// actNodeKilled publishes while the node is killed and started again on the same data.
func (s *stage) actNodeKilled(ctx context.Context) error {
	const work = 20 * time.Millisecond // so that deliveries wait when the node dies
	s.claim(3, "A node that dies loses nothing it acknowledged; publishers and agents go on by themselves.")
	first, all := s.desk[:len(s.desk)/2], s.desk
	var mine []pair
	acked := 0
	say := func(ctx context.Context, i int) error {
		p, err := s.publish(ctx, &semabus.Message{
			ID: "again-" + s.desk[i].ID, Text: all[i].Text, Headers: map[string]string{workKey: work.String()},
		})
		if err == nil {
			mine = append(mine, p.pairs()...)
			acked++
		}
		return err
	}
	for i := range first {
		if err := say(ctx, i); err != nil {
			return err
		}
	}
	s.node.Kill()
	open := len(s.ledger.missing(mine))
	killed := s.clock.Now()
	var back time.Duration
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	g, wait := errgroup.WithContext(wait)
	g.Go(func() error { // the publisher knows nothing of it and goes on
		for i := len(first); i < len(all); i++ {
			if err := say(wait, i); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		err := s.node.Restart(wait)
		back = s.clock.Now().Sub(killed)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	done, stop := context.WithTimeout(ctx, patience)
	defer stop()
	lost := s.ledger.await(done, mine)
	s.summary.Lost += len(lost)
	duplicated := s.ledger.duplicated()
	s.provef(len(lost) == 0 && duplicated == 0 && acked == len(all),
		"kill -9 of the node with %d acknowledged deliveries still open; ready again after %d ms; "+
			"%d of %d messages acknowledged, %d of %d deliveries done, %d lost, %d effects duplicated",
		open, back.Milliseconds(), acked, len(all), len(mine)-len(lost), len(mine), len(lost), duplicated)
	return nil
}

// actWhy asks about one delivery and one non-delivery of act 1.
func (s *stage) actWhy(ctx context.Context) error {
	s.claim(4, "Every delivery and every non-delivery can be explained.")
	i := slices.IndexFunc(s.sent[:len(s.desk)], func(p sent) bool { return len(p.receipt.Groups) > 0 })
	if i < 0 {
		s.provef(false, "no message was delivered")
		return nil
	}
	p := &s.sent[i]
	got := p.receipt.Groups[0]
	other, err := s.bystander(p)
	if err != nil {
		return err
	}
	yes, err := s.bus.Why(ctx, p.id, got)
	if err != nil {
		return err
	}
	no, err := s.bus.Why(ctx, p.id, other)
	if err != nil {
		return err
	}
	s.provef(yes.Reason.Delivers() && !no.Reason.Delivers(),
		"“%s”\n        %s: %s\n        %s: %s", p.text, got, yes.Text, other, no.Text)
	return nil
}

// bystander is a group of the desk that did not get the message.
func (s *stage) bystander(p *sent) (string, error) {
	for i := range s.desk {
		for _, g := range s.desk[i].Groups {
			if !slices.Contains(p.receipt.Groups, g) {
				return g, nil
			}
		}
	}
	return "", fmt.Errorf("every group received %s", p.id)
}
