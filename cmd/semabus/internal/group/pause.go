package group

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
)

// Paused is the answer of `group pause --json` and `group resume --json`.
type Paused struct {
	Group  string `json:"group"`
	Paused bool   `json:"paused"`
}

func pauseCommand() *cobra.Command {
	return switchCommand(&cobra.Command{
		Use:   "pause NAME…",
		Short: "Stop deliveries of groups, until resume",
		Long: `Stops deliveries: when it returns, members get nothing new. What they hold they may finish, and publishing goes on. A pause lasts
over restarts of the node; stats show it.`,
		Example: "  semabus group pause refunds",
	}, true)
}

func resumeCommand() *cobra.Command {
	return switchCommand(&cobra.Command{
		Use:     "resume NAME…",
		Short:   "Start deliveries of paused groups again",
		Example: "  semabus group resume refunds",
	}, false)
}

// switchCommand pauses or resumes groups.
func switchCommand(cmd *cobra.Command, paused bool) *cobra.Command {
	var b base
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return b.call(cmd, func(ctx context.Context, c *client.Client) error {
			do, done := c.ResumeGroup, "resumed"
			if paused {
				do, done = c.PauseGroup, "paused"
			}
			for _, name := range args {
				if err := do(ctx, name); err != nil {
					return err
				}
				if b.asJSON {
					if err := output.JSON(cmd.OutOrStdout(), Paused{name, paused}); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", done, fault.Clean(name))
			}
			return nil
		})
	}
	return b.bind(cmd)
}
