package peer

import (
	"context"
	"sync/atomic"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/workload"
)

// Options say what publishers do; they are the same for every peer.
type Options struct {
	Publishers  int // at once
	Connections int // shared by the publishers, dealt out in turn; 0 = one for each
	Window      int // messages of one publisher that wait for their acknowledgement
	Intents     int // that semabus decides each message over; also how many wishes the texts are about
	Size        int // of a message, about, bytes
}

// Lines is how many connections there are.
func (o Options) Lines() int {
	if o.Connections == 0 {
		return o.Publishers
	}
	return min(o.Connections, o.Publishers)
}

// Load is the traffic of one run. It is safe for concurrent use.
type Load struct {
	Options
	Stretch *meter.Stretch // the measured part; opened and closed by whoever drives the run

	acks    []*meter.Tally // one a publisher
	sent    atomic.Uint64  // numbers messages
	stopped atomic.Bool
}

// NewLoad is traffic that begins now.
func NewLoad(o Options, clock semabus.Clock) *Load {
	l := &Load{Options: o, Stretch: meter.NewStretch(clock)}
	for range o.Publishers {
		l.acks = append(l.acks, &meter.Tally{})
	}
	return l
}

// Stop ends the publishers after what they have sent.
func (l *Load) Stop() { l.stopped.Store(true) }

// Acked is how long the acknowledgements of messages took that were sent in the measured time, and how many
// acknowledgements came in it.
func (l *Load) Acked() (took *meter.Histogram, n uint64) { return meter.Sum(l.acks) }

// Source is what one publisher sends. Next is for one goroutine.
type Source struct {
	load  *Load
	acks  *meter.Tally
	texts *workload.Texts
}

// Source is what publisher i sends: the same texts in every run.
func (l *Load) Source(i int) *Source {
	return &Source{load: l, acks: l.acks[i], texts: workload.NewTexts(uint64(i), l.Intents, l.Size)}
}

// Next is the next message, with the time from which its latency counts; false ends the publisher. The text is overwritten
// by the next call.
func (s *Source) Next(ctx context.Context) (text []byte, sent time.Duration, ok bool) {
	if s.load.stopped.Load() || ctx.Err() != nil {
		return nil, 0, false
	}
	text = s.texts.Next(s.load.sent.Add(1))
	return text, s.load.Stretch.Now(), true
}

// Acked counts the acknowledgement of a message. Safe for concurrent use.
func (s *Source) Acked(sent time.Duration) {
	s.acks.Happened(s.load.Stretch, sent, s.load.Stretch.Now())
}
