package doctor

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/cmd/semabus/internal/config"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/internal/node"
)

// State is how a check came out.
type State string

// The states.
const (
	OK   State = "ok"
	Warn State = "warn"
	Fail State = "fail"
)

// Finding is the result of one check.
type Finding struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Detail string `json:"detail"`        // what was found
	Fix    string `json:"fix,omitempty"` // what to do; "" when it is ok
}

// options are the flags of the command.
type options struct {
	where  config.Sources
	to     connect.Flags
	asJSON bool
	remote bool // only the node at --addr
}

// Command is `semabus doctor`.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the machine, the data folder, the configuration and a running node",
		Long: `Checks what serve would use: configuration, data folder and its lock, free space, time of an fsync, ports, clock, limits of
the process; and whether a node answers. With --addr only that node is checked, which makes it a health check. Exit code 1
when a check fails.`,
		Example: `  semabus doctor --config semabus.yaml
  semabus doctor --addr 127.0.0.1:7420`,
		Args: cobra.NoArgs,
		RunE: o.run,
	}
	o.where.Bind(cmd, "data", "listen", "http", "insecure")
	o.to.Bind(cmd)
	cmd.Flags().Lookup("addr").Usage = "check only the node at HOST:PORT; default: this machine, and the node that it would run"
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object a check")
	return cmd
}

func (o *options) run(cmd *cobra.Command, _ []string) error {
	o.remote = cmd.Flags().Changed("addr")
	findings := o.check(cmd.Context())
	t := output.NewTable("CHECK", "STATE", "FOUND", "DO")
	failed := false
	for _, f := range findings {
		failed = failed || f.State == Fail
		if o.asJSON {
			if err := output.JSON(cmd.OutOrStdout(), f); err != nil {
				return err
			}
			continue
		}
		t.Row(f.Check, string(f.State), f.Detail, f.Fix)
	}
	if !o.asJSON {
		if err := t.Write(cmd.OutOrStdout()); err != nil {
			return err
		}
	}
	if failed {
		return fault.ErrChecks
	}
	return nil
}

// check runs the checks in order.
func (o *options) check(ctx context.Context) []Finding {
	if o.remote {
		return []Finding{o.node(ctx, nil)}
	}
	l, err := o.where.Load(os.Environ())
	if err != nil {
		return append([]Finding{{"configuration", Fail, fault.Summary(err), "run semabus config check"}}, machine()...)
	}
	c := l.Config
	found := l.File
	if found == "" {
		found = "no file; defaults, variables and flags"
	}
	out := []Finding{{"configuration", OK, found, ""}}
	reached := o.node(ctx, &c)
	out = append(out, folder(&c, reached.State == OK && reached.Detail != absent(&c))...)
	out = append(out, bind(&c))
	out = append(out, port("grpc port", "listen", c.Listen, reached), port("http port", "http", c.HTTP, reached))
	return append(append(out, machine()...), reached)
}

func absent(c *node.Config) string { return "none runs at " + c.Listen }
