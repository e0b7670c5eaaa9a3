package consume

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// ackNone leaves the leases as they are.
const ackNone = "none"

// fetchOptions are the flags of the command.
type fetchOptions struct {
	to         connect.Flags
	group, ack string
	fetch      client.FetchOptions
	asJSON     bool
}

// FetchCommand is `semabus fetch`.
func FetchCommand() *cobra.Command {
	var o fetchOptions
	cmd := &cobra.Command{
		Use:   "fetch --group G",
		Short: "Lease deliveries of a group once, and settle them now or later",
		Long: `Leases up to --max deliveries and prints them. With --ack they are settled at once; without, each has a token, with which
fetch settle ends it and fetch extend changes its term. What is neither settled nor extended comes again when its lease
ends. Where there is nothing, nothing is printed and the exit code is 0.`,
		Example: `  semabus fetch --group refunds --max 10 --wait 5s --ack done
  semabus fetch --group refunds --json
  semabus fetch --group '$unmatched' --max 100 --ack done`,
		Args: cobra.NoArgs,
		RunE: o.run,
	}
	f := cmd.Flags()
	f.StringVar(&o.group, "group", "", "consumer group (required)")
	f.IntVar(&o.fetch.Max, "max", 1, "deliveries, 1–1000")
	f.DurationVar(&o.fetch.Wait, "wait", 0, "for the first delivery, at most 60s")
	f.DurationVar(&o.fetch.Lease, "lease", 0, "term of the leases; 0 = the group's")
	f.StringVar(&o.fetch.Member, "member", "", "name of this member, for stats and why")
	f.StringVar(&o.ack, "ack", ackNone, "how to settle what was printed: "+ackNone+", "+outcomeNames())
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object a delivery")
	o.to.Bind(cmd)
	cobra.CheckErr(cmd.MarkFlagRequired("group"))
	cmd.AddCommand(settleCommand(), extendCommand())
	return cmd
}

func (o *fetchOptions) run(cmd *cobra.Command, _ []string) error {
	if o.fetch.Max < 1 {
		return fault.Usage("--max", strconv.Itoa(o.fetch.Max), "give 1 to 1000")
	}
	var end semabus.SettleOutcome
	if o.ack != ackNone {
		var err error
		if end, err = outcome("--ack", o.ack); err != nil {
			return err
		}
	}
	ctx := cmd.Context()
	c, err := o.to.Dial(ctx)
	if err != nil {
		return err
	}
	defer connect.End(c)
	all, err := c.Fetch(ctx, o.group, o.fetch)
	if err != nil {
		return err
	}
	p := &printer{out: cmd.OutOrStdout(), json: o.asJSON}
	settlements := make([]semabus.Settlement, len(all))
	for i := range all {
		if err := p.delivery(&all[i], o.ack == ackNone); err != nil {
			return err
		}
		settlements[i] = semabus.Settlement{Token: all[i].Lease.Token, Outcome: end}
	}
	if o.ack == ackNone || len(all) == 0 {
		return nil
	}
	results, err := c.Settle(ctx, settlements...)
	if err != nil {
		return err
	}
	return failures(results)
}

func failures(results []client.SettleResult) error {
	errs := make([]error, len(results))
	for i, r := range results {
		errs[i] = r.Err
	}
	return errors.Join(errs...)
}

// encodeToken is a lease's token for people and arguments.
func encodeToken(token []byte) string { return base64.StdEncoding.EncodeToString(token) }

// Token reads a token in any form of base64.
func Token(text string) ([]byte, error) {
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	token, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil || len(token) == 0 {
		return nil, fault.Usage("TOKEN", text, "give the token that fetch printed")
	}
	return token, nil
}

func decodeTokens(args []string) ([][]byte, error) {
	tokens := make([][]byte, len(args))
	for i, a := range args {
		t, err := Token(a)
		if err != nil {
			return nil, err
		}
		tokens[i] = t
	}
	return tokens, nil
}

// settleOptions are the flags of `fetch settle`.
type settleOptions struct {
	to                      connect.Flags
	outcome, opID, err      string
	output, outputTo, topic string
	retryAfter              time.Duration
	asJSON                  bool
}

