package root

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/bench"
	"github.com/semabus/semabus/cmd/semabus/internal/config"
	"github.com/semabus/semabus/cmd/semabus/internal/consume"
	"github.com/semabus/semabus/cmd/semabus/internal/deadletter"
	"github.com/semabus/semabus/cmd/semabus/internal/demo"
	"github.com/semabus/semabus/cmd/semabus/internal/doctor"
	"github.com/semabus/semabus/cmd/semabus/internal/document"
	"github.com/semabus/semabus/cmd/semabus/internal/eval"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/group"
	"github.com/semabus/semabus/cmd/semabus/internal/intent"
	"github.com/semabus/semabus/cmd/semabus/internal/keys"
	"github.com/semabus/semabus/cmd/semabus/internal/logs"
	"github.com/semabus/semabus/cmd/semabus/internal/operation"
	"github.com/semabus/semabus/cmd/semabus/internal/publish"
	"github.com/semabus/semabus/cmd/semabus/internal/serve"
	"github.com/semabus/semabus/cmd/semabus/internal/soak"
	"github.com/semabus/semabus/cmd/semabus/internal/stats"
	"github.com/semabus/semabus/cmd/semabus/internal/transaction"
	"github.com/semabus/semabus/cmd/semabus/internal/version"
	"github.com/semabus/semabus/cmd/semabus/internal/why"
)

// The headings of `semabus --help`.
const (
	groupNode    = "node"
	groupUse     = "use"
	groupMeasure = "measure"
)

// Command is `semabus` with every command under it.
func Command(v string) *cobra.Command {
	root := &cobra.Command{
		Use:   "semabus",
		Short: "A message bus that understands what it carries",
		Long: `semabus delivers messages to whoever they are meant for: agents say in plain words what they want to hear, or name a topic.

  semabus demo      see it at work, in less than a minute
  semabus serve     run a node

Exit codes: 0 ok, 1 a check failed, 2 usage, 3 unavailable, 4 data damaged.`,
		Example: `  semabus serve &
  semabus subscribe --group refunds --intent "refund requests and double charges" &
  semabus publish "you charged me twice"`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddGroup(
		&cobra.Group{ID: groupUse, Title: "Use the bus:"},
		&cobra.Group{ID: groupNode, Title: "Run a node:"},
		&cobra.Group{ID: groupMeasure, Title: "See and measure:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupUse, publish.Command(), publish.RequestCommand(), publish.CancelCommand(), consume.SubscribeCommand(), consume.FetchCommand(), intent.MatchCommand(),
		intent.ExplainCommand(), why.Command(), intent.Command(), group.Command(), deadletter.Command(), transaction.Command(), operation.Command(), stats.Command())
	add(groupNode, serve.Command(v), config.InitCommand(), config.Command(), keys.Command(), logs.Command(), doctor.Command(), version.Command(v))
	add(groupMeasure, demo.Command(), eval.Command(), bench.Command(), soak.Command())
	root.SetHelpCommandGroupID(groupNode)
	root.SetCompletionCommandGroupID(groupNode)
	root.SetFlagErrorFunc(flagError)
	return root
}

// Main runs the command line and returns the exit code. version is what the linker was told.
func Main(v string, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal has its usual effect
	root := Command(v)
	root.SetArgs(args)
	started := false
	each(root, func(c *cobra.Command) { prepare(c, &started) })
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !started {
		err = fault.AsUsage(err) // cobra's own, about flags and arguments
	}
	if err != nil && ctx.Err() != nil && fault.ExitCode(err) == fault.Failed {
		fmt.Fprintf(os.Stderr, "%s: interrupted\n", cmd.CommandPath())
		return fault.Failed
	}
	fault.Write(os.Stderr, cmd.CommandPath(), err)
	return fault.ExitCode(err)
}

// prepare makes a command tell when it begins to run, demand a known subcommand, and keep secrets out of its help.
func prepare(c *cobra.Command, started *bool) {
	if f := c.Flags().Lookup("api-key"); f != nil {
		f.DefValue = "" // it may come from the environment
	}
	if c.Run == nil && c.RunE == nil {
		c.Args, c.RunE = cobra.ArbitraryArgs, needSubcommand
	}
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return run(cmd, args)
		}
	}
}

// needSubcommand answers a command that only groups others.
func needSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var known []string
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			known = append(known, c.Name())
		}
	}
	return suggest(fault.Usage("command", args[0], "see "+cmd.CommandPath()+" --help"), args[0], known)
}

// flagError names the flag that was meant.
func flagError(cmd *cobra.Command, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return fault.AsUsage(err)
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, "--"+f.Name)
		}
	})
	e := fault.Usage("flag", "--"+name, "see "+cmd.CommandPath()+" --help")
	e.Reason = semabus.ReasonUnknownField
	return suggest(e, "--"+name, known)
}

func suggest(e *semabus.Error, given string, known []string) error {
	if near := document.Nearest(given, known); near != "" {
		e.Fix = "did you mean " + near + "? " + e.Fix
	}
	return e
}

// each calls f for a command and all under it.
func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		each(sub, f)
	}
}
