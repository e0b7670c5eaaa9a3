package serve

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/cmd/semabus/internal/config"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/internal/node"
	"github.com/semabus/semabus/internal/obs"
)

// Ready is the line on standard output.
type Ready struct {
	GRPC string `json:"grpc"` // HOST:PORT
	HTTP string `json:"http"` // HOST:PORT; "" = off
}

// Command is `semabus serve`.
func Command(version string) *cobra.Command {
	var s config.Sources
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node",
		Long: `Runs a node until SIGINT or SIGTERM, which let what is under way finish; a second signal ends it at once. When both ports
accept connections it prints one JSON line with their addresses on standard output; the log goes to standard error.

Without keys a node serves tenant "default" on loopback only. Every key of the configuration has a flag and a variable;
semabus init explains them.`,
		Example: `  semabus serve
  semabus serve --data /var/lib/semabus --listen 127.0.0.1:0 --http 127.0.0.1:0
  semabus serve --config semabus.yaml --log-level debug
  SEMABUS_TRACE_ENDPOINT=127.0.0.1:4317 SEMABUS_TRACE_INSECURE=true semabus serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, &s, version) },
	}
	s.Bind(cmd)
	return cmd
}

func run(cmd *cobra.Command, s *config.Sources, version string) error {
	l, err := s.Load(os.Environ())
	if err != nil {
		return err
	}
	log, err := obs.NewLogger(cmd.ErrOrStderr(), obs.LogOptions{Format: l.Config.Log.Format, Level: l.Config.Log.Level})
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	n, err := node.Open(ctx, l.Config, node.Options{Logger: log, Version: version})
	if err != nil {
		return err
	}
	log.Info("ready", "grpc", n.GRPCAddr(), "http", n.HTTPAddr(), "data", l.Config.Data, "version", version)
	if err := output.JSON(cmd.OutOrStdout(), Ready{GRPC: n.GRPCAddr(), HTTP: n.HTTPAddr()}); err != nil {
		log.Warn("the ready line could not be printed", "error", err)
	}
	if err := n.Run(ctx); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}
