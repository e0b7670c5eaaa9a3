package broker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// Options configure [New]. The zero value is usable.
type Options struct {
	Clock           semabus.Clock  // nil = the machine's clock
	Logger          *slog.Logger   // nil = discard
	DedupWindow     time.Duration  // how long op ids and dedup keys are kept; 0 = [semabus.DefaultDedupWindow]
	MaxMessageBytes int            // bound of one encoded message in bytes; 0 = [semabus.MaxMessageBytes]
	Random          func() float64 // in [0, 1), safe for concurrent use: the jitter of retries; nil = the runtime's generator
	Observer        Observer       // nil = none
}

// Observer hears what the broker did; internal/node turns it into metrics. Its methods are called on the hot path and must
// neither block nor keep what they are given.
type Observer interface {
	// Committed is told of each call of the engine's Commit: batches, encoded bytes and the time it took.
	Committed(batches, bytes int, took time.Duration)
	// Leased is told of granted deliveries.
	Leased(tenant, group string, n int)
	// Settled is told of applied settlements; deadLetter is the reason when the delivery ended in the dead-letter queue.
	Settled(outcome semabus.SettleOutcome, deadLetter string)
}

// Broker is the portable broker over one engine. It is safe for concurrent use.
type Broker struct {
	d    driver.Driver
	caps driver.Caps
	o    Options
}

// New wraps an engine. It starts nothing and fails with INVALID_ARGUMENT on a missing engine or a negative option.
func New(d driver.Driver, o Options) (*Broker, error) {
	var f faults
	if d == nil {
		f.add(semabus.ReasonRequired, "driver", "", "", "open an engine first")
	}
	if o.DedupWindow < 0 {
		f.add(semabus.ReasonInvalidValue, "dedupWindow", "0 or more", o.DedupWindow.String(), "give a positive duration")
	}
	if o.MaxMessageBytes < 0 {
		f.add(semabus.ReasonInvalidValue, "maxMessageBytes", "0 or more", "", "give a positive number of bytes")
	}
	if err := f.err("broker.New"); err != nil {
		return nil, err
	}
	return &Broker{d: d, caps: d.Caps(), o: o.withDefaults()}, nil
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = semabus.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.DedupWindow == 0 {
		o.DedupWindow = semabus.DefaultDedupWindow
	}
	if o.MaxMessageBytes == 0 {
		o.MaxMessageBytes = semabus.MaxMessageBytes
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return o
}

// Caps says what the engine can do.
func (b *Broker) Caps() driver.Caps { return b.caps }

// Run does the engine's background work until ctx ends and returns after everything it started has ended.
func (b *Broker) Run(ctx context.Context) error { return b.d.Run(ctx) }

// nobody is the observer of those who want none.
type nobody struct{}

func (nobody) Committed(int, int, time.Duration)     {}
func (nobody) Leased(string, string, int)            {}
func (nobody) Settled(semabus.SettleOutcome, string) {}
