package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// Options are the arguments of a run.
type Options struct {
	Publishers int     `json:"publishers"` // each with a numbered stream of its own
	Window     int     `json:"window"`     // messages of one publisher that wait for their ack
	Groups     int     `json:"groups"`     // consumer groups, one member each
	Intents    int     `json:"intents"`    // dealt out to the groups
	Size       int     `json:"size"`       // of a message's text, about, bytes
	Seconds    float64 `json:"seconds"`    // measured, after the warm-up
	Rate       float64 `json:"rate"`       // messages a second of all publishers; 0 = as fast as they can
}

// Result is what a run measured. Latencies are those of messages sent in the measured time; with a rate they count from
// when the message was due, so that a stall is not hidden by the messages it kept from being sent.
type Result struct {
	Options
	PublishedPerS float64  `json:"published_per_s"` // acknowledged: decided and durable
	DeliveredPerS float64  `json:"delivered_per_s"` // handed to consumers
	AckP50        float64  `json:"ack_p50_ms"`
	AckP99        float64  `json:"ack_p99_ms"`
	E2EP50        float64  `json:"e2e_p50_ms"` // publish call to the consumer's handler
	E2EP99        float64  `json:"e2e_p99_ms"`
	CPU           *float64 `json:"cpu_us_per_msg"` // of the node, for each published message with its deliveries; null = unknown
	RSS           *float64 `json:"rss_mib"`        // of the node, at the end of the measured time; null = unknown
	Errors        int64    `json:"errors"`         // publishes and deliveries that failed, and deliveries that never came
}

// WriteJSON writes the result as one line.
func (r *Result) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// WriteText writes the result for people.
func (r *Result) WriteText(w io.Writer) error {
	unknown := func(v *float64) string {
		if v == nil {
			return "unknown"
		}
		return strconv.FormatFloat(*v, 'f', -1, 64)
	}
	_, err := fmt.Fprintf(w, `%d publishers, window %d, %d intents in %d groups, %d bytes, %g s
published/s   %10.0f
delivered/s   %10.0f
ack p50 ms    %10.2f
ack p99 ms    %10.2f
e2e p50 ms    %10.2f
e2e p99 ms    %10.2f
cpu µs a msg  %10s
rss MiB       %10s
errors        %10d
`, r.Publishers, r.Window, r.Intents, r.Groups, r.Size, r.Seconds, r.PublishedPerS, r.DeliveredPerS, r.AckP50, r.AckP99,
		r.E2EP50, r.E2EP99, unknown(r.CPU), unknown(r.RSS), r.Errors)
	return err
}

func milliseconds(d time.Duration) float64 { return rounded(float64(d.Nanoseconds())/1e6, 3) }

// rounded keeps the digits that mean something.
func rounded(v float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}
