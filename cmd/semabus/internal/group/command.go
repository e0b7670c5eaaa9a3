package group

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// base is what every command under group has.
type base struct {
	to     connect.Flags
	asJSON bool
}

func (b *base) bind(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&b.asJSON, "json", false, "print one JSON object a group")
	b.to.Bind(cmd)
	return cmd
}

func (b *base) call(cmd *cobra.Command, do func(ctx context.Context, c *client.Client) error) error {
	c, err := b.to.Dial(cmd.Context())
	if err != nil {
		return err
	}
	defer connect.End(c)
	return do(cmd.Context(), c)
}

// Command is `semabus group`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Configure, pause and purge consumer groups, and see what waits for them",
	}
	cmd.AddCommand(configureCommand(), getCommand(), listCommand(), statsCommand(), watchCommand(), pauseCommand(), resumeCommand(),
		browseCommand(), purgeCommand())
	return cmd
}

// configureOptions are the flags of `group configure`.
type configureOptions struct {
	base
	flags semabus.GroupConfig
	file  string
}

func configureCommand() *cobra.Command {
	var o configureOptions
	cmd := &cobra.Command{
		Use:   "configure [NAME]",
		Short: "Set limits, lease, retry policy and topics of a group",
		Long: `Changes the group NAME where flags are given and leaves the rest; or sets each group of --file as a whole (YAML or JSON,
keys as the flags in camelCase). A group needs no configuration to receive: then it has the defaults.`,
		Example: `  semabus group configure refunds --max-concurrency 8 --max-attempts 5 --session-order
  semabus group configure audit --topic "orders.*" --topic payments.captured
  semabus group configure --file groups.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: o.run,
	}
	bindConfig(cmd, &o.flags)
	cmd.Flags().StringVar(&o.file, "file", "", "YAML or JSON file, - for standard input")
	return o.bind(cmd)
}

func (o *configureOptions) run(cmd *cobra.Command, args []string) error {
	if (o.file == "") == (len(args) == 0) {
		return fault.Usage("NAME, --file", "", "give either a name and flags, or a file")
	}
	return o.call(cmd, func(ctx context.Context, c *client.Client) error {
		groups, err := o.groups(ctx, cmd, c, args)
		if err != nil {
			return err
		}
		for i, g := range groups {
			if groups[i], err = c.ConfigureGroup(ctx, g); err != nil {
				return err
			}
		}
		return o.write(cmd.OutOrStdout(), groups)
	})
}

// groups are the configurations to set, those of flags over what the group has now.
func (o *configureOptions) groups(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) ([]semabus.GroupConfig, error) {
	if o.file != "" {
		return readFile(cmd.InOrStdin(), o.file)
	}
	g, err := c.GetGroup(ctx, args[0])
	if semabus.CodeOf(err) == semabus.CodeNotFound {
		g, err = semabus.GroupConfig{Name: args[0]}, nil
	}
	apply(cmd.Flags().Changed, &g, &o.flags)
	return []semabus.GroupConfig{g}, err
}

func (b *base) write(w io.Writer, groups []semabus.GroupConfig) error {
	t := output.NewTable("GROUP", "CONCURRENCY", "LEASE", "GRACE", "ATTEMPTS", "RETRY", "ORDER", "AGEING", "DEPTH", "EXPIRED", "TOPICS", "VERSION")
	for _, g := range groups {
		if b.asJSON {
			if err := output.JSON(w, view.NewGroup(g)); err != nil {
				return err
			}
			continue
		}
		order := "priority"
		if g.SessionOrder {
			order = "session"
		}
		t.Row(output.Cut(g.Name, 40), unlimited(int64(g.MaxConcurrency)), output.Duration(g.Lease), output.Duration(g.Grace),
			strconv.Itoa(g.MaxAttempts), output.Duration(g.RetryBase)+"–"+output.Duration(g.RetryCap), order, output.Or(ageing(g.Ageing)),
			unlimited(g.MaxDepth), expiries[min(int(g.OnExpiry), len(expiries)-1)],
			output.Or(output.Cut(strings.Join(g.Topics, ", "), 60)), strconv.FormatUint(g.Version, 10))
	}
	if b.asJSON {
		return nil
	}
	return t.Write(w)
}

func ageing(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return output.Duration(d)
}

func unlimited(n int64) string {
	if n == 0 {
		return "unlimited"
	}
	return strconv.FormatInt(n, 10)
}

func getCommand() *cobra.Command {
	var b base
	cmd := &cobra.Command{
		Use:     "get NAME",
		Short:   "Show a group's configuration",
		Example: "  semabus group get refunds",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.call(cmd, func(ctx context.Context, c *client.Client) error {
				g, err := c.GetGroup(ctx, args[0])
				if err != nil {
					return err
				}
				return b.write(cmd.OutOrStdout(), []semabus.GroupConfig{g})
			})
		},
	}
	return b.bind(cmd)
}

func listCommand() *cobra.Command {
	var b base
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the configurations of all groups by name",
		Example: "  semabus group list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.call(cmd, func(ctx context.Context, c *client.Client) error {
				all, err := c.ListGroups(ctx)
				if err != nil {
					return err
				}
				return b.write(cmd.OutOrStdout(), all)
			})
		},
	}
	return b.bind(cmd)
}

func statsCommand() *cobra.Command {
	var b base
	cmd := &cobra.Command{
		Use:     "stats [NAME…]",
		Short:   "Show how much waits, is worked on and is done",
		Example: "  semabus group stats refunds\n  semabus group stats '$unmatched' '$dlq'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.call(cmd, func(ctx context.Context, c *client.Client) error {
				all, err := c.GroupStats(ctx, args...)
				if err != nil {
					return err
				}
				if !b.asJSON {
					return WriteStats(cmd.OutOrStdout(), all)
				}
				for _, s := range view.NewGroupStats(all) {
					if err := output.JSON(cmd.OutOrStdout(), s); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	return b.bind(cmd)
}

// WriteStats prints group statistics for people.
func WriteStats(w io.Writer, all []semabus.GroupStats) error {
	t := output.NewTable("GROUP", "READY", "DELAYED", "LEASED", "SETTLED", "DEAD", "MEMBERS", "OLDEST")
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, s := range all {
		name := output.Cut(s.Group, 40)
		if s.Paused {
			name += " (paused)"
		}
		t.Row(name, count(s.Ready), count(s.Delayed), count(s.Leased), count(s.Settled), count(s.DeadLetters), strconv.Itoa(s.Members),
			s.OldestReady.Round(time.Millisecond).String())
	}
	return t.Write(w)
}
