package child

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// readyWithin bounds a node's start, recovery of its data included.
const readyWithin = 60 * time.Second

// NodeOptions are the arguments of a node; the zero value is what most callers want.
type NodeOptions struct {
	Data string   // folder; "" = a temporary one, removed by Close
	Args []string // more arguments for `serve`
}

// Node is a `serve` child. Its methods are for one goroutine.
type Node struct {
	GRPC string // HOST:PORT, the same after Restart
	HTTP string // HOST:PORT, the same after Restart
	Data string // folder

	proc      *Process
	args      []string
	temporary bool
}

// StartNode runs `serve` on free loopback ports and returns once it is ready.
func StartNode(ctx context.Context, o NodeOptions) (*Node, error) {
	n := &Node{Data: o.Data, args: o.Args, GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0"}
	if n.Data == "" {
		dir, err := os.MkdirTemp("", "semabus-")
		if err != nil {
			return nil, failed("make a temporary data folder", err)
		}
		n.Data, n.temporary = dir, true
	}
	if err := n.Restart(ctx); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// Restart starts the node again on the same data and ports after Kill.
func (n *Node) Restart(ctx context.Context) error {
	ready := make(chan []byte, 1)
	var first sync.Once
	args := append([]string{"serve", "--data", n.Data, "--listen", n.GRPC, "--http", n.HTTP}, n.args...)
	p, err := Start(ctx, args, func(line []byte) { first.Do(func() { ready <- line }) })
	if err != nil {
		return err
	}
	n.proc = p
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	select {
	case line := <-ready:
		var at struct{ GRPC, HTTP string }
		if err := json.Unmarshal(line, &at); err != nil || at.GRPC == "" {
			p.Kill()
			return failed("read the node's first line", fmt.Errorf("it printed %q", line))
		}
		n.GRPC, n.HTTP = at.GRPC, at.HTTP
		return nil
	case <-p.Done():
		return failed("start a node", fmt.Errorf("%w: %s", errEnded, p.Stderr()))
	case <-ctx.Done():
		p.Kill()
		return failed("start a node", fmt.Errorf("%w: %s", ctx.Err(), p.Stderr()))
	}
}

// PID is the node's process id.
func (n *Node) PID() int { return n.proc.PID() }

// Kill is kill -9 of the node; its data stays.
func (n *Node) Kill() { n.proc.Kill() }

// Close ends the node and removes a temporary data folder.
func (n *Node) Close() {
	if n.proc != nil {
		n.proc.Stop()
	}
	if n.temporary {
		_ = os.RemoveAll(n.Data)
	}
}
