package keys

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/config"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// base is what every command under key has.
type base struct {
	to     connect.Flags
	where  config.Sources
	asJSON bool
}

func (b *base) bind(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&b.asJSON, "json", false, "print one JSON object a key")
	b.where.Bind(cmd, "data")
	b.to.Bind(cmd)
	cmd.Flags().Lookup("addr").Usage = "go through the running node at HOST:PORT instead of the data folder"
	cmd.Flags().Lookup("addr").DefValue = ""
	return cmd
}

// open finds the store: the node of --addr, else the data folder of --data, the configuration or the default.
func (b *base) open(cmd *cobra.Command, create bool) (store, error) {
	if cmd.Flags().Changed("addr") {
		if cmd.Flags().Changed("data") {
			return nil, fault.Usage("--addr, --data", "", "give either a node or a data folder")
		}
		c, err := b.to.Dial(cmd.Context())
		return remote{c}, err
	}
	l, err := b.where.Load(os.Environ())
	if err != nil {
		return nil, err
	}
	return openFolder(l.Config.Data, create)
}

// Command is `semabus key`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Create, list and revoke API keys",
		Long: `A key says who calls, of which tenant, and what the caller may do. Keys are managed in the data folder (--data), also while
its node runs, or through a node (--addr) as its administrator. Once a node has a key it answers nobody without one.`,
	}
	cmd.AddCommand(createCommand(), listCommand(), revokeCommand())
	return cmd
}

// roles are the values of --role.
var roles = []string{string(semabus.RolePublisher), string(semabus.RoleAgent), string(semabus.RoleOperator), string(semabus.RoleAdmin)}

// createOptions are the flags of `key create`.
type createOptions struct {
	base
	key           client.Key
	role, subject string
}

func createCommand() *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "create --role ROLE",
		Short: "Create a key and print its secret, once",
		Long: `Prints the secret on standard output, this once: the node keeps a hash. With --subject a client certificate with that
subject (RFC 2253) is the credential, and there is no secret.

publisher: publish, match, why. agent: also intents, subscribe, settle. operator: also groups. admin: also keys.`,
		Example: `  semabus key create --tenant acme --role agent --name triage
  export SEMABUS_API_KEY=$(semabus key create --role admin)
  semabus key create --tenant acme --role agent --subject "CN=triage,O=Acme"`,
		Args: cobra.NoArgs,
		RunE: o.run,
	}
	f := cmd.Flags()
	f.StringVar(&o.role, "role", "", strings.Join(roles, ", ")+" (required)")
	f.StringVar(&o.key.Tenant, "tenant", "", `tenant of the caller; default: "default", with --addr that of the credential`)
	f.StringVar(&o.key.Name, "name", "", "name of the caller; default: made from role and id")
	f.StringVar(&o.key.Set, "set", "", "set of its intents; default: one of its own")
	f.StringVar(&o.subject, "subject", "", "subject of a client certificate, instead of a secret")
	cobra.CheckErr(cmd.MarkFlagRequired("role"))
	return o.bind(cmd)
}

func (o *createOptions) run(cmd *cobra.Command, _ []string) (err error) {
	if !slices.Contains(roles, o.role) {
		return fault.Usage("--role", o.role, "use one of "+strings.Join(roles, ", "))
	}
	o.key.Role = semabus.Role(o.role)
	s, err := o.open(cmd, true)
	if err != nil {
		return err
	}
	defer closing(s, &err)
	k, secret, err := s.create(cmd.Context(), o.key, o.subject)
	if err != nil {
		return err
	}
	if o.asJSON {
		v := view.NewKey(k)
		v.Secret = secret
		return output.JSON(cmd.OutOrStdout(), v)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "key %s: %s, %s of tenant %s; its secret is shown this once\n", k.ID, fault.Clean(k.Name), k.Role, fault.Clean(k.Tenant))
	if secret != "" {
		fmt.Fprintln(cmd.OutOrStdout(), secret)
	}
	return nil
}

func listCommand() *cobra.Command {
	var b base
	var tenant string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List keys without their secrets",
		Example: "  semabus key list --tenant acme\n  semabus key list --addr 127.0.0.1:7420",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			s, err := b.open(cmd, false)
			if err != nil {
				return err
			}
			defer closing(s, &err)
			all, err := s.list(cmd.Context(), tenant)
			if err != nil {
				return err
			}
			t := output.NewTable("ID", "TENANT", "NAME", "ROLE", "SET", "CREATED", "")
			for _, k := range all {
				if b.asJSON {
					if err := output.JSON(cmd.OutOrStdout(), view.NewKey(k)); err != nil {
						return err
					}
					continue
				}
				state := ""
				if k.Revoked {
					state = "revoked"
				}
				t.Row(k.ID, output.Cut(k.Tenant, 32), output.Cut(k.Name, 32), string(k.Role), output.Cut(k.Set, 32), output.Time(k.CreatedAt), state)
			}
			if b.asJSON {
				return nil
			}
			return t.Write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only of this tenant")
	return b.bind(cmd)
}

func revokeCommand() *cobra.Command {
	var b base
	cmd := &cobra.Command{
		Use:     "revoke ID…",
		Short:   "Make keys useless at once",
		Example: "  semabus key revoke 7q2nd6fa",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := b.open(cmd, false)
			if err != nil {
				return err
			}
			defer closing(s, &err)
			for _, id := range args {
				if err := s.revoke(cmd.Context(), id); err != nil {
					return err
				}
				if b.asJSON {
					if err := output.JSON(cmd.OutOrStdout(), Revoked{ID: id, Revoked: true}); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "revoked %s\n", fault.Clean(id))
			}
			return nil
		},
	}
	return b.bind(cmd)
}

// Revoked is one line of `key revoke --json`.
type Revoked struct {
	ID      string `json:"id"`
	Revoked bool   `json:"revoked"`
}
