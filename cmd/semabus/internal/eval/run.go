package eval

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
)

const (
	parallel     = 8                // requests under way at once, but for the timed ones
	publishBatch = 256              // messages a publish call
	refitWithin  = 10 * time.Minute // for the router to settle after the last registration
)

// runner carries out plans.
type runner struct {
	addr, key string
	progress  io.Writer
	clock     semabus.Clock
}

func (r *runner) sayf(format string, args ...any) {
	fmt.Fprintf(r.progress, "eval: "+format+"\n", args...)
}

// run registers, ranks, publishes, collects and measures one plan on a fresh tenant.
func (r *runner) run(ctx context.Context, protocol string, p *plan) (_ *Result, err error) {
	s, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, s.close(p)) }()

	r.sayf("%s %s: registering %d intents", p.set, protocol, len(p.intents))
	started := r.clock.Now()
	if err := s.register(ctx, p.intents); err != nil {
		return nil, err
	}
	if err := s.settled(ctx, r.clock); err != nil {
		return nil, err
	}
	out := &Result{
		Set: p.set, Protocol: protocol, Args: p.args, Seed: p.seed, N: len(p.test),
		RegisterSeconds: r.clock.Now().Sub(started).Seconds(),
	}
	r.sayf("ranking %d messages (registered in %.1f s)", len(p.valid)+len(p.test), out.RegisterSeconds)
	valid, _, err := s.rank(ctx, r.clock, p, p.valid)
	if err != nil {
		return nil, err
	}
	test, took, err := s.rank(ctx, r.clock, p, p.test)
	if err != nil {
		return nil, err
	}
	out.RouteP50, out.RouteP99 = quantile(took, .50), quantile(took, .99)

	r.sayf("publishing %d messages", len(p.test))
	ids, probe, err := s.publish(ctx, p.test)
	if err != nil {
		return nil, err
	}
	if err := s.collect(ctx, p, ids, test); err != nil {
		return nil, err
	}
	if out.Space, out.Tier, err = s.space(ctx, probe); err != nil {
		return nil, err
	}
	out.Ranking, out.Delivered = measure(protocol, valid, test, p.copies)
	return out, nil
}

// register adds the intents, several at a time; their order does not matter to the router.
func (s *session) register(ctx context.Context, intents []semabus.Intent) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range intents {
		g.Go(func() error { return s.registerOne(ctx, intents[i]) })
	}
	return g.Wait()
}

// rank asks for the ranking of each message, one after the other, and how long each answer took in microseconds.
func (s *session) rank(ctx context.Context, clock semabus.Clock, p *plan, items []item) ([]Outcome, []float64, error) {
	out, took := make([]Outcome, len(items)), make([]float64, len(items))
	for i := range items {
		started := clock.Now()
		matches, err := s.match(ctx, items[i].text, len(p.intents))
		if err != nil {
			return nil, nil, err
		}
		took[i] = float64(clock.Now().Sub(started).Nanoseconds()) / 1e3
		out[i] = Outcome{Gold: items[i].gold, Ranked: p.labels(matches)}
		if len(matches) > 0 {
			out[i].Best = Confidence{Probability: matches[0].Probability, Score: matches[0].Score}
		}
	}
	return out, took, nil
}

// labels are those of the ranked intents, each at its first place.
func (p *plan) labels(matches []semabus.Match) []string {
	out := make([]string, 0, len(matches))
	seen := make(map[string]bool, len(matches))
	for i := range matches {
		at, ok := p.places[matches[i].Intent]
		if ok && !seen[at.label] {
			seen[at.label] = true
			out = append(out, at.label)
		}
	}
	return out
}

// publish sends all messages and gives each one's place by its id, and the id of one of them.
func (s *session) publish(ctx context.Context, items []item) (ids map[string]int, probe string, err error) {
	var run [8]byte
	_, _ = rand.Read(run[:]) // never fails
	ids = make(map[string]int, len(items))
	all := make([]*semabus.Message, len(items))
	for i := range items {
		all[i] = &semabus.Message{ID: fmt.Sprintf("eval-%x-%d", run, i), Text: items[i].text}
		ids[all[i].ID] = i
	}
	for batch := range slices.Chunk(all, publishBatch) {
		if err := s.publishBatch(ctx, batch); err != nil {
			return nil, "", err
		}
	}
	return ids, all[0].ID, nil
}

// collect fetches what each intent's group received, the way a subscriber does, into the outcomes.
func (s *session) collect(ctx context.Context, p *plan, ids map[string]int, out []Outcome) error {
	received := make([][]int, len(p.intents))
	g, fetching := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range p.intents {
		g.Go(func() error {
			got, err := s.drain(fetching, p.intents[i].Group)
			for _, id := range got {
				if at, ok := ids[id]; ok {
					received[i] = append(received[i], at)
				}
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, messages := range received {
		at := p.places[p.intents[i].Name]
		for _, m := range messages {
			out[m].Delivered = append(out[m].Delivered, Receipt{Label: at.label, Copy: at.copy})
		}
	}
	return nil
}

// quantile is the nearest-rank q-quantile, 0 of nothing.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Clone(values)
	slices.Sort(s)
	rank := int(q*float64(len(s)) + 0.999999)
	return s[min(max(rank, 1), len(s))-1]
}
