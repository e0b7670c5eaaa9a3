package deadletter

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
)

// Redriven is the answer of `deadletter redrive --json`.
type Redriven struct {
	Redriven int64 `json:"redriven"`
	Skipped  int64 `json:"skipped"`
	DryRun   bool  `json:"dry_run"`
}

// redriveOptions are the flags of `deadletter redrive`.
type redriveOptions struct {
	selection
	to             connect.Flags
	rate           float64
	dryRun, asJSON bool
}

func redriveCommand() *cobra.Command {
	var o redriveOptions
	cmd := &cobra.Command{
		Use:   "redrive [MESSAGE-ID]",
		Short: "Deliver dead letters again, oldest first, at a rate",
		Long: `Delivers the selected dead letters, all without flags, again to the groups that gave them up. Each keeps its id, priority, session
and trace; its attempts and its TTL begin again. One with reason LOOP reached no group before: it is decided now. Letters that somebody
has fetched, and those of a group whose queue is full, stay and are counted as skipped.

Interrupt it whenever you like: what is left stays in the dead letters, and the same command goes on.`,
		Example: `  semabus deadletter redrive --group refunds --dry-run
  semabus deadletter redrive --group refunds --since 2h --rate 50
  semabus deadletter redrive 01J9Z0T3V4`,
		Args: cobra.MaximumNArgs(1),
		RunE: o.run,
	}
	o.bind(cmd)
	cmd.Flags().Float64Var(&o.rate, "rate", 100, "letters a second, at most 10000")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "count only")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object at the end")
	o.to.Bind(cmd)
	return cmd
}

func (o *redriveOptions) run(cmd *cobra.Command, args []string) error {
	f, err := o.read()
	if err != nil {
		return err
	}
	r := client.Redrive{DeadLetterFilter: f, MessageID: strings.Join(args, ""), Rate: o.rate, DryRun: o.dryRun}
	return call(cmd, &o.to, func(ctx context.Context, c *client.Client) error {
		progress := o.progress(cmd)
		so, err := c.Redrive(ctx, r, progress)
		if progress != nil {
			cmd.PrintErrln()
		}
		if err != nil && so.Redriven == 0 {
			return err
		}
		if perr := o.print(cmd, so); perr != nil {
			return perr
		}
		return err
	})
}

// progress tells people who watch how far it is; nil where nobody does.
func (o *redriveOptions) progress(cmd *cobra.Command) func(client.Redriven) {
	f, ok := cmd.ErrOrStderr().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(so client.Redriven) { cmd.PrintErrf("\r%d redriven, %d skipped ", so.Redriven, so.Skipped) }
}

func (o *redriveOptions) print(cmd *cobra.Command, so client.Redriven) error {
	w := cmd.OutOrStdout()
	if o.asJSON {
		return output.JSON(w, Redriven{so.Redriven, so.Skipped, o.dryRun})
	}
	done := "redriven"
	if o.dryRun {
		done = "would redrive"
	}
	text := fmt.Sprintf("%s %d", done, so.Redriven)
	if so.Skipped > 0 {
		text += fmt.Sprintf(", skipped %d: fetched by somebody, or their group's queue is full", so.Skipped)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
