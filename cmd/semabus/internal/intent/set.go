package intent

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// setCommand is `semabus intent set`.
func setCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Configure how the intents of a set compete",
	}
	cmd.AddCommand(setConfigureCommand(), setGetCommand())
	return cmd
}

func setConfigureCommand() *cobra.Command {
	var b base
	var dispatch, ambiguity string
	var fanout int
	cmd := &cobra.Command{
		Use:   "configure NAME",
		Short: "Say who of a set receives",
		Long: `Dispatch event (the default) gives a message to every intent over its threshold, task to the single best group. When the
best two of a task set are too close, ambiguity best takes the best, all gives it to both, hold keeps it in $held. What is
not given is set to its default.`,
		Example: "  semabus intent set configure helpdesk --dispatch task --ambiguity hold",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s := semabus.Set{Name: args[0], MaxFanout: fanout}
			d, err := choice("--dispatch", dispatch, view.Dispatches)
			if err != nil {
				return err
			}
			a, err := choice("--ambiguity", ambiguity, view.Ambiguities)
			if err != nil {
				return err
			}
			s.Dispatch, s.Ambiguity = semabus.Dispatch(d), semabus.AmbiguityPolicy(a)
			return b.call(cmd, func(ctx context.Context, c *client.Client) error {
				s, err := c.ConfigureSet(ctx, s)
				if err != nil {
					return err
				}
				return b.writeSet(cmd.OutOrStdout(), s)
			})
		},
	}
	cmd.Flags().StringVar(&dispatch, "dispatch", view.Dispatches[0], strings.Join(view.Dispatches, ", "))
	cmd.Flags().StringVar(&ambiguity, "ambiguity", view.Ambiguities[0], strings.Join(view.Ambiguities, ", "))
	cmd.Flags().IntVar(&fanout, "max-fanout", semabus.MaxFanout, "groups that one message may go to")
	return b.bind(cmd)
}

func setGetCommand() *cobra.Command {
	var b base
	cmd := &cobra.Command{
		Use:     "get NAME",
		Short:   "Show a set",
		Example: "  semabus intent set get helpdesk",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.call(cmd, func(ctx context.Context, c *client.Client) error {
				s, err := c.GetSet(ctx, args[0])
				if err != nil {
					return err
				}
				return b.writeSet(cmd.OutOrStdout(), s)
			})
		},
	}
	return b.bind(cmd)
}

func (b *base) writeSet(w io.Writer, s semabus.Set) error {
	v := view.NewSet(s)
	if b.asJSON {
		return output.JSON(w, v)
	}
	t := output.NewTable("SET", "DISPATCH", "AMBIGUITY", "MAX FANOUT", "VERSION")
	t.Row(v.Name, v.Dispatch, v.Ambiguity, strconv.Itoa(v.MaxFanout), strconv.FormatUint(v.Version, 10))
	return t.Write(w)
}

// writeIntent prints one intent for people.
func writeIntent(w io.Writer, in *semabus.Intent) error {
	t := output.NewTable("name", in.Name)
	row := func(label, value string) {
		if value != "" {
			t.Row(label, value)
		}
	}
	row("description", in.Description)
	row("group", in.Group)
	row("set", in.Set)
	row("filter", in.Filter)
	row("topics", strings.Join(in.Topics, ", "))
	if in.Independent {
		row("independent", "true")
	}
	if in.AcceptOwn {
		row("accept own", "true")
	}
	if b := view.NewIntent(in).Budget; b != nil {
		row("budget", fmt.Sprintf("max wrong %g, max missed %g, prefer %s", b.MaxWrong, b.MaxMissed, b.Prefer))
	}
	for _, k := range slices.Sorted(maps.Keys(in.Attributes)) {
		row("attribute", k+"="+in.Attributes[k])
	}
	row("version", strconv.FormatUint(in.Version, 10))
	row("updated", strings.TrimSpace(output.Time(in.UpdatedAt)+" by "+in.UpdatedBy))
	for _, e := range in.Examples {
		row("example", e)
	}
	for _, e := range in.CounterExamples {
		row("counter-example", e)
	}
	return t.Write(w)
}
