package demo

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/wait"
	"github.com/semabus/semabus/examples/helpdesk"
)

// agentOptions are the arguments of the hidden `demo agent`.
type agentOptions struct {
	addr, name, group, words string
	clock                    semabus.Clock
	out                      io.Writer
}

// untilOrphaned is runAgent that also ends when its standard input does: the demo is gone then, however it ended.
func (o *agentOptions) untilOrphaned(ctx context.Context, stdin io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group // not waited for: a read cannot be interrupted, the process's end ends it
	g.Go(func() error {
		defer cancel()
		_, err := io.Copy(io.Discard, stdin)
		return err
	})
	return runAgent(ctx, *o)
}

// intent is what the agent registers: the help desk's intent of its group, or the words it was given.
func (o *agentOptions) intent() (semabus.Intent, error) {
	if o.words != "" {
		return semabus.Intent{Name: o.group, Group: o.group, Set: helpdesk.Set, Description: o.words, Examples: []string{o.words}}, nil
	}
	all, err := helpdesk.Intents()
	if err != nil {
		return semabus.Intent{}, err
	}
	for i := range all {
		if all[i].Group == o.group {
			return all[i], nil
		}
	}
	return semabus.Intent{}, &semabus.Error{
		Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Field: "--group", Value: o.group,
		Fix: "name a group of examples/helpdesk/intents.yaml or give --words",
	}
}

// runAgent registers its intent and works on what its group is given until ctx ends.
func runAgent(ctx context.Context, o agentOptions) error {
	in, err := o.intent()
	if err != nil {
		return err
	}
	c, err := client.Dial(ctx, o.addr, client.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // what is not settled goes to another member
	// A second member of the group finds the intent registered already.
	if _, err := c.RegisterIntent(ctx, in); err != nil && semabus.CodeOf(err) != semabus.CodeAlreadyExists {
		return err
	}
	say := json.NewEncoder(o.out)
	if err := say.Encode(event{Event: "ready"}); err != nil {
		return err
	}
	return c.Subscribe(ctx, o.group, func(ctx context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
		received := o.clock.Now()
		if err := say.Encode(event{Event: "working", Message: d.Message.ID}); err != nil {
			return semabus.Settlement{}, err
		}
		if err := o.work(ctx, d.Message.Headers[workKey]); err != nil {
			return semabus.Settlement{}, err
		}
		return o.finish(d, received)
	}, client.SubscribeOptions{Concurrency: 1})
}

// work takes as long as the header says.
func (o *agentOptions) work(ctx context.Context, header string) error {
	if header == "" {
		return nil
	}
	d, err := time.ParseDuration(header)
	if err != nil {
		return err
	}
	if !wait.For(ctx, o.clock, d) {
		return ctx.Err()
	}
	return nil
}

// finish settles the delivery together with the effect it had. The op id belongs to the job and not to the attempt:
// whoever finishes the job twice, the effect happens once.
func (o *agentOptions) finish(d *semabus.Delivery, received time.Time) (semabus.Settlement, error) {
	e := effect{Message: d.Message.ID, Group: o.group, Agent: o.name, Attempt: d.Attempt, Received: received}
	payload, err := json.Marshal(e)
	if err != nil {
		return semabus.Settlement{}, err
	}
	return semabus.Settlement{
		Outcome: semabus.SettleDone,
		OpID:    "demo/" + d.Message.ID + "/" + o.group,
		Outputs: []*semabus.Message{{To: ledgerGroup, Type: "demo.effect", Payload: payload, ContentType: "application/json"}},
	}, nil
}
