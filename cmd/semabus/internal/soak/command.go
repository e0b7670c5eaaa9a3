package soak

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
)

// target is the node of a command and the state file that goes with it.
type target struct {
	node  connect.Flags
	state string
}

func (t *target) bind(cmd *cobra.Command) {
	t.node.Bind(cmd)
	cmd.Flags().StringVar(&t.state, "state", "",
		"file that remembers what was acknowledged; default: one for each address in the user's cache folder")
}

// open is a client of the node, which must be there now; a patient one outlives its kills.
func (t *target) open(ctx context.Context, patient bool) (*client.Client, error) {
	t.state = cmp.Or(t.state, statePath(t.node.Target()))
	c, err := t.node.Dial(ctx)
	if err != nil || !patient {
		return c, err
	}
	_, err = c.Info(ctx)
	connect.End(c)
	if err != nil {
		return nil, err
	}
	return t.node.DialPatient(ctx, nil)
}

func (o *Options) bind(cmd *cobra.Command) {
	cmd.Flags().IntVar(&o.Messages, "messages", 100_000, "jobs to publish")
	cmd.Flags().Float64Var(&o.Rate, "rate", 1_600, "jobs a second; 0 = as fast as the node takes them")
}

func (o *Options) validate() error {
	if o.Messages < 1 || o.Messages > maxMessages {
		return bounds("--messages", strconv.Itoa(o.Messages), "1–100,000,000")
	}
	if !(o.Rate >= 0 && o.Rate <= 1e9) { // also not a number
		return bounds("--rate", fmt.Sprint(o.Rate), "0–1e9 a second")
	}
	return nil
}

func bounds(flag, value, limit string) error {
	e := fault.Usage(flag, value, "choose another value")
	e.Limit = limit
	return e
}

// Command is `semabus soak`.
func Command() *cobra.Command {
	var t target
	var o Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Put a node under traffic while you kill it, and count afterwards what it lost",
		Long: `Publishes jobs by address, by topic and in plain words, consumes them and settles each together with one output to a sink
group. Kill the node with SIGKILL as often as you like meanwhile and start it again on the same data and port: soak goes on.
When it has ended, semabus soak verify counts. semabus soak run does all of it with a node of its own.`,
		Example: `  semabus soak --addr 127.0.0.1:7420 --messages 100000
  semabus soak verify --addr 127.0.0.1:7420
  semabus soak run --messages 100000 --kills 3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			c, err := t.open(cmd.Context(), true)
			if err != nil {
				return err
			}
			defer connect.End(c)
			run := newTraffic(o, c, t.state, &progress{to: cmd.ErrOrStderr()}, semabus.SystemClock{})
			if err := run.save(); err != nil && !cmd.Flags().Changed("state") {
				run.sayf("no state file, so that verify must trust the node's ledger: %v", err)
				run.state = ""
			}
			r, err := run.play(cmd.Context())
			if err != nil {
				return err
			}
			return report(cmd.OutOrStdout(), r, asJSON)
		},
	}
	t.bind(cmd)
	o.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.AddCommand(verifyCommand(), runCommand())
	return cmd
}

// report prints what the publisher's side knows.
func report(w io.Writer, r Record, asJSON bool) error {
	acked := 0
	for _, list := range r.Acked {
		for _, s := range list {
			acked += s.Until - s.From
		}
	}
	if asJSON {
		return output.JSON(w, struct {
			Run         string `json:"run"`
			Acked       int    `json:"acked"`
			Delivered   int64  `json:"delivered"`
			Disconnects int64  `json:"disconnects_seen"`
		}{r.Run, acked, r.Delivered, r.Disconnects})
	}
	_, err := fmt.Fprintf(w, "run %s: %d acknowledged, %d deliveries, %d disconnects seen; now run semabus soak verify\n",
		r.Run, acked, r.Delivered, r.Disconnects)
	return err
}

func verifyCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Count, after soak has ended, what was lost, doubled or reordered",
		Long: `Reads the ledger and the sink of the node and prints one JSON object. Exit code 1 unless missing, duplicate_effects and
reordered are 0. It gives back what it reads and may be repeated.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.open(cmd.Context(), false)
			if err != nil {
				return err
			}
			defer connect.End(c)
			v, faults, err := verify(cmd.Context(), c, semabus.SystemClock{}, t.state)
			if err != nil {
				return err
			}
			for _, f := range faults {
				fmt.Fprintln(cmd.ErrOrStderr(), "soak verify:", f)
			}
			return conclude(cmd.OutOrStdout(), v)
		},
	}
	t.bind(cmd)
	cmd.Flags().Bool("json", true, "always so: the verdict is one JSON object")
	return cmd
}

// conclude prints the verdict, which also says what failed.
func conclude(w io.Writer, v Verdict) error {
	if err := output.JSON(w, v); err != nil {
		return err
	}
	if !v.Held() {
		return fault.ErrChecks
	}
	return nil
}

func runCommand() *cobra.Command {
	s := siege{clock: semabus.SystemClock{}}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Soak a node of its own, kill it under load, and verify in a second process",
		Long: `Starts a node with a temporary data folder, plays the traffic of semabus soak, kills the node with SIGKILL at random moments
and starts it again on the same data and port. Then a second process counts; its verdict is the last line, and the exit code
is 1 unless missing, duplicate_effects and reordered are 0.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.o.validate(); err != nil {
				return err
			}
			if s.kills < 0 || s.kills > s.o.Messages/100 {
				return bounds("--kills", strconv.Itoa(s.kills), "0 to a hundredth of --messages")
			}
			if s.seed == 0 {
				s.seed = rand.Uint64()
			}
			s.progress = &progress{to: cmd.ErrOrStderr()}
			began := s.clock.Now()
			v, err := s.run(cmd.Context())
			if err != nil {
				return err
			}
			if !asJSON {
				fmt.Fprintf(cmd.OutOrStdout(), "%d messages, %d kills, seed %d, %.0f s\n",
					s.o.Messages, s.kills, s.seed, s.clock.Now().Sub(began).Seconds())
			}
			if err := conclude(cmd.OutOrStdout(), v); err != nil {
				return err
			}
			return s.met(v)
		},
	}
	s.o.bind(cmd)
	cmd.Flags().IntVar(&s.kills, "kills", 3, "how often the node is killed")
	cmd.Flags().Uint64Var(&s.seed, "seed", 0, "of the moments at which it is killed; 0 = a random one, printed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the verdict only")
	return cmd
}
