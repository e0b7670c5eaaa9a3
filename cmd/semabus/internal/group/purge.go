package group

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
)

// Purged is the answer of `group purge --json`.
type Purged struct {
	Group  string `json:"group"`
	Purged int64  `json:"purged"`
	DryRun bool   `json:"dry_run"`
}

// purgeOptions are the flags of `group purge`.
type purgeOptions struct {
	base
	dryRun, yes bool
}

func purgeCommand() *cobra.Command {
	var o purgeOptions
	cmd := &cobra.Command{
		Use:   "purge NAME",
		Short: "End what waits in a group without delivering it",
		Long: `Ends the messages that wait in a group, also those that are not due yet. What is worked on stays, and why still knows what was
purged, by whom. It cannot be undone: on a terminal you are asked, elsewhere --yes says that it is meant.`,
		Example: "  semabus group purge refunds --dry-run\n  semabus group purge '$unmatched' --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.call(cmd, func(ctx context.Context, c *client.Client) error { return o.purge(ctx, cmd, c, args[0]) })
		},
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "count only")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	o.bind(cmd)
	cmd.Flags().Lookup("json").Usage = "print one JSON object"
	return cmd
}

func (o *purgeOptions) purge(ctx context.Context, cmd *cobra.Command, c *client.Client, name string) error {
	if !o.dryRun && !o.yes {
		n, err := c.PurgeGroup(ctx, name, true)
		if err != nil {
			return err
		}
		if err := confirm(cmd, name, n); err != nil {
			return err
		}
	}
	n, err := c.PurgeGroup(ctx, name, o.dryRun)
	if err != nil {
		return err
	}
	if o.asJSON {
		return output.JSON(cmd.OutOrStdout(), Purged{name, n, o.dryRun})
	}
	done := "purged"
	if o.dryRun {
		done = "would purge"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %d of %s\n", done, n, fault.Clean(name))
	return err
}

// confirm asks on a terminal and refuses where there is none.
func confirm(cmd *cobra.Command, name string, n int64) error {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return fault.Usage("--yes", "", "pass --yes if you mean it, or --dry-run to count")
	}
	cmd.PrintErrf("End %d messages of %s for good? Type the group's name: ", n, fault.Clean(name))
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != name {
		return fault.Usage("NAME", strings.TrimSpace(line), "nothing was purged; type the name of the group to go on")
	}
	return nil
}
