package publish

import (
	"bufio"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
)

// options are the flags of the command.
type options struct {
	to                           connect.Flags
	message                      semabus.Message // what every message has
	headers                      []string        // key=value
	payload, deliverAt, deadline string
	expect                       string
	async, asJSON                bool
	priority                     int
}

// expects names the conditions on a decision.
var expects = []string{"any", "at-least-one", "exactly-one"}

// Command is `semabus publish`.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "publish [TEXT…]",
		Short: "Publish messages and print who gets them",
		Long: `Publishes each TEXT as one message, or each line of standard input, or the file of --payload. A receipt means that the
message is decided and on disk; with --async only that it is on disk.

Without --to and --topic the words decide who gets it. A receipt's outcome is matched, none (the message waits in
$unmatched), ambiguous (held), loop, or pending.`,
		Example: `  semabus publish "you charged me twice"
  semabus publish --topic orders.refund --header region=eu --payload order.json --content-type application/json
  semabus publish --session chat-42 --expect exactly-one "where is my parcel?" "and my invoice?"
  tail -f messages.txt | semabus publish --json`,
		RunE: o.run,
	}
	o.bind(cmd)
	return cmd
}

func (o *options) bind(cmd *cobra.Command) {
	f, m := cmd.Flags(), &o.message
	f.StringVar(&m.To, "to", "", "exact group or reply address; wins over topic and words")
	f.StringVar(&m.Topic, "topic", "", "exact dotted name, such as orders.refund")
	f.StringVar(&m.Session, "session", "", "conversation id")
	f.StringArrayVar(&o.headers, "header", nil, "key=value that filters see; repeat for more")
	f.StringSliceVar(&m.Audience, "audience", nil, "groups that may receive it, separated by commas; default: every group")
	f.IntVar(&o.priority, "priority", semabus.DefaultPriority, "0–9, 9 most urgent")
	f.StringVar(&m.ID, "id", "", "message id; only with one message")
	f.StringVar(&m.DedupKey, "dedup-key", "", "publishing it again under this key changes nothing; only with one message")
	f.StringVar(&o.expect, "expect", "any", "condition on who gets it: "+strings.Join(expects, ", "))
	f.BoolVar(&o.async, "async", false, "acknowledge when it is on disk, decide later")
	f.StringVar(&o.payload, "payload", "", "file of the content, - for standard input")
	f.StringVar(&m.ContentType, "content-type", "", "media type of the payload, such as application/json")
	f.StringVar(&m.Type, "type", "", "CloudEvents type, such as com.example.refund")
	f.StringVar(&m.Subject, "subject", "", "CloudEvents subject")
	f.StringVar(&m.ReplyTo, "reply-to", "", "address for replies and late errors")
	f.StringVar(&m.InReplyTo, "in-reply-to", "", "id of the message that it answers")
	f.StringVar(&o.deliverAt, "deliver-at", "", "not before: a time (RFC 3339) or a duration from now, such as 10m")
	f.StringVar(&o.deadline, "deadline", "", "when the work must be finished: a time or a duration from now")
	f.DurationVar(&m.TTL, "ttl", 0, "from now to the first lease; 0 = for ever")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object a receipt")
	o.to.Bind(cmd)
}

func (o *options) run(cmd *cobra.Command, args []string) error {
	expect := slices.Index(expects, o.expect)
	if expect < 0 {
		return fault.Usage("--expect", o.expect, "use one of "+strings.Join(expects, ", "))
	}
	if o.async && semabus.Expect(expect) != semabus.ExpectAny {
		return fault.Usage("--expect", o.expect, "leave --async out: nobody waits for the decision of what is published asynchronously")
	}
	if err := o.complete(args); err != nil {
		return err
	}
	in, err := o.source(cmd, args)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	c, err := o.to.Dial(ctx)
	if err != nil {
		return err
	}
	defer connect.End(c) // every receipt was waited for
	p, err := c.NewPublisher(client.PublisherOptions{Expect: semabus.Expect(expect), Async: o.async})
	if err != nil {
		return err
	}
	s := &sending{publisher: p, out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), name: cmd.CommandPath(), json: o.asJSON,
		single: len(args) == 1 || o.payload != ""}
	return s.all(ctx, in)
}

