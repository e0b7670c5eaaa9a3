package brokertest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func linearCases() []testCase {
	return []testCase{{"Fence/Linearizable", nil, linearizable}}
}

// action is what a worker did to one delivery, with a token, and verdict what the engine said.
type (
	action  byte
	verdict byte
)

const (
	leases action = iota
	settles
	requeues
	givesBack
	drops
)

const (
	applied verdict = iota
	stale
	already
	notFound
)

// touched is the input of one operation on one delivery.
type touched struct {
	id     string
	action action
	token  int
}

// held is the state of one delivery: the token that holds it, or that settled it. 0 = nobody.
type held struct {
	token   int
	settled bool
}

// fencing is what leases promise of one delivery: one holder at a time, only the holder ends its lease, and only once.
var fencing = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, o := range history {
			id := o.Input.(touched).id //nolint:forcetypeassert // all of them are
			by[id] = append(by[id], o)
		}
		out := make([][]porcupine.Operation, 0, len(by))
		for _, ops := range by {
			out = append(out, ops)
		}
		return out
	},
	Init: func() any { return held{} },
	Step: func(state, input, output any) (bool, any) {
		return state.(held).step(input.(touched), output.(verdict)) //nolint:forcetypeassert // all of them are
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " → ", output) },
}

// step says whether the engine may answer so in this state, and what follows.
func (h held) step(in touched, out verdict) (bool, held) {
	mine := h.token == in.token && h.token != 0
	switch {
	case in.action == leases:
		return h.token == 0 && !h.settled, held{token: in.token}
	case in.action == drops && out == applied:
		return !h.settled, held{settled: true}
	case in.action == drops:
		return h.settled, h
	case out == applied && in.action == settles:
		return mine && !h.settled, held{token: in.token, settled: true}
	case out == applied:
		return mine && !h.settled, held{}
	case out == already:
		return mine && h.settled && in.action != givesBack, h
	}
	return !mine || h.settled && in.action == givesBack, h // stale
}

// recorder keeps the history of all workers.
type recorder struct {
	start  time.Time
	mu     sync.Mutex
	ops    []porcupine.Operation
	tokens [][]byte // by the history's number of a token, from 1
	ids    []string // whose they are
}

func (c *recorder) now() int64 { return clock.Now().Sub(c.start).Nanoseconds() }

func (c *recorder) add(client int, in touched, out verdict, begin, end int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = append(c.ops, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: begin, Return: end})
}

// granted numbers the token of a new lease.
func (c *recorder) granted(l *driver.Leased) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens, c.ids = append(c.tokens, l.Token), append(c.ids, l.MessageID)
	return len(c.tokens)
}

// pick is one of the newest tokens, whoever holds it.
func (c *recorder) pick(rnd *rand.Rand) (number int, token []byte, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tokens) == 0 {
		return 0, nil, ""
	}
	n := len(c.tokens) - 1 - rnd.IntN(min(len(c.tokens), 12))
	return n + 1, c.tokens[n], c.ids[n]
}

// linearizable lets workers lease, settle, return and drop a few deliveries with each other's tokens, all at once, and looks
// for an order of what happened that one delivery with one holder explains.
func linearizable(r *rig) {
	seed := uint64(clock.Now().UnixNano()) //nolint:gosec // any number does
	r.t.Logf("seed %d", seed)
	const deliveries, workers, each = 24, 6, 60
	for _, id := range ids("m", deliveries) {
		r.apply(put(id, "g"))
	}
	c := &recorder{start: clock.Now()}
	var g errgroup.Group
	for w := range workers {
		rnd := rand.New(rand.NewPCG(seed, uint64(w))) //nolint:gosec // a test
		g.Go(func() error {
			for range each {
				if err := r.touch(c, w, rnd); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Fatal(err)
	}
	for _, ops := range fencing.Partition(c.ops) {
		if porcupine.CheckOperationsTimeout(fencing, ops, time.Minute) != porcupine.Illegal {
			continue
		}
		slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		for _, o := range ops {
			r.t.Logf("%8d–%8d worker %d: %s → %s", o.Call, o.Return, o.ClientId, o.Input, o.Output)
		}
		r.t.Fatalf("no order of these %d operations keeps one holder of the delivery", len(ops))
	}
}

// touch does one random thing and records it.
func (r *rig) touch(c *recorder, client int, rnd *rand.Rand) error {
	if rnd.IntN(3) == 0 {
		begin := c.now()
		got, err := r.d.Lease(r.ctx(), request("g", 1))
		if err != nil || len(got) == 0 {
			return err
		}
		end := c.now() // before anybody else can know the token
		c.add(client, touched{got[0].MessageID, leases, c.granted(&got[0])}, applied, begin, end)
		return nil
	}
	number, token, id := c.pick(rnd)
	if number == 0 {
		return nil
	}
	if rnd.IntN(4) == 0 {
		begin := c.now()
		err := r.d.Renew(r.ctx(), tenant, []driver.Renewal{{Token: token}})[0]
		c.add(client, touched{id, givesBack, number}, said(err), begin, c.now())
		return nil
	}
	in, b := touched{id, settles, number}, done(bytes.Clone(token))
	switch rnd.IntN(8) {
	case 0, 1, 2, 3, 4:
		in.action, b = requeues, back(token, 0, rnd.IntN(2) == 0, "")
	case 5:
		in.action, b = drops, drop(id, "g")
	}
	begin := c.now()
	res, err := r.d.Commit(r.ctx(), []*driver.Batch{b})
	if err != nil {
		return err
	}
	out := said(res[0].Failed)
	if out == applied && !res[0].Applied {
		return fmt.Errorf("a settlement was neither applied nor refused: %+v", res[0])
	}
	c.add(client, in, out, begin, c.now())
	return nil
}

func said(err error) verdict {
	switch semabus.ReasonOf(err) {
	case semabus.ReasonStaleLease:
		return stale
	case semabus.ReasonAlreadySettled:
		return already
	case semabus.ReasonNotFound:
		return notFound
	}
	return applied
}

// String names an action in a history.
func (a action) String() string {
	return [...]string{"lease", "settle", "requeue", "give back", "drop"}[a]
}

// String names what an engine said.
func (v verdict) String() string {
	return [...]string{"applied", "stale", "already settled", "not found"}[v]
}

// String is one operation as a history shows it.
func (in touched) String() string {
	return in.action.String() + " " + in.id + " by token " + strconv.Itoa(in.token)
}
