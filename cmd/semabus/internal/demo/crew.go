package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/child"
)

// event is one line of an agent's standard output.
type event struct {
	Event   string `json:"event"`   // "ready" or "working"
	Message string `json:"message"` // of working: its id
}

// agent is one agent process.
type agent struct {
	name, group string
	proc        *child.Process
	ready       chan struct{}
}

// crew is the agent processes of the demo. Its methods are safe for concurrent use.
type crew struct {
	addr string

	mu      sync.Mutex
	agents  map[string]*agent
	working map[string]string // message id → agent that said it works on it, the latest
	changed chan struct{}
}

func newCrew(addr string) *crew {
	return &crew{addr: addr, agents: map[string]*agent{}, working: map[string]string{}, changed: make(chan struct{})}
}

// hire starts a process that registers the intent (words, if not empty, else the help desk's of that name) and works for
// the group.
func (c *crew) hire(ctx context.Context, name, group, words string) (*agent, error) {
	args := []string{"demo", "agent", "--addr", c.addr, "--name", name, "--group", group}
	if words != "" {
		args = append(args, "--words", words)
	}
	a := &agent{name: name, group: group, ready: make(chan struct{})}
	var once sync.Once
	p, err := child.Start(ctx, args, func(line []byte) {
		var e event
		if json.Unmarshal(line, &e) != nil {
			return
		}
		if e.Event == "ready" {
			once.Do(func() { close(a.ready) })
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.working[e.Message] = name
		close(c.changed)
		c.changed = make(chan struct{})
	})
	if err != nil {
		return nil, err
	}
	a.proc = p
	c.mu.Lock()
	c.agents[name] = a
	c.mu.Unlock()
	return a, nil
}

// awaitReady waits until the agent is registered and subscribed.
func (a *agent) awaitReady(ctx context.Context) error {
	select {
	case <-a.ready:
		return nil
	case <-a.proc.Done():
		return fmt.Errorf("agent %s ended: %s", a.name, a.proc.Stderr())
	case <-ctx.Done():
		return fmt.Errorf("agent %s is not ready: %w: %s", a.name, ctx.Err(), a.proc.Stderr())
	}
}

// awaitWorking waits until some agent says that it works on the message and returns it.
func (c *crew) awaitWorking(ctx context.Context, message string) (*agent, error) {
	for {
		c.mu.Lock()
		a, changed := c.agents[c.working[message]], c.changed
		c.mu.Unlock()
		if a != nil {
			return a, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("nobody works on %s: %w", message, ctx.Err())
		}
	}
}

// kill is kill -9 of one agent, which leaves the crew; it returns the agent's group.
func (c *crew) kill(name string) (group string, err error) {
	c.mu.Lock()
	a := c.agents[name]
	delete(c.agents, name)
	c.mu.Unlock()
	if a == nil {
		return "", &semabus.Error{
			Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Field: "AGENT", Value: semabus.Shorten(name),
			Fix: "name one of the running agents: " + fmt.Sprint(c.names()),
		}
	}
	a.proc.Kill()
	return a.group, nil
}

// members lists the running agents of a group, sorted.
func (c *crew) members(group string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for n, a := range c.agents {
		if a.group == group {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// names lists the running agents, sorted.
func (c *crew) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]string, 0, len(c.agents))
	for n := range c.agents {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// dismiss ends every agent: all are told first, then waited for.
func (c *crew) dismiss() {
	c.mu.Lock()
	all := make([]*agent, 0, len(c.agents))
	for _, a := range c.agents {
		all = append(all, a)
	}
	clear(c.agents)
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b *agent) int { return cmp.Compare(a.name, b.name) })
	for _, a := range all {
		a.proc.Signal()
	}
	for _, a := range all {
		a.proc.Stop()
	}
}
