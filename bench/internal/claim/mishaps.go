package claim

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/relay"
)

// What goes wrong, by the name under which it is counted.
const (
	kills       = "kills"        // of the node, by SIGKILL; it starts again on its data
	stops       = "stops"        // of the node, by SIGSTOP, for a while
	stalls      = "stalls"       // of a worker's connection, for longer than its leases
	cuts        = "cuts"         // of a connection, by a reset
	lostAnswers = "lost_answers" // requests arrive, answers do not, then the connection is cut
)

const mishapLook = time.Millisecond

// mishaps make things go wrong, each when so many tasks have been started, in an order of the seed. Tasks are sent no further
// than to the next one, so that each happens while work goes on.
type mishaps struct {
	e       Env
	node    *node.Node
	started *atomic.Int64
	tasks   int
	rand    *rand.Rand
	relays  []*relay.Relay // of the senders, and of each worker

	left []string       // kinds, in order
	done map[string]int // by kind; of run, until it has ended
	sent atomic.Int64   // tasks may be sent up to here
	all  atomic.Bool    // everything has gone wrong that was to
}

func newMishaps(o Options, e Env, n *node.Node, started *atomic.Int64) (*mishaps, error) {
	m := &mishaps{e: e, node: n, started: started, tasks: o.Tasks, rand: rand.New(rand.NewPCG(o.Seed, 2)), done: map[string]int{}}
	for range 1 + taskWorkers {
		r, err := relay.Listen(e.Clock, n.GRPC)
		if err != nil {
			m.close()
			return nil, err
		}
		m.relays = append(m.relays, r)
	}
	for _, kind := range []string{kills, stops, stalls, cuts, lostAnswers} {
		m.done[kind] = 0
		m.left = append(m.left, slices.Repeat([]string{kind}, o.Kills)...)
	}
	m.rand.Shuffle(len(m.left), func(i, j int) { m.left[i], m.left[j] = m.left[j], m.left[i] })
	m.sent.Store(m.place(0))
	return m, nil
}

// place is how many tasks have been started when the i-th thing goes wrong.
func (m *mishaps) place(i int) int64 { return int64(m.tasks) * int64(i+1) / int64(len(m.left)+1) }

func (m *mishaps) close() {
	for _, r := range m.relays {
		r.Close()
	}
}

// over reports whether everything has gone wrong that was to.
func (m *mishaps) over() bool { return m.all.Load() }

// run makes one thing after the other go wrong, spread over the tasks.
func (m *mishaps) run(ctx context.Context) error {
	for i, kind := range m.left {
		m.sent.Store(m.place(i + 1))
		for m.started.Load() < m.place(i) {
			if !meter.Wait(ctx, m.e.Clock, mishapLook) {
				return ctx.Err()
			}
		}
		if err := m.happen(ctx, kind); err != nil {
			return err
		}
		m.done[kind]++
		m.e.sayf("%s %d, %d tasks started", kind, m.done[kind], m.started.Load())
	}
	m.all.Store(true)
	return nil
}

func (m *mishaps) happen(ctx context.Context, kind string) error {
	one := m.relays[m.rand.IntN(len(m.relays))]
	switch kind {
	case kills:
		m.node.Kill()
		return m.node.Restart(ctx)
	case stops:
		m.node.Process().Pause()
		defer m.node.Process().Resume()
		m.pause(ctx, 200*time.Millisecond, 1500*time.Millisecond)
	case stalls:
		one = m.relays[1+m.rand.IntN(taskWorkers)]
		one.Freeze()
		defer one.Thaw()
		m.pause(ctx, taskLease*5/4, taskLease*7/4)
	case cuts:
		one.Cut(true)
		m.pause(ctx, 0, 300*time.Millisecond)
		return one.Restore(ctx)
	case lostAnswers:
		one.Mute()
		m.pause(ctx, 20*time.Millisecond, 200*time.Millisecond)
		one.Cut(false)
		return one.Restore(ctx)
	}
	return ctx.Err()
}

// pause lets a random time pass.
func (m *mishaps) pause(ctx context.Context, from, to time.Duration) {
	meter.Wait(ctx, m.e.Clock, from+time.Duration(m.rand.Int64N(int64(to-from))))
}
