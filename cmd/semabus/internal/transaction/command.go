package transaction

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// Prepared is the answer of `transaction prepare --json`.
type Prepared struct {
	Transaction string `json:"transaction"`
	Message     string `json:"message_id"`
}

// Resolved is the answer of `transaction commit --json` and `transaction rollback --json`.
type Resolved struct {
	Transaction string        `json:"transaction"`
	Resolution  string        `json:"resolution"`
	Receipt     *view.Receipt `json:"receipt,omitempty"`
}

// Command is `semabus transaction`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "transaction",
		Short: "Publish a message only if something else succeeds",
		Long: `A prepared message is on disk and visible to nobody until its transaction is committed or rolled back. What nobody resolves is
asked about: any connected producer of the same group answers (see docs/transactions.md); without an answer it is rolled back
and listed in the dead letters.`,
		Example: `  TX=$(semabus transaction prepare --producers shop "order 17 is paid")
  psql -c "insert into orders …" && semabus transaction commit $TX || semabus transaction rollback $TX`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(prepare(), resolve("commit", "Publish the message", semabus.ResolutionCommit),
		resolve("rollback", "Forget the message", semabus.ResolutionRollback))
	return cmd
}

func prepare() *cobra.Command {
	var to connect.Flags
	var asJSON bool
	var m semabus.Message
	var group string
	var after time.Duration
	cmd := &cobra.Command{
		Use:     "prepare TEXT",
		Short:   "Store a message that nobody sees yet, and print the transaction",
		Example: `  semabus transaction prepare --producers shop --to orders "order 17 is paid"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.Text = args[0]
			c, err := to.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer connect.End(c)
			tx, err := c.Prepare(cmd.Context(), group, &m, after)
			if err != nil {
				return err
			}
			if asJSON {
				return output.JSON(cmd.OutOrStdout(), Prepared{tx.ID, tx.MessageID})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), tx.ID)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&group, "producers", "", "name of the producers that can say how the transaction ended")
	f.StringVar(&m.To, "to", "", "exact group; wins over topic and words")
	f.StringVar(&m.Topic, "topic", "", "exact dotted name, such as orders.refund")
	f.StringVar(&m.Session, "session", "", "conversation id")
	f.DurationVar(&after, "check-after", 0, "when to ask the producers first; 0 = 30s")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	cobra.CheckErr(cmd.MarkFlagRequired("producers"))
	to.Bind(cmd)
	return cmd
}

func resolve(name, short string, as semabus.Resolution) *cobra.Command {
	var to connect.Flags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   name + " TRANSACTION",
		Short: short,
		Long:  short + `. Saying the same again is no error; exit code 1 when it ended otherwise before.`,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := to.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer connect.End(c)
			receipt, err := c.Resolve(cmd.Context(), args[0], as)
			if err != nil {
				return err
			}
			out := Resolved{Transaction: args[0], Resolution: as.String()}
			if as == semabus.ResolutionCommit {
				r := view.NewReceipt(receipt)
				out.Receipt = &r
			}
			w := cmd.OutOrStdout()
			switch {
			case asJSON:
				return output.JSON(w, out)
			case out.Receipt == nil:
				_, err = fmt.Fprintln(w, "rolled back")
			default:
				_, err = fmt.Fprintf(w, "committed %s: %s\n", receipt.ID, fault.Clean(fmt.Sprint(receipt.Outcome, " ", receipt.Groups)))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	to.Bind(cmd)
	return cmd
}