// complete reads the flags that are texts into the message.
func (o *options) complete(args []string) error {
	m := &o.message
	if o.priority < 0 || o.priority > 9 {
		return fault.Usage("--priority", strconv.Itoa(o.priority), "give 0 to 9, 9 is the most urgent")
	}
	if m.Priority = o.priority; o.priority == 0 {
		m.Priority = client.LowestPriority
	}
	if len(args) != 1 && o.payload == "" && (m.ID != "" || m.DedupKey != "") {
		return fault.Usage("--id, --dedup-key", "", "give exactly one TEXT, or --payload")
	}
	for _, h := range o.headers {
		k, v, ok := strings.Cut(h, "=")
		if !ok || k == "" {
			return fault.Usage("--header", h, "write it as key=value")
		}
		if m.Headers == nil {
			m.Headers = map[string]string{}
		}
		m.Headers[k] = v
	}
	var err1, err2 error
	m.DeliverAt, err1 = instant("--deliver-at", o.deliverAt)
	m.Deadline, err2 = instant("--deadline", o.deadline)
	return errors.Join(err1, err2)
}

// instant reads a time, or a duration from now.
func instant(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fault.Usage(flag, text, "write a time like 2030-01-31T15:04:05Z, or a duration from now like 10m")
	}
	return t, nil
}

// source makes what yields the messages: the next one, or io.EOF.
func (o *options) source(cmd *cobra.Command, args []string) (func() (*semabus.Message, error), error) {
	with := func(text string) *semabus.Message {
		m := o.message
		m.Text = text
		return &m
	}
	switch {
	case o.payload != "":
		if len(args) > 1 {
			return nil, fault.Usage("TEXT", args[1], "give at most one text with --payload")
		}
		m := with(strings.Join(args, ""))
		var err error
		if m.Payload, err = readPayload(cmd.InOrStdin(), o.payload); err != nil {
			return nil, err
		}
		return once(m), nil
	case len(args) > 0:
		i := -1
		return func() (*semabus.Message, error) {
			if i++; i == len(args) {
				return nil, io.EOF
			}
			return with(args[i]), nil
		}, nil
	}
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		cmd.PrintErrln("One message a line; Ctrl-D ends.")
	}
	return lines(cmd.InOrStdin(), with), nil
}

func once(m *semabus.Message) func() (*semabus.Message, error) {
	return func() (*semabus.Message, error) {
		if m == nil {
			return nil, io.EOF
		}
		out := m
		m = nil
		return out, nil
	}
}

// maxPayload is the largest message that a node can be configured for, bytes; more is not read.
const maxPayload = 64 << 20

func readPayload(stdin io.Reader, name string) ([]byte, error) {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			e := fault.Usage("--payload", name, "name a readable file, or - for standard input")
			e.Err = err
			return nil, e
		}
		defer f.Close() //nolint:errcheck // read only
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxPayload+1))
	if err != nil {
		e := fault.Usage("--payload", name, "name a readable file")
		e.Err = err
		return nil, e
	}
	if len(data) > maxPayload {
		return nil, &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonTooLarge, Field: "--payload",
			Value: semabus.Shorten(name), Limit: "67108864 bytes", Fix: "send a reference to it instead"}
	}
	return data, nil
}

// lines yields one message for each line that is not blank.
func lines(in io.Reader, with func(string) *semabus.Message) func() (*semabus.Message, error) {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), maxPayload)
	return func() (*semabus.Message, error) {
		for scanner.Scan() {
			if text := strings.TrimSpace(scanner.Text()); text != "" {
				return with(text), nil
			}
		}
		if err := scanner.Err(); err != nil {
			e := fault.Usage("standard input", "", "send lines of text; larger content goes with --payload")
			e.Err = err
			return nil, e
		}
		return nil, io.EOF
	}
}
