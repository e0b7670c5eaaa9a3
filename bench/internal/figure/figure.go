package figure

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/bench/internal/verdict"
)

// The measurements by name.
const (
	Latency = "latency"
	Settle  = "settle"
	Fanout  = "fanout"
	Memory  = "memory"
)

// Names are all measurements.
func Names() []string { return []string{Latency, Settle, Fanout, Memory} }

// Options say how much is done; zero values mean the default of the measurement.
type Options struct {
	Rounds     int     // 0 = 3, of memory 1
	Seconds    float64 // measured, after a warm-up: latency, fanout
	Publishers int     // fanout
	Intents    int     // that every message is decided over: latency, fanout, memory
	Size       int     // of a message, about, bytes; 0 = 256, of memory 1,024
	Rate       float64 // messages a second: latency; 0 = 5,000
	Messages   int     // settle: 300,000; memory: 1,000,000
	Members    int     // settle: 16
	Topic      bool    // fanout: by topic instead of meaning

	Rest time.Duration // memory: after the last message; 0 = 15 s
}

func orDefault[T int | float64 | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// Env is what a measurement needs to run.
type Env struct {
	Dir      string // an empty folder on the disk that is measured
	Binary   string // of semabus
	Clock    semabus.Clock
	Progress io.Writer
}

func (e Env) sayf(format string, args ...any) { fmt.Fprintf(e.Progress, format+"\n", args...) }

// measurement is one way to measure. once returns the values by key; those without a target are told as well.
type measurement struct {
	targets []verdict.Target
	rounds  int
	once    func(ctx context.Context, o Options, e Env) (map[string]float64, error)
}

func measurements() map[string]measurement {
	return map[string]measurement{
		Latency: {[]verdict.Target{
			{Key: "p50_ms", Unit: "ms", Gate: .7, Aim: .4, AtMost: true},
			{Key: "p99_ms", Unit: "ms", Gate: 3, Aim: 1.5, AtMost: true},
		}, 3, latency},
		Settle: {[]verdict.Target{{Key: "settles_per_s", Unit: "/s", Gate: 60_000, Aim: 150_000}}, 3, settle},
		Fanout: {[]verdict.Target{{Key: "deliveries_per_s", Unit: "/s", Gate: 100_000, Aim: 200_000}}, 3, fanout},
		Memory: {[]verdict.Target{{Key: "resident_mib", Unit: "MiB", Gate: 400, Aim: 200, AtMost: true}}, 1, memory},
	}
}

// Known reports whether there is a measurement of that name. Errors: INVALID_ARGUMENT.
func Known(name string) error {
	if _, ok := measurements()[name]; ok {
		return nil
	}
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "peers", Field: "--measure",
		Value: semabus.Shorten(name), Limit: "publish, " + strings.Join(Names(), ", "), Fix: "name one of these",
	}
}

// Measure runs one measurement, with a fresh node in each round. Errors: those of [Known]; what could not be run.
func Measure(ctx context.Context, name string, o Options, e Env) (*verdict.Result, error) {
	if err := Known(name); err != nil {
		return nil, err
	}
	m := measurements()[name]
	values := map[string][]float64{}
	rounds := orDefault(o.Rounds, m.rounds)
	for r := range rounds {
		got, err := inFolder(ctx, name, o, e, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		e.sayf("round %d of %d: %v", r+1, rounds, got)
		for k, v := range got {
			values[k] = append(values[k], v)
		}
	}
	return verdict.New(name, m.targets, values), nil
}

func inFolder(ctx context.Context, name string, o Options, e Env, m measurement) (map[string]float64, error) {
	dir, err := os.MkdirTemp(e.Dir, name+"-")
	if err != nil {
		return nil, process.Failed("make a folder in "+e.Dir, err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is in a temporary folder
	e.Dir = dir
	return m.once(ctx, o, e)
}

// run starts a node with intents and hands it over.
func (e Env) run(ctx context.Context, intents int, with func(ctx context.Context, n *node.Node) error) error {
	n, err := node.Prepared(ctx, node.Options{Binary: e.Binary, Dir: e.Dir}, e.Clock, intents)
	if err != nil {
		return err
	}
	defer n.Close()
	return with(ctx, n)
}
