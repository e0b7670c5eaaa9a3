package publish

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// Answered is the answer of `request --json`.
type Answered struct {
	Request view.Receipt  `json:"request"`
	Reply   *view.Message `json:"reply"`
}

// RequestCommand is `semabus request`.
func RequestCommand() *cobra.Command {
	var to connect.Flags
	var asJSON bool
	var m semabus.Message
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "request TEXT",
		Short: "Publish a message, wait for the first reply and print it",
		Long: `Publishes TEXT and waits for the first message that a consumer sends to its reply address: what the command of
"subscribe --exec" prints, or the output of "fetch settle --output … --output-to ADDRESS". Nothing is published where nobody
would get it. Exit code 1 when no reply came in time; a late one waits at the address for an hour.`,
		Example: `  semabus subscribe --group clock --exec date &
  semabus request --to clock "what time is it?"
  semabus request --timeout 5m "summarise the contract of customer 17"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return fault.Usage("--timeout", timeout.String(), "give a positive time, at most 1h")
			}
			m.Text = args[0]
			c, err := to.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer connect.End(c)
			reply, receipt, err := c.Request(cmd.Context(), &m, timeout)
			if err != nil {
				return err
			}
			if asJSON {
				return output.JSON(cmd.OutOrStdout(), Answered{view.NewReceipt(receipt), view.NewMessage(reply)})
			}
			text := reply.Text
			if text == "" {
				text = string(reply.Payload)
			}
			_, err = cmd.OutOrStdout().Write([]byte(strings.TrimRight(text, "\n") + "\n"))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&m.To, "to", "", "exact group; wins over topic and words")
	f.StringVar(&m.Topic, "topic", "", "exact dotted name, such as orders.refund")
	f.StringVar(&m.Session, "session", "", "conversation id")
	f.DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for the reply, at most 1h")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	to.Bind(cmd)
	return cmd
}
