package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/child"
	"github.com/semabus/semabus/cmd/semabus/internal/wait"
)

const (
	verifyWithin = 10 * time.Minute
	longestWait  = 50 * time.Millisecond  // from a milestone to the kill, at random
	longestAway  = 300 * time.Millisecond // from the kill to the start, at random
)

// siege is `soak run`: traffic, kills, verdict.
type siege struct {
	o        Options
	kills    int
	seed     uint64
	progress io.Writer
	clock    semabus.Clock
}

func (s *siege) sayf(format string, args ...any) {
	fmt.Fprintf(s.progress, "soak: "+format+"\n", args...)
}

// run starts a node, plays the traffic while the node is killed, and lets a second process count.
func (s *siege) run(ctx context.Context) (_ Verdict, err error) {
	dir, err := os.MkdirTemp("", "semabus-soak-")
	if err != nil {
		return Verdict{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	state := filepath.Join(dir, "state.json")
	node, err := child.StartNode(ctx, child.NodeOptions{Data: filepath.Join(dir, "data")})
	if err != nil {
		return Verdict{}, err
	}
	defer node.Close()
	s.sayf("node on %s, seed %d", node.GRPC, s.seed)
	if err := s.traffic(ctx, node, state); err != nil {
		return Verdict{}, err
	}
	return secondProcess(ctx, node.GRPC, state, s.progress)
}

// met refuses a run whose kills did not all break a connection in use: it proves less than it seems to.
func (s *siege) met(v Verdict) error {
	if v.DisconnectsSeen < int64(s.kills) {
		return fmt.Errorf("%d kills and only %d broken connections: a kill met no traffic", s.kills, v.DisconnectsSeen)
	}
	return nil
}

// traffic plays the jobs and kills the node meanwhile.
func (s *siege) traffic(ctx context.Context, node *child.Node, state string) error {
	c, err := client.Dial(ctx, node.GRPC, client.Options{})
	if err != nil {
		return err
	}
	t := newTraffic(s.o, c, state, s.progress, s.clock)
	g, gctx := errgroup.WithContext(ctx)
	over, end := context.WithCancel(gctx)
	defer end()
	g.Go(func() error {
		defer end()
		_, err := t.play(gctx)
		return err
	})
	killed := 0
	g.Go(func() error {
		for i, at := range s.milestones() {
			if err := s.kill(over, node, t, at); err != nil {
				if over.Err() != nil && gctx.Err() == nil {
					return nil // the traffic is over; told below
				}
				return err
			}
			killed = i + 1
			if killed == s.kills {
				t.limit.Store(math.MaxInt64)
			}
			s.sayf("kill %d of %d at %d acknowledged; the node is back", killed, s.kills, t.acked.Load())
		}
		return nil
	})
	if err := errors.Join(g.Wait(), c.Close()); err != nil {
		return err
	}
	if killed < s.kills {
		return fmt.Errorf("only %d of %d kills met the traffic; give more --messages or a lower --rate", killed, s.kills)
	}
	return nil
}

// milestones are the numbers of acknowledged messages at which the node is killed, drawn from the seed.
func (s *siege) milestones() []int64 {
	r := rand.New(rand.NewPCG(s.seed, 1))
	out := make([]int64, s.kills)
	for i := range out {
		out[i] = int64(float64(s.o.Messages) * (0.02 + 0.88*r.Float64()))
	}
	slices.Sort(out)
	return out
}

// kill waits until so many messages are acknowledged, and more than at the kill before, so that every kill breaks a
// connection in use; then it kills the node at a random moment and starts it again. Publishers do not run ahead of a kill
// by more than a small part of the messages: some are left for the kills that follow.
func (s *siege) kill(ctx context.Context, node *child.Node, t *traffic, at int64) error {
	select { // a sign from before the node was back
	case <-t.passed:
	default:
	}
	at = max(at, t.acked.Load()+1)
	t.milestone.Store(at)
	t.limit.Store(at + int64(s.o.Messages/(12*s.kills)))
	select {
	case <-t.passed:
	case <-ctx.Done():
		return ctx.Err()
	}
	t.milestone.Store(0)
	if !wait.For(ctx, s.clock, rand.N(longestWait)) {
		return ctx.Err()
	}
	node.Kill()
	wait.For(ctx, s.clock, rand.N(longestAway))
	return node.Restart(context.WithoutCancel(ctx))
}

// secondProcess is `soak verify` as a process of its own. What it says on standard error goes to progress.
func secondProcess(ctx context.Context, addr, state string, progress io.Writer) (Verdict, error) {
	var last []byte
	p, err := child.Start(ctx, []string{"soak", "verify", "--addr", addr, "--state", state},
		func(line []byte) { last = slices.Clone(line) })
	if err != nil {
		return Verdict{}, err
	}
	defer p.Stop()
	ctx, cancel := context.WithTimeout(ctx, verifyWithin)
	defer cancel()
	select {
	case <-p.Done():
	case <-ctx.Done():
		return Verdict{}, ctx.Err()
	}
	fmt.Fprint(progress, p.Stderr())
	var v Verdict
	if err := json.Unmarshal(last, &v); err != nil {
		return Verdict{}, fmt.Errorf("verify gave no verdict: %w", err)
	}
	return v, nil
}
