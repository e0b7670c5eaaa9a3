package main

import (
	"cmp"
	"context"
	"flag"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/contest"
	"github.com/semabus/semabus/bench/internal/figure"
	"github.com/semabus/semabus/bench/internal/launch"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/peer"
)

// serveArg makes this program serve JetStream: the server that is measured is a process of its own.
const serveArg = "serve-jetstream"

func main() { os.Exit(launch.Main(run)) }

// options are the flags.
type options struct {
	contest.Options
	site     launch.Options
	measure  string
	peers    string
	redis    string
	rate     float64
	messages int
	members  int
	topic    bool
	rest     time.Duration
	json     bool
	noGate   bool
}

func (o *options) bind(f *flag.FlagSet) {
	o.site.Bind(f)
	f.StringVar(&o.peers, "peers", "semabus,jetstream,redis", "whom to measure, of semabus, jetstream_always, jetstream_default, redis_always")
	f.StringVar(&o.redis, "redis", "redis-server", "redis-server to measure")
	f.IntVar(&o.Rounds, "rounds", 0, "how often each is measured, in turn (default 3; memory 1)")
	f.Float64Var(&o.Seconds, "seconds", 5, "how long each is measured in a round, after a warm-up")
	f.IntVar(&o.Publishers, "publishers", 64, "publishers at once")
	f.IntVar(&o.Connections, "connections", 0, "connections that the publishers share, for every peer (default: one each)")
	f.IntVar(&o.Window, "window", 1, "messages of one publisher that may wait for their acknowledgement")
	f.IntVar(&o.Size, "size", 0, "size of a message, about, bytes (default 256; memory 1024)")
	f.IntVar(&o.Intents, "intents", 1000, "intents that semabus decides every message over")
	f.StringVar(&o.measure, "measure", "publish", "publish = the peers; of semabus alone: latency, settle, fanout, memory")
	f.Float64Var(&o.rate, "rate", 0, "messages a second: latency (default 5000)")
	f.IntVar(&o.messages, "messages", 0, "settle (default 300000), memory (default 1000000)")
	f.IntVar(&o.members, "members", 0, "of the group: settle (default 16)")
	f.BoolVar(&o.topic, "topic", false, "fanout: by topic instead of meaning")
	f.DurationVar(&o.rest, "rest", 0, "memory: after the last message (default 15s)")
	f.BoolVar(&o.json, "json", false, "end with one JSON object on a line of its own")
	f.BoolVar(&o.noGate, "no-gate", false, "exit with 0 also below a gate")
}

func (o *options) validate() error {
	names, err := peer.Parse(o.peers)
	if err != nil {
		return err
	}
	o.Peers = names
	return launch.Check(
		launch.Bound{Flag: "--rounds", Value: float64(o.Rounds), Min: 0, Max: 1000},
		launch.Bound{Flag: "--seconds", Value: o.Seconds, Min: 0.1, Max: 86_400},
		launch.Bound{Flag: "--publishers", Value: float64(o.Publishers), Min: 1, Max: 4096},
		launch.Bound{Flag: "--connections", Value: float64(o.Connections), Min: 0, Max: 4096},
		launch.Bound{Flag: "--window", Value: float64(o.Window), Min: 1, Max: 1 << 20},
		launch.Bound{Flag: "--size", Value: float64(o.Size), Min: 0, Max: semabus.MaxTextBytes - 1024},
		launch.Bound{Flag: "--intents", Value: float64(o.Intents), Min: 1, Max: 1_000_000},
		launch.Bound{Flag: "--rate", Value: o.rate, Min: 0, Max: 1e9},
		launch.Bound{Flag: "--messages", Value: float64(o.messages), Min: 0, Max: 100_000_000},
		launch.Bound{Flag: "--rest", Value: o.rest.Seconds(), Min: 0, Max: 86_400},
		launch.Bound{Flag: "--members", Value: float64(o.members), Min: 0, Max: 4096},
	)
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) > 0 && args[0] == serveArg {
		return peer.ServeJetStream(ctx, args[1:], out)
	}
	var o options
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(progress)
	o.bind(f)
	if err := launch.Parse(f, args); err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // what the publishers use is taken from the server beside them
	if o.measure == "publish" {
		return publish(ctx, &o, out, progress)
	}
	return alone(ctx, &o, out, progress)
}

// result is what either kind of measurement found.
type result interface {
	WriteText(w io.Writer) error
	WriteJSON(w io.Writer) error
}

// tell prints a result; held says whether its gates are met.
func (o *options) tell(out io.Writer, r result, held bool) error {
	if err := r.WriteText(out); err != nil {
		return err
	}
	if o.json {
		if err := r.WriteJSON(out); err != nil {
			return err
		}
	}
	if !held && !o.noGate {
		return launch.ErrBelow
	}
	return nil
}

// publish is the contest.
func publish(ctx context.Context, o *options, out, progress io.Writer) error {
	o.Rounds, o.Size = cmp.Or(o.Rounds, 3), cmp.Or(o.Size, 256)
	env := peer.Env{Clock: semabus.SystemClock{}}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	env.Self = []string{self, serveArg}
	if slices.Contains(o.Peers, peer.RedisAlways) {
		if env.Redis, err = peer.FindRedis(o.redis); err != nil {
			return err
		}
	}
	site, err := launch.Open(ctx, o.site, env.Clock, progress)
	if err != nil {
		return err
	}
	defer site.Close()
	env.Dir, env.Binary = site.Dir, site.Binary
	r, err := contest.Run(ctx, o.Options, env, progress)
	if err != nil {
		return err
	}
	r.SyncTime = meter.Milliseconds(site.Sync)
	return o.tell(out, r, r.Held)
}

// alone measures a figure of semabus.
func alone(ctx context.Context, o *options, out, progress io.Writer) error {
	if err := figure.Known(o.measure); err != nil {
		return err
	}
	clock := semabus.SystemClock{}
	site, err := launch.Open(ctx, o.site, clock, progress)
	if err != nil {
		return err
	}
	defer site.Close()
	r, err := figure.Measure(ctx, o.measure, figure.Options{
		Rounds: o.Rounds, Seconds: o.Seconds, Publishers: o.Publishers, Intents: o.Intents, Size: o.Size, Rate: o.rate,
		Messages: o.messages, Members: o.members, Topic: o.topic, Rest: o.rest,
	}, figure.Env{Dir: site.Dir, Binary: site.Binary, Clock: clock, Progress: progress})
	if err != nil {
		return err
	}
	return o.tell(out, r, r.Held)
}
