package bench

import (
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
)

// Command is `semabus bench`.
func Command() *cobra.Command {
	r := &runner{clock: semabus.SystemClock{}}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure throughput and latency of a node under load",
		Long: `Registers intents in plain words, subscribes a consumer to every group, publishes messages that each must be decided
by their text, and prints what publishers and consumers saw. Without --addr it starts a node of its own with a temporary
data folder; with --addr the tenant must have no intents yet, and has none afterwards.

Every message is decided and durable before it counts. With --window 1 each publisher waits for its ack before it sends
again. With --rate latencies count from when a message was due.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.o.validate(); err != nil {
				return err
			}
			r.own = !cmd.Flags().Changed("addr")
			if r.http == "" {
				r.http = besides(r.node.Target())
			}
			r.progress = cmd.ErrOrStderr()
			result, err := r.run(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return result.WriteJSON(cmd.OutOrStdout())
			}
			return result.WriteText(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	r.node.Bind(cmd)
	f.Lookup("addr").DefValue, f.Lookup("addr").Usage = "", "node to use, HOST:PORT; default: start one"
	f.StringVar(&r.http, "http", "", "HTTP address of the node at --addr, for its CPU and memory; default: the port after --addr's")
	f.IntVar(&r.o.Publishers, "publishers", 64, "publishers at once")
	f.IntVar(&r.o.Window, "window", 1, "messages of one publisher that may wait for their ack")
	f.IntVar(&r.o.Groups, "groups", 8, "consumer groups, one member each")
	f.IntVar(&r.o.Intents, "intents", 1000, "intents, dealt out to the groups")
	f.IntVar(&r.o.Size, "size", 256, "size of a message's text, about, bytes")
	f.Float64Var(&r.o.Seconds, "seconds", 10, "how long to measure, after a warm-up")
	f.Float64Var(&r.o.Rate, "rate", 0, "messages a second of all publishers together; 0 = as fast as they can")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// validate finds the first argument out of bounds.
func (o *Options) validate() error {
	for _, a := range []struct {
		flag     string
		value    float64
		min, max float64
	}{
		{"--publishers", float64(o.Publishers), 1, 4096},
		{"--window", float64(o.Window), 1, 1 << 20},
		{"--groups", float64(o.Groups), 1, 10_000},
		{"--intents", float64(o.Intents), 1, 1_000_000},
		{"--size", float64(o.Size), 1, semabus.MaxTextBytes - 1024},
		{"--seconds", o.Seconds, 0.1, 86_400},
		{"--rate", o.Rate, 0, 1e9},
	} {
		if !(a.value >= a.min && a.value <= a.max) { // also not a number
			return &semabus.Error{
				Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "bench", Field: a.flag,
				Value: fmt.Sprint(a.value), Limit: fmt.Sprintf("%g–%g", a.min, a.max), Fix: "choose another value",
			}
		}
	}
	if o.Groups > o.Intents {
		return &semabus.Error{
			Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "bench", Field: "--groups",
			Value: strconv.Itoa(o.Groups), Limit: "at most --intents", Fix: "give every group an intent",
		}
	}
	return nil
}

// besides is the address on the port after addr's: where a node with its default ports answers over HTTP.
func besides(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(n+1))
}
