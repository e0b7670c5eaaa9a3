package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/bench/internal/workload"
	"github.com/semabus/semabus/client"
)

const (
	readyWithin = 60 * time.Second // of a start, recovery of its data included
	parallel    = 16               // registrations under way at once
	refitWithin = 10 * time.Minute // for the router to settle after the last registration
	refitLook   = 20 * time.Millisecond
)

// groups are the queues of a node that is [Prepared].
const groups = 8

// Group is the group of a prepared node's i-th intent.
func Group(i int) string { return fmt.Sprintf("group-%d", i%groups) }

// Groups are all of them.
func Groups() []string {
	var out []string
	for i := range groups {
		out = append(out, Group(i))
	}
	return out
}

// Prepared starts a node with as many intents, dealt out to [Groups]. They compete in one set, so that each message is for the
// one best group.
func Prepared(ctx context.Context, o Options, clock semabus.Clock, intents int) (_ *Node, err error) {
	n, err := Start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	all, end, err := n.Dial(ctx, 1, client.Options{})
	if err != nil {
		return nil, err
	}
	defer end()
	if _, err := all[0].ConfigureSet(ctx, semabus.Set{Name: "bench", Dispatch: semabus.DispatchTask}); err != nil {
		return nil, err
	}
	list := make([]semabus.Intent, intents)
	for i := range list {
		list[i] = workload.Intent(i, fmt.Sprintf("intent-%d", i), Group(i), "bench")
	}
	return n, Register(ctx, all[0], clock, list)
}

// Build compiles the semabus command of the checkout into dir and returns its path. It must run in the module of the
// benchmarks, which says where the checkout is.
func Build(ctx context.Context, dir string) (string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/semabus/semabus")
	list.Env = append(os.Environ(), "GOWORK=off")
	out, err := list.Output()
	if err != nil {
		return "", failed("find the checkout of semabus: run this with go -C bench run, or name a binary by --semabus", err, out)
	}
	binary := filepath.Join(dir, "semabus")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/semabus")
	build.Dir = strings.TrimSpace(string(out))
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", failed("build semabus from "+build.Dir, err, out)
	}
	return binary, nil
}

func failed(what string, err error, out []byte) error {
	return process.Failed(what, fmt.Errorf("%w: %s", err, out))
}

// Options say how a node runs.
type Options struct {
	Binary string   // of semabus
	Dir    string   // where its data folder is made
	Args   []string // more arguments for `serve`
}

// Node is a `semabus serve` process. Its methods are for one goroutine.
type Node struct {
	GRPC string // HOST:PORT, the same after Restart
	HTTP string // HOST:PORT, the same after Restart

	o    Options
	proc *process.Process
}

// Start runs a node on free loopback ports and returns once it is ready.
func Start(ctx context.Context, o Options) (*Node, error) {
	n := &Node{o: o, GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0"}
	return n, n.Restart(ctx)
}

// Restart starts the node again on the same data and ports after Kill.
func (n *Node) Restart(ctx context.Context) error {
	lines := make(chan []byte, 1)
	var first sync.Once
	p, err := process.Start(ctx, process.Options{
		Path: n.o.Binary,
		Args: append([]string{"serve", "--data", filepath.Join(n.o.Dir, "data"), "--listen", n.GRPC, "--http", n.HTTP,
			"--log-level", "warn"}, n.o.Args...),
		Line: func(line []byte) { first.Do(func() { lines <- line }) },
	})
	if err != nil {
		return err
	}
	n.proc = p
	line, err := process.Ready(ctx, p, lines, readyWithin)
	if err != nil {
		return err
	}
	var at struct{ GRPC, HTTP string }
	if err := json.Unmarshal(line, &at); err != nil || at.GRPC == "" {
		p.Kill()
		return process.Failed("read the node's first line", fmt.Errorf("it printed %q", line))
	}
	n.GRPC, n.HTTP = at.GRPC, at.HTTP
	return nil
}

// Process is the node's process of the moment.
func (n *Node) Process() *process.Process { return n.proc }

// PID is its process id.
func (n *Node) PID() int { return n.proc.PID() }

// Kill is kill -9 of the node; its data stays.
func (n *Node) Kill() { n.proc.Kill() }

// Close ends the node. Its data stays.
func (n *Node) Close() {
	if n.proc != nil {
		n.proc.Stop()
	}
}

// Dial makes as many clients, each with a connection of its own, and a function that closes all of them.
func (n *Node) Dial(ctx context.Context, count int, o client.Options) ([]*client.Client, func(), error) {
	var all []*client.Client
	end := func() {
		var g errgroup.Group
		for _, c := range all {
			g.Go(c.Close)
		}
		_ = g.Wait() // whoever published heard the same error
	}
	for range count {
		c, err := client.Dial(ctx, n.GRPC, o)
		if err != nil {
			end()
			return nil, nil, err
		}
		all = append(all, c)
	}
	return all, end, nil
}

// Register registers intents and returns when the router has settled on all of them.
func Register(ctx context.Context, c *client.Client, clock semabus.Clock, intents []semabus.Intent) error {
	g, registering := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range intents {
		g.Go(func() error {
			_, err := c.RegisterIntent(registering, intents[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, refitWithin)
	defer cancel()
	for {
		info, err := c.Info(ctx)
		if err != nil || info.PendingRefits == 0 {
			return err
		}
		if !meter.Wait(ctx, clock, refitLook) {
			return ctx.Err()
		}
	}
}
