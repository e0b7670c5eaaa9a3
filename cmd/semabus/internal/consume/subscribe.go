package consume

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
)

// subscribeOptions are the flags of the command.
type subscribeOptions struct {
	to               connect.Flags
	group, intent    string
	examples, topics []string
	ack, exec        string
	concurrency, max int
	member           string
	lease            time.Duration
	asJSON           bool
}

// SubscribeCommand is `semabus subscribe`.
func SubscribeCommand() *cobra.Command {
	var o subscribeOptions
	cmd := &cobra.Command{
		Use:   "subscribe --group G [--intent TEXT]",
		Short: "Work for a group: print what it receives, or run a command for each message",
		Long: `Prints each delivery of the group and settles it as --ack says. With --intent the group first says in plain words what it
wants to hear. A lost connection is made again by itself. SIGINT and SIGTERM let what is under way finish.

With --exec each message is given to a shell command on its standard input (with --json the whole delivery), and MESSAGE_ID,
MESSAGE_GROUP, MESSAGE_ATTEMPT, MESSAGE_TOPIC, MESSAGE_SESSION and MESSAGE_REPLY_TO in its environment. What the command
prints is sent to the message's reply address, if it has one, in the same commit. Its exit code settles: 0 done, 65 poison,
75 throttled, anything else retry with the end of its standard error.`,
		Example: `  semabus subscribe --group refunds --intent "refund requests and double charges"
  semabus subscribe --group orders --topic "orders.*" --json | jq .message.text
  semabus subscribe --group summaries --exec "./summarise.sh" --concurrency 4`,
		Args: cobra.NoArgs,
		RunE: o.run,
	}
	f := cmd.Flags()
	f.StringVar(&o.group, "group", "", "consumer group; its members share the work (required)")
	f.StringVar(&o.intent, "intent", "", "what the group wants to hear, in plain words; registered under the group's name")
	f.StringArrayVar(&o.examples, "example", nil, "a message that it wants to hear, for --intent; repeat for more")
	f.StringArrayVar(&o.topics, "topic", nil, "a topic that it wants to hear, exact or orders.*; repeat for more")
	f.StringVar(&o.ack, "ack", "done", "how to settle what was printed: "+outcomeNames())
	f.StringVar(&o.exec, "exec", "", "shell command to run for each message")
	f.IntVar(&o.concurrency, "concurrency", 1, "messages worked on at once")
	f.IntVar(&o.max, "max", 0, "end after so many messages; 0 = never")
	f.StringVar(&o.member, "member", "", "name of this member, for stats and why")
	f.DurationVar(&o.lease, "lease", 0, "term of a lease; renewed while the work goes on; 0 = the group's")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object a delivery")
	o.to.Bind(cmd)
	cobra.CheckErr(cmd.MarkFlagRequired("group"))
	return cmd
}

func (o *subscribeOptions) run(cmd *cobra.Command, _ []string) error {
	ack, err := outcome("--ack", o.ack)
	if err != nil {
		return err
	}
	if o.concurrency < 1 || o.max < 0 {
		return fault.Usage("--concurrency, --max", "", "give 1 or more; --max 0 is no bound")
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if err := o.register(ctx); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	c, err := o.to.DialPatient(ctx, log)
	if err != nil {
		return err
	}
	defer connect.End(c) // what is under way was waited for
	w := &worker{print: printer{out: cmd.OutOrStdout(), json: o.asJSON}, ack: ack, exec: o.exec, max: int64(o.max), stop: cancel, log: log}
	err = c.Subscribe(ctx, o.group, w.handle, client.SubscribeOptions{Concurrency: o.concurrency, Member: o.member, Lease: o.lease, OnSettled: w.settled})
	if w.failed.Load() != nil {
		return *w.failed.Load()
	}
	return err
}

// register checks that the node is there, with an error at once if not, and says what the group wants.
func (o *subscribeOptions) register(ctx context.Context) error {
	c, err := o.to.Dial(ctx)
	if err != nil {
		return err
	}
	defer connect.End(c)
	if o.intent == "" && len(o.topics) == 0 && len(o.examples) == 0 {
		_, err := c.Info(ctx)
		return err
	}
	in := semabus.Intent{Name: o.group, Group: o.group, Description: o.intent, Examples: o.examples, Topics: o.topics}
	_, err = c.RegisterIntent(ctx, in)
	if semabus.CodeOf(err) != semabus.CodeAlreadyExists {
		return err
	}
	// Another member said it first, or this one on an earlier day: the words given now count.
	old, err := c.GetIntent(ctx, o.group)
	if err != nil {
		return err
	}
	if old.Description == in.Description && slices.Equal(old.Examples, in.Examples) && slices.Equal(old.Topics, in.Topics) {
		return nil
	}
	old.Description, old.Examples, old.Topics = in.Description, in.Examples, in.Topics
	_, err = c.UpdateIntent(ctx, old, old.Version)
	return err
}

// worker handles deliveries.
type worker struct {
	print  printer
	ack    semabus.SettleOutcome
	exec   string
	max    int64
	stop   context.CancelFunc
	log    *slog.Logger
	held   sync.Map     // tokens of the deliveries that count towards max
	taken  atomic.Int64 // held or done
	done   atomic.Int64
	failed atomic.Pointer[error] // to print: nobody would see the deliveries
}

// giveBack returns a delivery that is beyond --max, without costing an attempt.
var giveBack = semabus.Settlement{Outcome: semabus.SettleThrottled, RetryAfter: time.Millisecond}

func (w *worker) handle(ctx context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
	if n := w.taken.Add(1); w.max > 0 && n > w.max || w.failed.Load() != nil {
		w.taken.Add(-1)
		return giveBack, nil
	}
	w.held.Store(string(d.Lease.Token), nil)
	if w.exec != "" {
		return w.run(ctx, d)
	}
	if err := w.print.delivery(d, false); err != nil {
		err = errors.Join(errors.New("standard output is closed"), err)
		w.failed.Store(&err)
		w.stop()
		return giveBack, nil //nolint:nilerr // the command ends with it; the delivery is for another member
	}
	return semabus.Settlement{Outcome: w.ack}, nil
}

// settled counts towards --max what was settled in earnest.
func (w *worker) settled(d *semabus.Delivery, _ semabus.Settled, err error) {
	if _, counts := w.held.LoadAndDelete(string(d.Lease.Token)); !counts {
		return // it was given back
	}
	if err != nil { // the client has told why; the message comes again
		w.taken.Add(-1)
		return
	}
	if n := w.done.Add(1); w.max > 0 && n >= w.max {
		w.stop()
	}
}
