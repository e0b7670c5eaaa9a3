package contest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/peer"
	"github.com/semabus/semabus/bench/internal/process"
)

// Options say what is compared.
type Options struct {
	peer.Options
	Peers   []string // names, see [peer.Names]
	Rounds  int
	Seconds float64 // measured, of each peer in each round
}

// Round is what one round measured of one peer.
type Round struct {
	PerS     float64       // messages acknowledged a second
	P50, P99 time.Duration // of an acknowledgement
	CPU      time.Duration // of the server, a message
}

// Run measures every peer in every round. env.Dir is where they get their folders; progress hears what goes on.
func Run(ctx context.Context, o Options, env peer.Env, progress io.Writer) (*Result, error) {
	rounds := map[string][]Round{}
	for r := range o.Rounds {
		for i := range o.Peers {
			name := o.Peers[(i+r)%len(o.Peers)]
			one, err := measure(ctx, name, o, env)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			fmt.Fprintf(progress, "round %d: %-17s %9.0f/s  p50 %6.2f ms  p99 %6.2f ms\n", r+1, name, one.PerS,
				meter.Milliseconds(one.P50), meter.Milliseconds(one.P99))
			rounds[name] = append(rounds[name], one)
		}
	}
	return NewResult(o, rounds), nil
}

// measure runs one peer once.
func measure(ctx context.Context, name string, o Options, env peer.Env) (_ Round, err error) {
	dir, err := os.MkdirTemp(env.Dir, name+"-")
	if err != nil {
		return Round{}, process.Failed("make a folder in "+env.Dir, err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is in a temporary folder
	env.Dir, env.Intents = filepath.Clean(dir), o.Intents
	s, err := peer.Start(ctx, name, env)
	if err != nil {
		return Round{}, err
	}
	defer s.Close()
	l := peer.NewLoad(o.Options, env.Clock)
	var used time.Duration
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Publish(ctx, l) })
	g.Go(func() (err error) {
		defer l.Stop()
		used, err = watch(ctx, s.PID(), l, o.Seconds, env)
		return err
	})
	if err := g.Wait(); err != nil {
		return Round{}, err
	}
	took, n := l.Acked()
	r := Round{PerS: float64(n) / l.Stretch.Seconds(), P50: took.Quantile(.5), P99: took.Quantile(.99)}
	if n > 0 {
		r.CPU = used / time.Duration(n)
	}
	return r, nil
}

// watch lets the load warm up, and opens and closes the measured time; it returns the CPU time of the server in it.
func watch(ctx context.Context, pid int, l *peer.Load, seconds float64, env peer.Env) (time.Duration, error) {
	measured := time.Duration(seconds * float64(time.Second))
	meter.Wait(ctx, env.Clock, min(max(measured/4, 100*time.Millisecond), 3*time.Second))
	before, err := process.CPU(pid)
	l.Stretch.Open()
	meter.Wait(ctx, env.Clock, measured)
	l.Stretch.Close()
	if ctx.Err() != nil || err != nil {
		return 0, cmp.Or(ctx.Err(), err)
	}
	after, err := process.CPU(pid)
	return after - before, err
}