func settleCommand() *cobra.Command {
	var o settleOptions
	cmd := &cobra.Command{
		Use:   "settle TOKEN…",
		Short: "End fetched deliveries",
		Long: `Ends each delivery as --outcome says, together with a message of --output in the same commit. A token whose delivery was
leased again since is refused: STALE_LEASE, exit code 1. Repeating it under the same --op-id repeats the answer, not the
effect.`,
		Example: `  semabus fetch settle TOKEN
  semabus fetch settle TOKEN --outcome retry --error "the printer is out of paper" --retry-after 1m
  semabus fetch settle TOKEN --output "refunded" --output-to billing --op-id refund-4711`,
		Args: cobra.MinimumNArgs(1),
		RunE: o.run,
	}
	f := cmd.Flags()
	f.StringVar(&o.outcome, "outcome", "done", outcomeNames())
	f.StringVar(&o.opID, "op-id", "", "idempotence key; with one TOKEN only")
	f.StringVar(&o.err, "error", "", "what went wrong")
	f.DurationVar(&o.retryAfter, "retry-after", 0, "for retry and throttled; 0 = the group's policy")
	f.StringVar(&o.output, "output", "", "text of a message to publish in the same commit")
	f.StringVar(&o.outputTo, "output-to", "", "group or reply address that gets it")
	f.StringVar(&o.topic, "output-topic", "", "topic that it has")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object a token")
	o.to.Bind(cmd)
	return cmd
}

func (o *settleOptions) run(cmd *cobra.Command, args []string) error {
	end, err := outcome("--outcome", o.outcome)
	if err != nil {
		return err
	}
	tokens, err := decodeTokens(args)
	if err != nil {
		return err
	}
	if o.opID != "" && len(tokens) > 1 {
		return fault.Usage("--op-id", o.opID, "settle one token at a time under an op id")
	}
	settlements := make([]semabus.Settlement, len(tokens))
	for i, t := range tokens {
		settlements[i] = semabus.Settlement{Token: t, Outcome: end, OpID: o.opID, Error: o.err, RetryAfter: o.retryAfter}
		if o.output != "" {
			settlements[i].Outputs = []*semabus.Message{{Text: o.output, To: o.outputTo, Topic: o.topic}}
		}
	}
	ctx := cmd.Context()
	c, err := o.to.Dial(ctx)
	if err != nil {
		return err
	}
	defer connect.End(c)
	results, err := c.Settle(ctx, settlements...)
	if err != nil {
		return err
	}
	return o.print(cmd, args, results)
}

// Settled is one line of `fetch settle --json`.
type Settled struct {
	Token     string         `json:"token"`
	Duplicate bool           `json:"duplicate"`
	Outputs   []view.Receipt `json:"outputs"`
}

func (o *settleOptions) print(cmd *cobra.Command, args []string, results []client.SettleResult) error {
	for i, r := range results {
		if r.Err != nil {
			continue
		}
		v := Settled{Token: args[i], Duplicate: r.Settled.Duplicate, Outputs: make([]view.Receipt, len(r.Settled.Outputs))}
		for j, out := range r.Settled.Outputs {
			v.Outputs[j] = view.NewReceipt(out)
		}
		if o.asJSON {
			if err := output.JSON(cmd.OutOrStdout(), v); err != nil {
				return err
			}
			continue
		}
		line := "settled " + o.outcome
		if v.Duplicate {
			line += " (was already)"
		}
		for _, out := range v.Outputs {
			line += "; " + out.ID + " to " + output.Or(strings.Join(out.Groups, ", "))
		}
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	return failures(results)
}

func extendCommand() *cobra.Command {
	var to connect.Flags
	var term time.Duration
	cmd := &cobra.Command{
		Use:   "extend TOKEN…",
		Short: "Change the remaining term of fetched leases, or give them back",
		Example: `  semabus fetch extend TOKEN --for 5m
  semabus fetch extend TOKEN --for 0s`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			tokens, err := decodeTokens(args)
			if err != nil {
				return err
			}
			extensions := make([]client.Extension, len(tokens))
			for i, t := range tokens {
				extensions[i] = client.Extension{Token: t, For: term}
			}
			return extend(cmd.Context(), &to, extensions)
		},
	}
	cmd.Flags().DurationVar(&term, "for", 30*time.Second, "from now; 0s gives the delivery back without costing an attempt")
	to.Bind(cmd)
	return cmd
}

func extend(ctx context.Context, to *connect.Flags, extensions []client.Extension) error {
	c, err := to.Dial(ctx)
	if err != nil {
		return err
	}
	defer connect.End(c)
	errs, err := c.Extend(ctx, extensions...)
	return errors.Join(append(errs, err)...)
}
