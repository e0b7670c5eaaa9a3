package publish

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
)

// Cancelled is the answer of `cancel --json`.
type Cancelled struct {
	ID     string   `json:"id"`
	Groups []string `json:"groups"`
}

// CancelCommand is `semabus cancel`. It is no subcommand of publish, which would take its name for a text.
func CancelCommand() *cobra.Command {
	var to connect.Flags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cancel MESSAGE-ID",
		Short: "Take back a message whose --deliver-at has not come",
		Long: `Takes back a scheduled message and prints the groups that will not get it. Only its publisher and operators may. Exit code 1
when its time has come, it was never scheduled, or it is not known.`,
		Example: `  semabus publish --to reports --deliver-at 10m --id report-7 "send the weekly report"
  semabus cancel report-7`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := to.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer connect.End(c)
			groups, err := c.CancelScheduled(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if asJSON {
				return output.JSON(w, Cancelled{ID: args[0], Groups: append([]string{}, groups...)})
			}
			what := "it was not decided yet"
			if len(groups) > 0 {
				what = strings.Join(groups, ", ") + " will not get it"
			}
			_, err = fmt.Fprintf(w, "cancelled %s: %s\n", fault.Clean(args[0]), fault.Clean(what))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	to.Bind(cmd)
	return cmd
}
