package brokertest

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func concurrencyCases() []testCase {
	return []testCase{
		{"Concurrency/EachDeliveryOnce", nil, eachOnce},
		{"Concurrency/LeaseSettleHistory", nil, leaseHistory},
		{"Concurrency/GroupsDoNotDelayEachOther", nil, groupsApart},
	}
}

// eachOnce: members that share a group work on each delivery exactly once while publishers go on.
func eachOnce(r *rig) {
	const publishers, each, members = 4, 50, 5
	var g errgroup.Group
	for p := range publishers {
		g.Go(func() error {
			for _, id := range ids(fmt.Sprint("p", p, "-"), each) {
				if _, err := r.d.Commit(r.ctx(), []*driver.Batch{put(id, "g")}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var mu sync.Mutex
	seen := map[string]int{}
	total := 0
	for m := range members {
		g.Go(func() error {
			for {
				mu.Lock()
				finished := total == publishers*each
				mu.Unlock()
				if finished {
					return nil
				}
				q := request("g", 1+m)
				q.Member, q.Wait = fmt.Sprint(m), brief
				got, err := r.d.Lease(r.ctx(), q)
				if err != nil {
					return err
				}
				mu.Lock()
				for _, l := range got {
					seen[l.MessageID]++
				}
				total += len(got)
				mu.Unlock()
				for _, l := range got {
					if res, err := r.d.Commit(r.ctx(), []*driver.Batch{done(l.Token)}); err != nil || !res[0].Applied {
						return fmt.Errorf("settling %s: %+v, %w", l.MessageID, res, err)
					}
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	for id, n := range seen {
		if n != 1 {
			r.t.Errorf("%s was granted %d times", id, n)
		}
	}
	r.none("g")
}

// groupsApart: a group with a huge backlog and held leases does not keep another from its work.
func groupsApart(r *rig) {
	b := &driver.Batch{Tenant: tenant}
	for _, id := range ids("m", 2000) {
		b.Messages = append(b.Messages, message(id))
		b.Deliveries = append(b.Deliveries, driver.Enqueue{MessageID: id, Group: "slow"})
	}
	r.apply(b)
	if got := r.lease(request("slow", 500)); len(got) != 500 {
		r.t.Fatalf("leased %d", len(got))
	}
	r.apply(put("quick", "quick"))
	r.apply(done(r.one("quick").Token))
}

// span is one operation of a history: it took effect at some moment between its ends.
type span struct{ begin, end time.Time }

// deal is what happened to one delivery under one token.
type deal struct {
	granted span
	settled span
	applied bool
	tried   bool
}

// leaseHistory lets members with leases that run out under them compete for a few deliveries, records what each call saw,
// and checks that some order of instants explains it: one settlement a delivery, by the newest lease.
func leaseHistory(r *rig) {
	const deliveries, members, turns = 6, 4, 25
	for _, id := range ids("m", deliveries) {
		r.apply(put(id, "g"))
	}
	var mu sync.Mutex
	history := map[string][]*deal{}
	var g errgroup.Group
	for m := range members {
		g.Go(func() error {
			for turn := range turns {
				q := request("g", 1)
				q.For, q.Wait = time.Duration(1+(m+turn)%4)*10*time.Millisecond, brief
				d := &deal{}
				d.granted.begin = clock.Now()
				got, err := r.d.Lease(r.ctx(), q)
				d.granted.end = clock.Now()
				if err != nil {
					return err
				}
				if len(got) == 0 {
					continue
				}
				mu.Lock()
				history[got[0].MessageID] = append(history[got[0].MessageID], d)
				mu.Unlock()
				if turn%3 > 0 { // work for longer than the lease, by the engine's own clock
					if _, err := r.d.Read(r.ctx(), &driver.ReadRequest{Tenant: tenant, Log: "nothing ever", Max: 1, Wait: 2 * brief}); err != nil {
						return err
					}
				}
				if turn < 5 {
					continue // walk away: the lease runs out
				}
				d.tried = true
				d.settled.begin = clock.Now()
				res, err := r.d.Commit(r.ctx(), []*driver.Batch{done(got[0].Token)})
				d.settled.end = clock.Now()
				if err != nil {
					return err
				}
				d.applied = res[0].Applied
				if !d.applied && semabus.ReasonOf(res[0].Failed) != semabus.ReasonStaleLease {
					return fmt.Errorf("settle: %+v", res[0])
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	for id, deals := range history {
		if fault := explain(deals); fault != "" {
			r.t.Errorf("%s: %s", id, fault)
		}
	}
}

// explain returns what no order of instants can explain about one delivery, or "".
func explain(deals []*deal) string {
	var won *deal
	for _, d := range deals {
		if d.applied && won != nil {
			return "it was settled twice"
		}
		if d.applied {
			won = d
		}
	}
	if won == nil {
		return ""
	}
	for _, d := range deals {
		if d == won {
			continue
		}
		if d.granted.begin.After(won.settled.end) {
			return "it was granted after it had been settled"
		}
		if d.granted.begin.After(won.granted.end) && d.granted.end.Before(won.settled.begin) {
			return "an older lease settled it after a newer one had been granted"
		}
	}
	return ""
}
