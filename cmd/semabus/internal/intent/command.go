package intent

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// base is what every command under intent has.
type base struct {
	to     connect.Flags
	asJSON bool
}

func (b *base) bind(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&b.asJSON, "json", false, "print one JSON object an intent or set")
	b.to.Bind(cmd)
	return cmd
}

// call connects and does what the command is for.
func (b *base) call(cmd *cobra.Command, do func(ctx context.Context, c *client.Client) error) error {
	c, err := b.to.Dial(cmd.Context())
	if err != nil {
		return err
	}
	defer connect.End(c)
	return do(cmd.Context(), c)
}

// Command is `semabus intent`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "intent",
		Short: "Manage what subscribers want to hear",
		Long: `An intent says in plain words, by examples, by a filter or by topics what its group wants to hear. Intents of one set
compete for the same messages; a set's dispatch says whether the best one or all that fit receive.`,
	}
	cmd.AddCommand(registerCommand(), updateCommand(), deleteCommand(), getCommand(), listCommand(), setCommand())
	return cmd
}

// registerOptions are the flags of `intent register`.
type registerOptions struct {
	base
	fields  fields
	file    string
	replace bool
}

func registerCommand() *cobra.Command {
	var o registerOptions
	cmd := &cobra.Command{
		Use:   "register [NAME]",
		Short: "Register an intent from flags, or intents from a file",
		Long: `Registers the intent NAME as the flags describe it, or every intent of --file: YAML or JSON, one intent, a list, or
several documents. Keys are name, description, examples, counterExamples, filter, topics, group, set, independent, budget
(maxWrong, maxMissed, prefer), acceptOwn and attributes; snake_case is accepted too. An intent needs a description, an
example, a filter or a topic. One that exists is refused unless --replace is given.`,
		Example: `  semabus intent register refunds --description "refund requests and double charges" --example "you charged me twice"
  semabus intent register eu --filter 'headers["region"] == "eu"' --group compliance
  semabus intent register --file examples/helpdesk/intents.yaml --replace`,
		Args: cobra.MaximumNArgs(1),
		RunE: o.run,
	}
	o.fields.bind(cmd)
	cmd.Flags().StringVar(&o.file, "file", "", "YAML or JSON file, - for standard input")
	cmd.Flags().BoolVar(&o.replace, "replace", false, "update an intent that exists")
	return o.bind(cmd)
}

