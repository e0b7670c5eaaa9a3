package contest

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/peer"
)

// Gate is what a ratio must reach, and what it is meant to reach.
type Gate struct{ Least, Aim float64 }

// Gates are those of semabus's rate over each peer's.
func Gates() map[string]Gate {
	return map[string]Gate{
		peer.JetStreamAlways:  {8, 12},
		peer.RedisAlways:      {1, 1.5},
		peer.JetStreamDefault: {0.8, 1},
	}
}

// Result is what a contest measured. What was left out is nil. Rates are medians over the rounds, ratios those of the
// medians, and times the medians of the rounds' quantiles.
type Result struct {
	Publishers          int                `json:"publishers"`
	Window              int                `json:"window"`
	Size                int                `json:"size"`
	Rounds              int                `json:"rounds"`
	Seconds             float64            `json:"seconds"`
	Semabus             *float64           `json:"semabus_per_s"`
	JetStreamAlways     *float64           `json:"jetstream_always_per_s"`
	JetStreamDefault    *float64           `json:"jetstream_default_per_s"`
	RedisAlways         *float64           `json:"redis_always_per_s"`
	OverJetStreamAlways *float64           `json:"ratio_jetstream_always"`
	OverRedisAlways     *float64           `json:"ratio_redis_always"`
	OverJetStreamDeflt  *float64           `json:"ratio_jetstream_default"`
	P50                 map[string]float64 `json:"p50_ms"`
	P99                 map[string]float64 `json:"p99_ms"`
	CPU                 map[string]float64 `json:"cpu_us_per_msg"` // of the server
	Connections         int                `json:"connections"`
	Intents             int                `json:"intents"`
	SyncTime            float64            `json:"fsync_ms"` // of 4 KiB on the disk that was measured on
	Held                bool               `json:"held"`     // every gate that could be checked is met

	rates map[string]meter.Spread
	peers []string
}

// NewResult sums up what the rounds measured, by peer.
func NewResult(o Options, rounds map[string][]Round) *Result {
	r := &Result{
		Publishers: o.Publishers, Window: o.Window, Size: o.Size, Rounds: o.Rounds, Seconds: o.Seconds, Connections: o.Lines(),
		Intents: o.Intents, P50: map[string]float64{}, P99: map[string]float64{}, CPU: map[string]float64{}, Held: true,
		rates: map[string]meter.Spread{}, peers: o.Peers,
	}
	perS := map[string]**float64{peer.Semabus: &r.Semabus, peer.JetStreamAlways: &r.JetStreamAlways,
		peer.JetStreamDefault: &r.JetStreamDefault, peer.RedisAlways: &r.RedisAlways}
	for name, all := range rounds {
		of := func(value func(Round) float64) meter.Spread {
			var values []float64
			for _, one := range all {
				values = append(values, value(one))
			}
			return meter.Of(values)
		}
		r.rates[name] = of(func(x Round) float64 { return x.PerS })
		rate := meter.Rounded(r.rates[name].Median, 1)
		*perS[name] = &rate
		r.P50[name] = meter.Rounded(of(func(x Round) float64 { return meter.Milliseconds(x.P50) }).Median, 3)
		r.P99[name] = meter.Rounded(of(func(x Round) float64 { return meter.Milliseconds(x.P99) }).Median, 3)
		r.CPU[name] = meter.Rounded(of(func(x Round) float64 { return float64(x.CPU) / float64(time.Microsecond) }).Median, 1)
	}
	for name, into := range map[string]**float64{peer.JetStreamAlways: &r.OverJetStreamAlways, peer.RedisAlways: &r.OverRedisAlways,
		peer.JetStreamDefault: &r.OverJetStreamDeflt} {
		if ratio, ok := r.Over(name); ok {
			*into = &ratio
			r.Held = r.Held && ratio >= Gates()[name].Least
		}
	}
	return r
}

// Over is semabus's rate over a peer's; false when one of them was left out.
func (r *Result) Over(name string) (float64, bool) {
	own, ok := r.rates[peer.Semabus]
	other, both := r.rates[name]
	if !ok || !both || name == peer.Semabus || other.Median <= 0 {
		return 0, false
	}
	return meter.Rounded(own.Median/other.Median, 3), true
}

// WriteText prints the table.
func (r *Result) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, `%d publishers over %d connections, window %d, %d bytes, %d rounds of %g s; semabus decides over %d intents
one durable write of 4 KiB takes this disk %.2f ms

%-18s %12s %23s %9s %9s %9s %9s %6s %6s  %s
`, r.Publishers, r.Connections, r.Window, r.Size, r.Rounds, r.Seconds, r.Intents, r.SyncTime,
		"", "published/s", "min … max", "p50 ms", "p99 ms", "cpu µs", "semabus ÷", "gate", "aim", "")
	if err != nil {
		return err
	}
	for _, name := range peer.Names() {
		if slices.Contains(r.peers, name) {
			if err := r.writeLine(w, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Result) writeLine(w io.Writer, name string) error {
	s := r.rates[name]
	_, err := fmt.Fprintf(w, "%-18s %12.0f %23s %9.2f %9.2f %9.1f", name, s.Median, fmt.Sprintf("%.0f … %.0f", s.Min, s.Max),
		r.P50[name], r.P99[name], r.CPU[name])
	if err != nil {
		return err
	}
	if ratio, ok := r.Over(name); ok {
		g, verdict := Gates()[name], "below the gate"
		switch {
		case ratio >= g.Aim:
			verdict = "aim reached"
		case ratio >= g.Least:
			verdict = "gate met"
		}
		_, err = fmt.Fprintf(w, " %9.2f %6g %6g  %s", ratio, g.Least, g.Aim, verdict)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w)
	return err
}

// WriteJSON prints one line.
func (r *Result) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }
