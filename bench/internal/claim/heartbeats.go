package claim

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/client"
)

const (
	membersAConn = 100 // members that share a connection, as the agents of one application
	membersAGrp  = 100 // of one group
	joinWithin   = 2 * time.Minute
	joinLook     = 100 * time.Millisecond
	statsOfAll   = 20 * time.Second
)

// heartbeats lets members wait for work that does not come. A client sends a heartbeat each third of its lease.
func heartbeats(ctx context.Context, o Options, e Env) (values map[string]float64, err error) {
	n, err := node.Start(ctx, node.Options{Binary: e.Binary, Dir: e.Dir})
	if err != nil {
		return nil, err
	}
	defer n.Close()
	clients, end, err := n.Dial(ctx, 1+(o.Members+membersAConn-1)/membersAConn, client.Options{})
	if err != nil {
		return nil, err
	}
	defer end()
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	g, waiting := errgroup.WithContext(waiting)
	for i := range o.Members {
		c, group := clients[1+i/membersAConn], fmt.Sprintf("idle-%d", i/membersAGrp)
		g.Go(func() error {
			nothing := func(context.Context, *semabus.Delivery) (semabus.Settlement, error) { return semabus.Settlement{}, nil }
			return c.Subscribe(waiting, group, nothing, client.SubscribeOptions{Lease: 3 * o.Heartbeat})
		})
	}
	g.Go(func() error {
		defer stop()
		values, err = watchMembers(waiting, o, e, n, clients)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return values, nil
}

// watchMembers waits until all are there and have settled down, and measures.
func watchMembers(ctx context.Context, o Options, e Env, n *node.Node, clients []*client.Client) (map[string]float64, error) {
	began := e.Clock.Now()
	for {
		have, err := members(ctx, clients[0])
		if err != nil {
			return nil, err
		}
		if have == o.Members {
			break
		}
		if e.Clock.Now().Sub(began) > joinWithin {
			return nil, process.Failed("let every member join", fmt.Errorf("%d of %d are there", have, o.Members))
		}
		if !meter.Wait(ctx, e.Clock, joinLook) {
			return nil, ctx.Err()
		}
	}
	joined := e.Clock.Now().Sub(began)
	e.sayf("%d members are there after %.1f s; measuring for %s", o.Members, joined.Seconds(), o.Watch)
	meter.Wait(ctx, e.Clock, min(o.Watch/4, 5*time.Second)) // what joining left behind is cleared away
	before, err := process.CPU(n.PID())
	if err != nil {
		return nil, err
	}
	from := e.Clock.Now()
	if !meter.Wait(ctx, e.Clock, o.Watch) {
		return nil, ctx.Err()
	}
	after, err := process.CPU(n.PID())
	if err != nil {
		return nil, err
	}
	took := e.Clock.Now().Sub(from)
	memory, err := process.Memory(n.PID())
	if err != nil {
		return nil, err
	}
	have, err := members(ctx, clients[0])
	if err != nil {
		return nil, err
	}
	var lost int64
	for _, c := range clients {
		lost += c.Stats().Disconnects
	}
	return map[string]float64{
		"cpu_percent_of_core": (after - before).Seconds() / took.Seconds() * 100, "members": float64(have),
		"lost_members": float64(int64(o.Members-have) + lost), "heartbeat_s": o.Heartbeat.Seconds(), "window_s": took.Seconds(),
		"join_s": joined.Seconds(), "resident_mib": float64(memory.Anonymous) / (1 << 20),
	}, nil
}

// members is how many the node counts in all groups.
func members(ctx context.Context, c *client.Client) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, statsOfAll)
	defer cancel()
	stats, err := c.GroupStats(ctx)
	n := 0
	for _, s := range stats {
		n += s.Members
	}
	return n, err
}
