package stats

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/group"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// Stats is the answer of `stats --json`.
type Stats struct {
	Node   view.Info         `json:"node"`
	Groups []view.GroupStats `json:"groups"`
}

// Command is `semabus stats`.
func Command() *cobra.Command {
	var to connect.Flags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show the node and what waits in it",
		Long: `Shows what runs at --addr, as whom the credential calls, and the groups of its tenant. Counts are of the caller's tenant,
but for bytes, syncs and commits, which are of the node.`,
		Example: "  semabus stats\n  semabus stats --json | jq .groups",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, w := cmd.Context(), cmd.OutOrStdout()
			c, err := to.Dial(ctx)
			if err != nil {
				return err
			}
			defer connect.End(c)
			info, err := c.Info(ctx)
			if err != nil {
				return err
			}
			groups, err := c.GroupStats(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return output.JSON(w, Stats{Node: view.NewInfo(info), Groups: view.NewGroupStats(groups)})
			}
			t := output.NewTable("node", to.Target())
			t.Row("version", info.Version)
			t.Row("started", output.Time(info.StartedAt))
			t.Row("engines", fmt.Sprintf("broker %s, index %s, embed %s", info.Broker, info.Index, info.Embed))
			t.Row("caller", fmt.Sprintf("%s, %s of tenant %s", info.Principal, info.Role, info.Tenant))
			t.Row("intents", fmt.Sprintf("%d (registry version %d, %d refits pending)", info.Intents, info.RegistryVersion, info.PendingRefits))
			t.Row("messages", strconv.FormatInt(info.Messages, 10))
			t.Row("disk", fmt.Sprintf("%.1f MiB", float64(info.DiskBytes)/(1<<20)))
			t.Row("commits", fmt.Sprintf("%d in %d syncs", info.Commits, info.Syncs))
			if err := t.Write(w); err != nil || len(groups) == 0 {
				return err
			}
			fmt.Fprintln(w)
			return group.WriteStats(w, groups)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	to.Bind(cmd)
	return cmd
}
