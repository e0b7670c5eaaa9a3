package demo

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	semabus "github.com/semabus/semabus"
)

// Command is `semabus demo`.
func Command() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the bus at work on a small help desk, in less than a minute",
		Long: `Starts a node with a temporary data folder and one process for each agent of a small help desk, and shows five
things, each with a line of claim and a line of proof: customers' messages in English and Chinese reach the agents that
asked for them in plain words; a killed agent and a killed node cost nothing; every decision can be explained; a message goes
out only with the commit of who sends it.
On a terminal it stays for what you type. Exit code 1 when a claim did not hold.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			s := &stage{out: cmd.OutOrStdout(), clock: semabus.SystemClock{}}
			var after func(context.Context, *stage) error
			if asJSON {
				s.out, s.json = io.Discard, json.NewEncoder(cmd.OutOrStdout())
			} else if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
				after = prompt(cmd.InOrStdin())
			}
			return s.run(ctx, s.acts(), after)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a message, then one summary object")
	cmd.AddCommand(agentCommand())
	return cmd
}

// agentCommand is the hidden `demo agent`: one agent process.
func agentCommand() *cobra.Command {
	o := agentOptions{clock: semabus.SystemClock{}}
	cmd := &cobra.Command{
		Use: "agent", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o.out = cmd.OutOrStdout()
			return o.untilOrphaned(ctx, cmd.InOrStdin())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", "", "node, HOST:PORT")
	f.StringVar(&o.name, "name", "", "the agent's name")
	f.StringVar(&o.group, "group", "", "its group, also the name of its intent")
	f.StringVar(&o.words, "words", "", "what it wants to hear; default: the help desk's intent of that group")
	return cmd
}
