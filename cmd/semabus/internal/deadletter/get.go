package deadletter

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

func getCommand() *cobra.Command {
	var to connect.Flags
	var group string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get MESSAGE-ID",
		Short: "Show a dead letter with every attempt's error and its decision",
		Long: `Shows the message, why it was given up, what each attempt said, and how it was routed. --group is needed where several groups gave
the message up. Exit code 1 when it is not, or no longer, in the dead letters.`,
		Example: "  semabus deadletter get 01J9Z0T3V4 --group refunds",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, &to, func(ctx context.Context, c *client.Client) error {
				l, err := c.DeadLetter(ctx, args[0], group)
				if err != nil {
					return err
				}
				if asJSON {
					return output.JSON(cmd.OutOrStdout(), view.NewDeadLetter(l))
				}
				return write(cmd.OutOrStdout(), l)
			})
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "which group's; default: the only one that gave it up")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	to.Bind(cmd)
	return cmd
}

func write(w io.Writer, l *client.DeadLetter) error {
	t := output.NewTable("message", output.Cut(l.Message.ID, 80))
	t.Row("group", output.Cut(l.Group, 80))
	t.Row("reason", l.Reason)
	t.Row("given up", output.Time(l.Time))
	t.Row("attempts", strconv.Itoa(l.Attempts))
	for i, e := range l.Errors {
		t.Row("error "+strconv.Itoa(i+1), output.Cut(e, 400))
	}
	switch m := l.Message; {
	case m.Text != "":
		t.Row("text", output.Cut(m.Text, 400))
	default:
		t.Row("content", fmt.Sprintf("%d bytes of %s", len(m.Payload), output.Or(output.Cut(m.ContentType, 40))))
	}
	if err := t.Write(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return view.WriteDecision(w, l.Decision)
}
