package group

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

func browseCommand() *cobra.Command {
	var b base
	var most int
	cmd := &cobra.Command{
		Use:   "browse NAME",
		Short: "Look at what waits and is worked on in a group, without taking it",
		Long: `Prints the messages of a group in the order in which they came, with where each stands, without leasing any. The reserved groups
can be browsed too: '$unmatched', '$held', '$dlq'.`,
		Example: "  semabus group browse refunds --max 20\n  semabus group browse '$unmatched' --max 0 --json | jq .message.text",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 0 {
				return fault.Usage("--max", strconv.Itoa(most), "give 0 for all, or more")
			}
			return b.call(cmd, func(ctx context.Context, c *client.Client) error { return b.browse(ctx, cmd, c, args[0], most) })
		},
	}
	cmd.Flags().IntVar(&most, "max", 100, "messages; 0 = all")
	b.bind(cmd)
	cmd.Flags().Lookup("json").Usage = "print one JSON object a message"
	return cmd
}

func (b *base) browse(ctx context.Context, cmd *cobra.Command, c *client.Client, name string, most int) error {
	t := output.NewTable("MESSAGE", "STATE", "ATTEMPT", "PRIORITY", "ENQUEUED", "DUE", "MEMBER", "LAST ERROR", "TEXT")
	n := 0
	for d, err := range c.Browse(ctx, name) {
		if err != nil {
			return err
		}
		if b.asJSON {
			err = output.JSON(cmd.OutOrStdout(), view.NewBrowsed(&d))
		} else {
			row(t, &d)
		}
		if err != nil {
			return err
		}
		if n++; n == most {
			break
		}
	}
	if b.asJSON {
		return nil
	}
	return t.Write(cmd.OutOrStdout())
}

func row(t *output.Table, d *client.Browsed) {
	s := &d.State
	last := ""
	if n := len(s.Errors); n > 0 {
		last = s.Errors[n-1]
	}
	phase := s.Phase
	if s.Key != "" {
		phase += " (" + output.Cut(s.Key, 32) + ")"
	}
	t.Row(output.Cut(d.Message.ID, 40), phase, strconv.Itoa(s.Attempt), strconv.Itoa(s.Priority), output.Time(s.Enqueued), output.Or(output.Time(s.Due)),
		output.Or(output.Cut(s.Member, 32)), output.Or(output.Cut(last, 40)), output.Cut(strings.TrimSpace(d.Message.Text), 60))
}