func (o *registerOptions) run(cmd *cobra.Command, args []string) error {
	intents, err := o.intents(cmd, args)
	if err != nil {
		return err
	}
	return o.call(cmd, func(ctx context.Context, c *client.Client) error {
		for i := range intents {
			r, err := c.RegisterIntent(ctx, intents[i])
			if o.replace && semabus.CodeOf(err) == semabus.CodeAlreadyExists {
				r, err = c.UpdateIntent(ctx, intents[i], 0)
			}
			if err != nil {
				if len(intents) > 1 {
					return fmt.Errorf("intent %d, %s: %w", i+1, intents[i].Name, err)
				}
				return err
			}
			if err := o.changed(cmd, "registered", &r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (o *registerOptions) intents(cmd *cobra.Command, args []string) ([]semabus.Intent, error) {
	if (o.file == "") == (len(args) == 0) {
		return nil, fault.Usage("NAME, --file", "", "give either a name and flags, or a file")
	}
	if o.file != "" {
		return readFile(cmd.InOrStdin(), o.file)
	}
	in := semabus.Intent{Name: args[0]}
	if err := o.fields.apply(cmd, &in); err != nil {
		return nil, err
	}
	return []semabus.Intent{in}, nil
}

// changed prints an intent after a change.
func (b *base) changed(cmd *cobra.Command, what string, r *client.Registered) error {
	if b.asJSON {
		return output.JSON(cmd.OutOrStdout(), view.NewRegistered(r))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s for group %s, version %d\n", what, fault.Clean(r.Intent.Name), fault.Clean(r.Intent.Group), r.Intent.Version)
	return nil
}

// updateOptions are the flags of `intent update`.
type updateOptions struct {
	base
	fields fields
	file   string
	expect uint64
}

func updateCommand() *cobra.Command {
	var o updateOptions
	cmd := &cobra.Command{
		Use:   "update [NAME]",
		Short: "Change an intent: the given flags only, or as a whole from a file",
		Long: `Changes the intent NAME where flags are given and leaves the rest; or replaces each intent of --file as a whole. It is
refused when somebody else changed the intent meanwhile.`,
		Example: `  semabus intent update refunds --example "you charged me twice" --example "please pay it back" --max-wrong 0.05
  semabus intent update --file refunds.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: o.run,
	}
	o.fields.bind(cmd)
	cmd.Flags().StringVar(&o.file, "file", "", "YAML or JSON file, - for standard input")
	cmd.Flags().Uint64Var(&o.expect, "expect-version", 0, "refuse when the intent's version is another; 0 = the one that is read")
	return o.bind(cmd)
}

func (o *updateOptions) run(cmd *cobra.Command, args []string) error {
	if (o.file == "") == (len(args) == 0) {
		return fault.Usage("NAME, --file", "", "give either a name and flags, or a file")
	}
	return o.call(cmd, func(ctx context.Context, c *client.Client) error {
		if o.file != "" {
			return o.whole(ctx, cmd, c)
		}
		in, err := c.GetIntent(ctx, args[0])
		if err != nil {
			return err
		}
		if err := o.fields.apply(cmd, &in); err != nil {
			return err
		}
		expect := in.Version
		if o.expect != 0 {
			expect = o.expect
		}
		r, err := c.UpdateIntent(ctx, in, expect)
		if err != nil {
			return err
		}
		return o.changed(cmd, "updated", &r)
	})
}

// whole replaces the intents of a file.
func (o *updateOptions) whole(ctx context.Context, cmd *cobra.Command, c *client.Client) error {
	intents, err := readFile(cmd.InOrStdin(), o.file)
	if err != nil {
		return err
	}
	for i := range intents {
		r, err := c.UpdateIntent(ctx, intents[i], o.expect)
		if err != nil {
			return fmt.Errorf("intent %d, %s: %w", i+1, intents[i].Name, err)
		}
		if err := o.changed(cmd, "updated", &r); err != nil {
			return err
		}
	}
	return nil
}

func deleteCommand() *cobra.Command {
	var b base
	cmd := &cobra.Command{
		Use:     "delete NAME…",
		Short:   "Remove intents; what was delivered stays",
		Example: "  semabus intent delete refunds",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.call(cmd, func(ctx context.Context, c *client.Client) error {
				for _, name := range args {
					v, err := c.DeleteIntent(ctx, name)
					if err != nil {
						return err
					}
					if b.asJSON {
						if err := output.JSON(cmd.OutOrStdout(), Deleted{Name: name, RegistryVersion: v}); err != nil {
							return err
						}
						continue
					}
					fmt.Fprintf(cmd.OutOrStdout(), "deleted %s\n", fault.Clean(name))
				}
				return nil
			})
		},
	}
	return b.bind(cmd)
}

// Deleted is one line of `intent delete --json`.
type Deleted struct {
	Name            string `json:"name"`
	RegistryVersion uint64 `json:"registry_version"` // the first one without it
}

func getCommand() *cobra.Command {
	var b base
	cmd := &cobra.Command{
		Use:     "get NAME",
		Short:   "Show an intent",
		Example: "  semabus intent get refunds\n  semabus intent get refunds --json > refunds.json   # a file for update --file",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.call(cmd, func(ctx context.Context, c *client.Client) error {
				in, err := c.GetIntent(ctx, args[0])
				if err != nil {
					return err
				}
				if b.asJSON {
					return output.JSON(cmd.OutOrStdout(), view.NewIntent(&in))
				}
				return writeIntent(cmd.OutOrStdout(), &in)
			})
		},
	}
	return b.bind(cmd)
}

func listCommand() *cobra.Command {
	var b base
	var set string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List intents by name",
		Example: "  semabus intent list --set helpdesk",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.call(cmd, func(ctx context.Context, c *client.Client) error {
				all, err := c.ListIntents(ctx, set)
				if err != nil {
					return err
				}
				t := output.NewTable("NAME", "GROUP", "SET", "EXAMPLES", "VERSION", "DESCRIPTION")
				for i := range all {
					in := &all[i]
					if b.asJSON {
						if err := output.JSON(cmd.OutOrStdout(), view.NewIntent(in)); err != nil {
							return err
						}
						continue
					}
					t.Row(output.Cut(in.Name, 32), output.Cut(in.Group, 32), output.Cut(in.Set, 24), strconv.Itoa(len(in.Examples)),
						strconv.FormatUint(in.Version, 10), output.Cut(words(in), 60))
				}
				if b.asJSON {
					return nil
				}
				return t.Write(cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().StringVar(&set, "set", "", "only of this set")
	return b.bind(cmd)
}

// words is what an intent is about, on one line.
func words(in *semabus.Intent) string {
	switch {
	case in.Description != "":
		return in.Description
	case len(in.Examples) > 0:
		return "like: " + in.Examples[0]
	case in.Filter != "":
		return "filter: " + in.Filter
	case len(in.Topics) > 0:
		return "topic: " + in.Topics[0]
	}
	return ""
}
