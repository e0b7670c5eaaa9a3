package config

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/internal/node"
)

// InitCommand is `semabus init`.
func InitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Write a commented configuration with every default and unit",
		Long: `Prints a YAML file with every key, its default, its unit and what it means. Unchanged it is the default
configuration; delete what you do not change.`,
		Example: "  semabus init > semabus.yaml\n  semabus serve --config semabus.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return Write(cmd.OutOrStdout())
		},
	}
}

// Write prints the default configuration as commented YAML.
func Write(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Configuration of a semabus node: every key with its default.\n" +
		"# Weaker than SEMABUS_* variables and flags. Durations are written with their unit (90s, 24h), sizes are bytes.\n" +
		"# semabus config check FILE lists every fault; docs/configuration.md says more.\n")
	defaults := values(node.Default())
	inside := ""
	for _, k := range Keys() {
		name, indent := k.Path, ""
		if section, rest, ok := strings.Cut(k.Path, "."); ok {
			if section != inside {
				fmt.Fprintf(&b, "\n%s:\n", section)
			}
			inside, name, indent = section, rest, "  "
		}
		if indent == "" {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s# %s: %s.\n", indent, k.Unit, k.Meaning)
		fmt.Fprintf(&b, "%s%s: %s\n", indent, name, format(defaults[k.Path]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Command is `semabus config`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration, or show what would be used",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(checkCommand(), showCommand())
	return cmd
}

func checkCommand() *cobra.Command {
	var s Sources
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "List every fault of a configuration at once",
		Long: `Reads FILE, or what serve would read: --config, SEMABUS_* variables and flags. Exit code 2 when there is a fault; each
is printed with its line, the value, and what to write instead.`,
		Example: "  semabus config check semabus.yaml\n  SEMABUS_LOG_LEVEL=debug semabus config check",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				s.File = args[0]
			}
			l, err := s.Load(os.Environ())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ok: %s\n", l.summary())
			return nil
		},
	}
	s.Bind(cmd)
	return cmd
}

// summary says how many keys are set, and in which file.
func (l *Loaded) summary() string {
	set := 0
	for _, o := range l.Origins {
		if o != "default" {
			set++
		}
	}
	text := fmt.Sprintf("%d of %d keys set", set, len(l.Origins))
	if l.File != "" {
		text += ", file " + l.File
	}
	return text
}

func showCommand() *cobra.Command {
	var s Sources
	var effective, asJSON bool
	cmd := &cobra.Command{
		Use:   "show [--effective]",
		Short: "Show the configuration that serve would use",
		Long: `Prints the keys that a file, a variable or a flag sets, with the value and where it comes from; with --effective all keys,
defaults included.`,
		Example: "  semabus config show --effective\n  semabus config show --config semabus.yaml --log-level debug",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := s.Load(os.Environ())
			if err != nil {
				return err
			}
			if asJSON {
				return l.writeJSON(cmd.OutOrStdout(), effective)
			}
			return l.writeTable(cmd.OutOrStdout(), effective)
		},
	}
	cmd.Flags().BoolVar(&effective, "effective", false, "also the defaults")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a key")
	s.Bind(cmd)
	return cmd
}

// Value is one line of `config show --json`.
type Value struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // durations as text
	Source string `json:"source"`
}

// shown lists the values in order; all = with the defaults.
func (l *Loaded) shown(all bool) []Value {
	var out []Value
	at := values(l.Config)
	for _, p := range paths() {
		if !all && l.Origins[p] == "default" {
			continue
		}
		v := at[p]
		if d, ok := v.(fmt.Stringer); ok {
			v = d.String()
		}
		out = append(out, Value{Key: p, Value: v, Source: l.Origins[p]})
	}
	return out
}

func (l *Loaded) writeJSON(w io.Writer, all bool) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, v := range l.shown(all) {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

func (l *Loaded) writeTable(w io.Writer, all bool) error {
	t := output.NewTable("KEY", "VALUE", "SOURCE")
	at := values(l.Config)
	for _, v := range l.shown(all) {
		t.Row(v.Key, output.Or(plain(at[v.Key])), v.Source)
	}
	return t.Write(w)
}
