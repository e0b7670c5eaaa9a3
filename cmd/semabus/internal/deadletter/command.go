package deadletter

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// Command is `semabus deadletter`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter",
		Short: "Look at what failed for good, and deliver it again",
		Long: `A delivery becomes a dead letter when its attempts are spent (ATTEMPTS_EXHAUSTED), its consumer called it POISON, nobody took it in
time (EXPIRED), its group's queue was full (OVERFLOW), or its chain of causes went in circles (LOOP). It is named by the message and
the group that gave up.`,
	}
	cmd.AddCommand(listCommand(), getCommand(), redriveCommand())
	return cmd
}

// selection is which letters, by flags.
type selection struct{ group, reason, filter, since, until string }

func (s *selection) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.group, "group", "", "only of this group")
	f.StringVar(&s.reason, "reason", "", "only with this reason: ATTEMPTS_EXHAUSTED, POISON, EXPIRED, OVERFLOW, LOOP")
	f.StringVar(&s.filter, "filter", "", `only messages for which this CEL expression holds, such as text.contains("refund")`)
	f.StringVar(&s.since, "since", "", "only those given up since a time (RFC 3339) or a duration ago, such as 2h")
	f.StringVar(&s.until, "until", "", "only those given up before a time or a duration ago")
}

// read turns the flags into a filter.
func (s *selection) read() (f client.DeadLetterFilter, err error) {
	f = client.DeadLetterFilter{Group: s.group, Reason: strings.ToUpper(s.reason), Filter: s.filter}
	if f.Since, err = past("--since", s.since); err != nil {
		return f, err
	}
	f.Until, err = past("--until", s.until)
	return f, err
}

// past reads a time, or a duration before now.
func past(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return time.Now().Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fault.Usage(flag, text, "write a time like 2030-01-31T15:04:05Z, or a duration before now like 2h")
	}
	return t, nil
}

// call dials and does one thing.
func call(cmd *cobra.Command, to *connect.Flags, do func(ctx context.Context, c *client.Client) error) error {
	c, err := to.Dial(cmd.Context())
	if err != nil {
		return err
	}
	defer connect.End(c)
	return do(cmd.Context(), c)
}

// listOptions are the flags of `deadletter list`.
type listOptions struct {
	selection
	to     connect.Flags
	max    int
	asJSON bool
}

func listCommand() *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List dead letters, oldest first",
		Example: "  semabus deadletter list --group refunds --since 24h\n  semabus deadletter list --reason poison --max 0 --json | jq .message.id",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := o.read()
			if err != nil {
				return err
			}
			if o.max < 0 {
				return fault.Usage("--max", strconv.Itoa(o.max), "give 0 for all, or more")
			}
			return call(cmd, &o.to, func(ctx context.Context, c *client.Client) error { return o.list(ctx, cmd, c, f) })
		},
	}
	o.bind(cmd)
	cmd.Flags().IntVar(&o.max, "max", 100, "letters; 0 = all")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object a letter")
	o.to.Bind(cmd)
	return cmd
}

func (o *listOptions) list(ctx context.Context, cmd *cobra.Command, c *client.Client, f client.DeadLetterFilter) error {
	t := output.NewTable("MESSAGE", "GROUP", "REASON", "ATTEMPTS", "GIVEN UP", "LAST ERROR", "TEXT")
	n := 0
	for l, err := range c.DeadLetters(ctx, f) {
		if err != nil {
			return err
		}
		if o.asJSON {
			if err := output.JSON(cmd.OutOrStdout(), view.NewDeadLetter(&l)); err != nil {
				return err
			}
		} else {
			last := ""
			if n := len(l.Errors); n > 0 {
				last = l.Errors[n-1]
			}
			t.Row(output.Cut(l.Message.ID, 40), output.Cut(l.Group, 32), l.Reason, strconv.Itoa(l.Attempts), output.Time(l.Time),
				output.Or(output.Cut(last, 48)), output.Cut(strings.TrimSpace(l.Message.Text), 60))
		}
		if n++; n == o.max {
			break
		}
	}
	if o.asJSON {
		return nil
	}
	return t.Write(cmd.OutOrStdout())
}
