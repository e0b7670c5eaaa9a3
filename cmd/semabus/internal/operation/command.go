package operation

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/consume"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
)

// Operation is one as --json prints it.
type Operation struct {
	ID          string `json:"operation"`
	State       string `json:"state"`
	Result      string `json:"result"`
	Description string `json:"description"`
	MessageID   string `json:"message_id"`
	Group       string `json:"group"`
	Reserved    string `json:"reserved"`
}

func newOperation(o *semabus.Operation) Operation {
	return Operation{o.ID, o.State.String(), string(o.Result), o.Description, o.MessageID, o.Group, o.Reserved.UTC().Format(time.RFC3339)}
}

// Command is `semabus operation`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "operation",
		Short: "Effects outside the bus: reserve, resolve, list those in doubt",
		Long: `A worker reserves an effect outside the bus, such as a payment, before it begins, and resolves it afterwards. One whose worker
died in between is in doubt: nobody knows whether it happened, it is never run again by itself, and an operator says how it
ended.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(reserve(), resolve(), list())
	return cmd
}

func reserve() *cobra.Command {
	var to connect.Flags
	var asJSON bool
	var op semabus.Operation
	cmd := &cobra.Command{
		Use:   "reserve OPERATION LEASE-TOKEN",
		Short: "Say that the holder of a lease is about to do something",
		Long: `Prints the state: reserved or failed = go on, done = it was done before, with its result, in_doubt = leave it to an operator.
Exit code 1 unless the state is reserved.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := consume.Token(args[1])
			if err != nil {
				return err
			}
			c, err := to.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer connect.End(c)
			op.ID = args[0]
			o, err := c.Reserve(cmd.Context(), &semabus.Delivery{Lease: semabus.Lease{Token: token}}, op)
			if err != nil {
				return err
			}
			if err := show(cmd.OutOrStdout(), asJSON, &o); err != nil || o.State == semabus.OperationReserved {
				return err
			}
			return fmt.Errorf("the operation is %s", o.State)
		},
	}
	cmd.Flags().BoolVar(&op.Idempotent, "idempotent", false, "another worker may run it again")
	cmd.Flags().StringVar(&op.Description, "description", "", "for the operator who may have to resolve it")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	to.Bind(cmd)
	return cmd
}

func resolve() *cobra.Command {
	var to connect.Flags
	var asJSON, failed bool
	var result string
	cmd := &cobra.Command{
		Use:   "resolve OPERATION",
		Short: "Say how an operation ended",
		Example: `  semabus operation resolve pay-17 --result "receipt 7"
  semabus operation resolve pay-18 --failed`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := to.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer connect.End(c)
			as := semabus.OperationDone
			if failed {
				as = semabus.OperationFailed
			}
			o, err := c.ResolveOp(cmd.Context(), args[0], as, []byte(result))
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), asJSON, &o)
		},
	}
	cmd.Flags().StringVar(&result, "result", "", "what it returned: whoever reserves it again gets this")
	cmd.Flags().BoolVar(&failed, "failed", false, "it failed, and may be tried again; default: it is done")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	to.Bind(cmd)
	return cmd
}

func list() *cobra.Command {
	var to connect.Flags
	var asJSON bool
	var group string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the operations in doubt, oldest first",
		Example: "  semabus operation list --group pay",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := to.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer connect.End(c)
			w := cmd.OutOrStdout()
			table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			if !asJSON {
				_, _ = fmt.Fprintln(table, "OPERATION\tGROUP\tMESSAGE\tRESERVED\tDESCRIPTION") // Flush tells
			}
			for o, err := range c.InDoubt(cmd.Context(), group) {
				if err != nil {
					return err
				}
				if asJSON {
					if err := output.JSON(w, newOperation(&o)); err != nil {
						return err
					}
					continue
				}
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", fault.Clean(o.ID), fault.Clean(o.Group), fault.Clean(o.MessageID), // Flush tells
					o.Reserved.UTC().Format(time.RFC3339), fault.Clean(o.Description))
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "only of this group")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	to.Bind(cmd)
	return cmd
}

func show(w io.Writer, asJSON bool, o *semabus.Operation) error {
	if asJSON {
		return output.JSON(w, newOperation(o))
	}
	_, err := fmt.Fprintf(w, "%s %s\n", o.State, fault.Clean(string(o.Result)))
	return err
}
