package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/claim"
	"github.com/semabus/semabus/bench/internal/launch"
	"github.com/semabus/semabus/bench/internal/verdict"
)

func main() { os.Exit(launch.Main(run)) }

// options are the flags.
type options struct {
	claim.Options
	site   launch.Options
	claims string
	json   bool
}

func (o *options) bind(f *flag.FlagSet) {
	o.site.Bind(f)
	f.StringVar(&o.claims, "claims", strings.Join(claim.Names(), ","), "which to try")
	f.Uint64Var(&o.Seed, "seed", 0, "of every random choice (default: a random one, which is told)")
	f.IntVar(&o.Members, "members", 10_000, "heartbeats: members that wait")
	f.DurationVar(&o.Heartbeat, "heartbeat", 30*time.Second, "heartbeats: of each member")
	f.DurationVar(&o.Watch, "watch", time.Minute, "heartbeats: how long CPU time is measured")
	f.IntVar(&o.Cuts, "cuts", 200, "reconnect: connections that are cut")
	f.DurationVar(&o.Away, "away", 3*time.Second, "reconnect: the port is away for up to this long, at random")
	f.IntVar(&o.Retries, "retries", 300, "backoff: deliveries that fail twelve times")
	f.IntVar(&o.Producers, "producers", 300, "transactions: producers that are killed")
	f.IntVar(&o.Tasks, "tasks", 100_000, "tasks: how many")
	f.IntVar(&o.Kills, "kills", 10, "tasks: how often the node is killed, and each other thing goes wrong")
	f.BoolVar(&o.json, "json", false, "end with one JSON object on a line of its own")
}

func (o *options) validate() ([]string, error) {
	names := strings.Split(o.claims, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if err := claim.Known(names[i]); err != nil {
			return nil, err
		}
	}
	return names, launch.Check(
		launch.Bound{Flag: "--members", Value: float64(o.Members), Min: 1, Max: 100_000},
		launch.Bound{Flag: "--heartbeat", Value: o.Heartbeat.Seconds(), Min: 0.1, Max: 3600},
		launch.Bound{Flag: "--watch", Value: o.Watch.Seconds(), Min: 1, Max: 86_400},
		launch.Bound{Flag: "--cuts", Value: float64(o.Cuts), Min: 1, Max: 100_000},
		launch.Bound{Flag: "--away", Value: o.Away.Seconds(), Min: 0, Max: 600},
		launch.Bound{Flag: "--retries", Value: float64(o.Retries), Min: 1, Max: 100_000},
		launch.Bound{Flag: "--producers", Value: float64(o.Producers), Min: 1, Max: 1_000_000},
		launch.Bound{Flag: "--tasks", Value: float64(o.Tasks), Min: 100, Max: 10_000_000},
		launch.Bound{Flag: "--kills", Value: float64(o.Kills), Min: 0, Max: float64(o.Tasks) / 100},
	)
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) > 0 && args[0] == claim.ProducerArg {
		return claim.Produce(ctx, args[1:], out)
	}
	var o options
	f := flag.NewFlagSet("claims", flag.ContinueOnError)
	f.SetOutput(progress)
	o.bind(f)
	if err := launch.Parse(f, args); err != nil {
		return err
	}
	names, err := o.validate()
	if err != nil {
		return err
	}
	for o.Seed == 0 {
		o.Seed = uint64(rand.Uint32()) // exact in JSON
	}
	clock := semabus.SystemClock{}
	site, err := launch.Open(ctx, o.site, clock, progress)
	if err != nil {
		return err
	}
	defer site.Close()
	fmt.Fprintf(out, "seed %d\n", o.Seed)
	report := map[string]*verdict.Result{}
	held := true
	for _, name := range names {
		r, err := claim.Try(ctx, name, o.Options, claim.Env{Dir: site.Dir, Binary: site.Binary, Clock: clock, Progress: progress})
		if err != nil {
			return err
		}
		report[name] = r
		held = held && r.Held
		if err := r.WriteText(out); err != nil {
			return err
		}
	}
	if o.json {
		if err := json.NewEncoder(out).Encode(struct {
			Claims map[string]*verdict.Result `json:"claims"`
			Seed   uint64                     `json:"seed"`
			Held   bool                       `json:"held"`
		}{report, o.Seed, held}); err != nil {
			return err
		}
	}
	if !held {
		return launch.ErrBelow
	}
	return nil
}
