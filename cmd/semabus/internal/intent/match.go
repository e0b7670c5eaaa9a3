package intent

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// MatchCommand is `semabus match`.
func MatchCommand() *cobra.Command {
	var to connect.Flags
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "match TEXT",
		Short: "Rank the intents for a text; nothing is published",
		Long: `Ranks the intents for a text, best first. An intent over its threshold would receive the text. Nothing is delivered or
stored.`,
		Example: `  semabus match "you charged me twice"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := to.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer connect.End(c)
			matches, err := c.Match(cmd.Context(), args[0], limit)
			if err != nil {
				return err
			}
			if asJSON {
				return output.JSON(cmd.OutOrStdout(), Matches{Matches: view.NewMatches(matches)})
			}
			return view.WriteMatches(cmd.OutOrStdout(), matches)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 10, "intents to show")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	to.Bind(cmd)
	return cmd
}

// Matches is the answer of `match --json`.
type Matches struct {
	Matches []view.Match `json:"matches"`
}

// explainOptions are the flags of `explain`.
type explainOptions struct {
	to      connect.Flags
	message semabus.Message
	headers []string
	intent  string
	asJSON  bool
}

// ExplainCommand is `semabus explain`.
func ExplainCommand() *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain TEXT",
		Short: "Show the decision a message would get, and one intent's evidence",
		Long: `Decides a message as publish would, without publishing it, and shows who would get it and who nearly would; with --intent
also that intent's evidence: its probability against its threshold, the vector and lexical part, and the nearest example.
For a message that was published, ask why.`,
		Example: `  semabus explain "you charged me twice" --intent refunds
  semabus explain "anything" --topic orders.refund --header region=eu`,
		Args: cobra.ExactArgs(1),
		RunE: o.run,
	}
	f := cmd.Flags()
	f.StringVar(&o.intent, "intent", "", "intent whose evidence to show")
	f.StringVar(&o.message.To, "to", "", "the message's address")
	f.StringVar(&o.message.Topic, "topic", "", "the message's topic")
	f.StringSliceVar(&o.message.Audience, "audience", nil, "groups that may receive it, separated by commas")
	f.StringArrayVar(&o.headers, "header", nil, "key=value; repeat for more")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	o.to.Bind(cmd)
	return cmd
}

func (o *explainOptions) run(cmd *cobra.Command, args []string) error {
	m := &o.message
	m.Text, m.Headers = args[0], map[string]string{}
	for _, h := range o.headers {
		k, v, ok := strings.Cut(h, "=")
		if !ok {
			return fault.Usage("--header", h, "write it as key=value")
		}
		m.Headers[k] = v
	}
	c, err := o.to.Dial(cmd.Context())
	if err != nil {
		return err
	}
	defer connect.End(c)
	e, err := c.Explain(cmd.Context(), m, o.intent)
	if err != nil {
		return err
	}
	if o.asJSON {
		return output.JSON(cmd.OutOrStdout(), view.NewExplanation(e))
	}
	return o.write(cmd, e)
}

func (o *explainOptions) write(cmd *cobra.Command, e *client.Explanation) error {
	w := cmd.OutOrStdout()
	if err := view.WriteDecision(w, e.Decision); err != nil || e.Match == nil {
		return err
	}
	fmt.Fprintf(w, "\nintent %s\n", fault.Clean(e.Match.Intent))
	return view.WriteMatches(w, []semabus.Match{*e.Match})
}
