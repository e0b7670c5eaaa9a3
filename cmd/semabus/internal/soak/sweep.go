package soak

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/wait"
)

const (
	page      = 1000                   // deliveries a call
	sweepTerm = 2 * time.Minute        // of the leases under which verify reads
	sweepLook = 200 * time.Millisecond // between two looks at a group that somebody else reads
)

// sweep reads everything that waits in a group, in order of commit, and gives it back. Deliveries under the lease of
// somebody else, such as a verify that was killed, are waited for.
func sweep(ctx context.Context, c *client.Client, clock semabus.Clock, group string) (_ []semabus.Delivery, err error) {
	var all []semabus.Delivery
	defer func() { err = cmp.Or(err, giveBack(context.WithoutCancel(ctx), c, all)) }()
	read := map[[2]string]bool{} // a lease of ours that ends too early brings its delivery a second time
	for began := clock.Now(); ; {
		got, err := c.Fetch(ctx, group, client.FetchOptions{Member: "soak verify", Max: page, Lease: sweepTerm})
		if err != nil {
			return all, err
		}
		for _, d := range got {
			if key := [2]string{d.Message.ID, string(d.Position)}; !read[key] {
				read[key] = true
				all = append(all, d)
			}
		}
		if len(got) > 0 {
			continue
		}
		waiting, err := depth(ctx, c, group)
		switch {
		case err != nil:
			return all, err
		case waiting <= int64(len(all)):
			return all, nil
		case clock.Now().Sub(began) > 2*sweepTerm:
			return all, &semabus.Error{
				Code: semabus.CodeUnavailable, Reason: semabus.ReasonOverloaded, Op: "soak verify", Field: "group", Value: group,
				Limit: (2 * sweepTerm).String(),
				Fix:   fmt.Sprintf("%d of %d deliveries are kept by somebody else; end what consumes the group", waiting-int64(len(all)), waiting),
			}
		}
		wait.For(ctx, clock, sweepLook)
	}
}

// depth is how many deliveries of the groups are not settled.
func depth(ctx context.Context, c *client.Client, groups ...string) (n int64, err error) {
	stats, err := c.GroupStats(ctx, groups...)
	for _, s := range stats {
		n += s.Ready + s.Delayed + s.Leased
	}
	return n, err
}

// giveBack ends the leases without costing an attempt.
func giveBack(ctx context.Context, c *client.Client, all []semabus.Delivery) error {
	for some := range slices.Chunk(all, page) {
		back := make([]client.Extension, len(some))
		for i := range some {
			back[i].Token = some[i].Lease.Token
		}
		if _, err := c.Extend(ctx, back...); err != nil { // a lease that ended by itself is given back as well
			return err
		}
	}
	return nil
}

// readSink reads the effects.
func readSink(ctx context.Context, c *client.Client, clock semabus.Clock) ([]effect, error) {
	all, err := sweep(ctx, c, clock, sink)
	if err != nil {
		return nil, err
	}
	out := make([]effect, len(all))
	for i := range all {
		d := &all[i]
		j, err := decodeJob(d.Message.Payload)
		if err != nil {
			return nil, fmt.Errorf("%s in group %s is no effect: %w", d.Message.ID, sink, err)
		}
		out[i] = effect{job: j, id: d.Message.ID, position: string(d.Position), at: d.Enqueued}
	}
	return out, nil
}

// readRecords reads what the ledger knows of runs, and the state file, which may know more.
func readRecords(ctx context.Context, c *client.Client, clock semabus.Clock, state string) ([]Record, error) {
	all, err := sweep(ctx, c, clock, ledger)
	if err != nil {
		return nil, err
	}
	var found []Record
	for i := range all {
		r, err := decodeRecord(all[i].Message.Payload)
		if err != nil {
			return nil, fmt.Errorf("%s in group %s is no record: %w", all[i].Message.ID, ledger, err)
		}
		found = append(found, r)
	}
	if r, ok, err := readState(state); err != nil {
		return nil, err
	} else if ok {
		found = append(found, r)
	}
	return merged(found), nil
}

// merged is one record for each run.
func merged(found []Record) []Record {
	var out []Record
	for _, r := range found {
		i := slices.IndexFunc(out, func(o Record) bool { return o.Run == r.Run })
		if i < 0 {
			out = append(out, Record{Run: r.Run})
			i = len(out) - 1
		}
		out[i].merge(r)
	}
	return out
}

// verify counts.
func verify(ctx context.Context, c *client.Client, clock semabus.Clock, state string) (Verdict, []string, error) {
	records, err := readRecords(ctx, c, clock, state)
	if err != nil {
		return Verdict{}, nil, err
	}
	effects, err := readSink(ctx, c, clock)
	if err != nil {
		return Verdict{}, nil, err
	}
	if len(records) == 0 && len(effects) == 0 {
		return Verdict{}, nil, &semabus.Error{
			Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Op: "soak verify", Field: "ledger",
			Fix: "no soak has run on this node, or it has lost everything and the state file is not here; see --state",
		}
	}
	v, faults := judge(records, effects)
	waiting, err := depth(ctx, c, lanes...)
	if err == nil && waiting > 0 {
		faults = append(faults, fmt.Sprintf("unfinished: %d deliveries still wait for a consumer; start soak to go on with them", waiting))
	}
	return v, faults, err
}
