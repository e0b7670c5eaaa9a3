package claim

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/bench/internal/verdict"
)

// The claims by name.
const (
	Heartbeats   = "heartbeats"
	Reconnect    = "reconnect"
	Backoff      = "backoff"
	Tasks        = "tasks"
	Transactions = "transactions"
)

// Names are all claims, the quick ones first.
func Names() []string { return []string{Backoff, Reconnect, Transactions, Tasks, Heartbeats} }

// Options say how much is done.
type Options struct {
	Seed uint64 // of every random choice

	Members   int           // heartbeats: subscriptions that wait
	Heartbeat time.Duration // heartbeats: of each member; its lease is three of them
	Watch     time.Duration // heartbeats: how long the CPU time is measured

	Cuts int           // reconnect
	Away time.Duration // reconnect: the port is away for up to this long, at random

	Retries int // backoff: deliveries that fail until the schedule is at its end

	Producers int // transactions: how many are killed

	Tasks int // tasks
	Kills int // tasks: of the node, by SIGKILL; it is stopped, and connections stall, break and lose answers, as often each
}

// Env is what a claim needs to be tried.
type Env struct {
	Dir      string // an empty folder
	Binary   string // of semabus
	Clock    semabus.Clock
	Progress io.Writer
}

func (e Env) sayf(format string, args ...any) { fmt.Fprintf(e.Progress, format+"\n", args...) }

type trial struct {
	targets []verdict.Target
	try     func(ctx context.Context, o Options, e Env) (map[string]float64, error)
}

// bound is a target without a further aim.
func bound(key, unit string, gate float64, atMost bool) verdict.Target {
	return verdict.Target{Key: key, Unit: unit, Gate: gate, Aim: gate, AtMost: atMost}
}

func trials() map[string]trial {
	return map[string]trial{
		Heartbeats: {[]verdict.Target{bound("cpu_percent_of_core", "%", 5, true), bound("lost_members", "", 0, true)}, heartbeats},
		Reconnect:  {[]verdict.Target{bound("p99_ms", "ms", 1000, true), bound("max_ms", "ms", 10_000, true)}, reconnect},
		Backoff: {[]verdict.Target{bound("wrong_delays", "", 0, true), bound("early", "", 0, true), bound("late", "", 0, true),
			bound("unevenness", "", 2.7, true)}, backoff},
		Transactions: {[]verdict.Target{bound("delivered_unpaid", "", 0, true), bound("paid_missing", "", 0, true),
			bound("delivered_twice", "", 0, true)}, transactions},
		Tasks: {[]verdict.Target{bound("missing", "", 0, true), bound("duplicate_effects", "", 0, true), bound("dead_letters", "", 0, true)}, tasks},
	}
}

// Known reports whether there is a claim of that name. Errors: INVALID_ARGUMENT.
func Known(name string) error {
	if _, ok := trials()[name]; ok {
		return nil
	}
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "claims", Field: "--claims",
		Value: semabus.Shorten(name), Limit: strings.Join(Names(), ", "), Fix: "name some of these, separated by commas",
	}
}

// Try tries a claim. Errors: those of [Known]; what could not be run.
func Try(ctx context.Context, name string, o Options, e Env) (*verdict.Result, error) {
	if err := Known(name); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(e.Dir, name+"-")
	if err != nil {
		return nil, process.Failed("make a folder in "+e.Dir, err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is in a temporary folder
	e.Dir = dir
	t := trials()[name]
	got, err := t.try(ctx, o, e)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	values := map[string][]float64{}
	for k, v := range got {
		values[k] = []float64{v}
	}
	return verdict.New(name, t.targets, values), nil
}
