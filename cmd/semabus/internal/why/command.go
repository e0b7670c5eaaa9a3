package why

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// Command is `semabus why`.
func Command() *cobra.Command {
	var to connect.Flags
	var group string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "why MESSAGE-ID",
		Short: "Say why a message reached a group, or why not",
		Long: `Answers from the decision that was stored with the message: the reason, in one sentence; every intent that received it and
the ones that nearly did; and how its deliveries stand. Exit code 1 when the message is not known, or no longer kept.`,
		Example: `  semabus why 01J9Z0T3V4
  semabus why 01J9Z0T3V4 --group refunds`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := to.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer connect.End(c)
			a, err := c.Why(cmd.Context(), args[0], group)
			if err != nil {
				return err
			}
			if asJSON {
				return output.JSON(cmd.OutOrStdout(), view.NewAnswer(a))
			}
			return write(cmd.OutOrStdout(), a)
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "why this group; default: all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	to.Bind(cmd)
	return cmd
}

func write(w io.Writer, a *client.Answer) error {
	fmt.Fprintln(w, fault.Clean(a.Text))
	if a.Fix != "" {
		fmt.Fprintf(w, "to change it: %s\n", fault.Clean(a.Fix))
	}
	if a.Message != nil && a.Message.Text != "" {
		fmt.Fprintf(w, "message  %s\n", output.Cut(a.Message.Text, 100))
	}
	fmt.Fprintln(w)
	if err := view.WriteDecision(w, a.Decision); err != nil {
		return err
	}
	if len(a.Deliveries) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return writeDeliveries(w, a.Deliveries)
}

func writeDeliveries(w io.Writer, all []client.DeliveryState) error {
	t := output.NewTable("DELIVERY", "PHASE", "ATTEMPT", "MEMBER", "ENQUEUED", "SETTLED", "LAST ERROR")
	for _, d := range all {
		last := ""
		if n := len(d.Errors); n > 0 {
			last = d.Errors[n-1]
		}
		t.Row(output.Cut(d.Group, 40), d.Phase, strconv.Itoa(d.Attempt), output.Or(output.Cut(d.Member, 32)),
			output.Time(d.Enqueued), output.Or(output.Time(d.Settled)), output.Cut(last, 60))
	}
	return t.Write(w)
}
