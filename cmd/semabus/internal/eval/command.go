package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
)

const (
	defaultEpsilon   = 0.05
	defaultLimitSeed = 1
)

// flags are the arguments of both commands.
type flags struct {
	data, addr, key, mix string
	options              Options
	shuffle, halve       int64
	asJSON               bool
	out                  string
}

// Command is `semabus eval`.
func Command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "eval --data DIR/SET --protocol P",
		Short: "Measure routing on a data set, through the API and as subscribers see it",
		Long: `Registers the intents of a data set, publishes its test messages and counts what the router ranked and what the
subscribers received. Without --addr it starts a node of its own with a temporary data folder; with --addr the tenant must
have no intents yet, and has none afterwards.

Protocols: shots, full, description, crosslingual, unseen, independent.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.one(cmd) },
	}
	f.bind(cmd)
	p := cmd.Flags()
	p.StringVar(&f.options.Protocol, "protocol", "", "what to register and publish (required)")
	p.IntVar(&f.options.Shots, "shots", 10, "shots: examples an intent and language")
	p.Int64Var(&f.options.Seed, "seed", 0, "shots, unseen: 0 = the examples the set lists, the intents it marks")
	p.StringVar(&f.options.TrainLang, "train-lang", "", "crosslingual: language of the examples")
	p.StringVar(&f.options.TestLang, "test-lang", "", "crosslingual: language of the messages")
	p.Float64Var(&f.options.HoldOut, "hold-out", 0.25, "unseen: share of the intents held out where the set marks none")
	p.IntVar(&f.options.Copies, "copies", 1, "independent: applications that register the whole set")
	p.BoolVar(&f.asJSON, "json", false, "print one JSON object")
	cobra.CheckErr(cmd.MarkFlagRequired("protocol"))
	cmd.AddCommand(allCommand())
	return cmd
}

func allCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:     "all --data DIR --out results.jsonl",
		Short:   "Run every protocol that fits each set under DIR and print one Markdown table",
		Example: "  semabus eval all --data sets --out results.jsonl",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.all(cmd) },
	}
	f.bind(cmd)
	cmd.Flags().StringVar(&f.out, "out", "", "file for one JSON object a result (required)")
	cobra.CheckErr(cmd.MarkFlagRequired("out"))
	return cmd
}

func (f *flags) bind(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringVar(&f.data, "data", "", "folder of the set (required)")
	p.StringVar(&f.addr, "addr", "", "node to use, HOST:PORT; default: start one")
	p.StringVar(&f.key, "api-key", os.Getenv("SEMABUS_API_KEY"), "API key for --addr")
	p.IntVar(&f.options.Limit, "limit", 0, "messages to publish, sampled by label; 0 = all")
	p.Int64Var(&f.options.LimitSeed, "limit-seed", defaultLimitSeed, "seed of --limit")
	p.Float64Var(&f.options.Epsilon, "epsilon", defaultEpsilon, "max_wrong of every intent; 0 = no budget")
	p.Int64Var(&f.shuffle, "shuffle-names", 0, "seed under which labels get meaningless names; 0 = off")
	p.Int64Var(&f.halve, "halve", 0, "seed under which half of the intents stay; 0 = off")
	p.StringVar(&f.mix, "mix", "", "folder of a second set whose intents and messages join")
	cobra.CheckErr(cmd.MarkFlagRequired("data"))
}

// load reads the set and changes it as the flags say.
func (f *flags) load(dir string) (*Set, error) {
	s, err := Load(dir)
	if err != nil {
		return nil, err
	}
	if f.mix != "" {
		other, err := Load(f.mix)
		if err != nil {
			return nil, err
		}
		s = s.mixed(other)
	}
	if f.halve != 0 {
		s = s.halved(f.halve)
	}
	if f.shuffle != 0 {
		s = s.renamed(f.shuffle)
	}
	return s, nil
}

func (f *flags) one(cmd *cobra.Command) error {
	if _, ok := protocols[f.options.Protocol]; !ok {
		return unknownProtocol(f.options.Protocol)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	set, err := f.load(f.data)
	if err != nil {
		return err
	}
	p, err := f.plan(set, f.options)
	if err != nil {
		return err
	}
	r, err := f.runner(cmd.ErrOrStderr()).run(ctx, f.options.Protocol, p)
	if err != nil {
		return err
	}
	if f.asJSON {
		return r.WriteJSON(cmd.OutOrStdout())
	}
	return r.WriteText(cmd.OutOrStdout())
}

// plan prepares a protocol; what the flags change of set and sample stands behind its arguments in the result.
func (f *flags) plan(s *Set, o Options) (*plan, error) {
	p, err := s.plan(o)
	if err != nil {
		return nil, err
	}
	add := func(given bool, format string, v any) {
		if given {
			p.args = strings.TrimSpace(p.args + fmt.Sprintf(" "+format, v))
		}
	}
	add(o.Limit != 0, "--limit %d", o.Limit)
	add(o.Limit != 0 && o.LimitSeed != defaultLimitSeed, "--limit-seed %d", o.LimitSeed)
	add(o.Epsilon != defaultEpsilon, "--epsilon %g", o.Epsilon)
	add(f.mix != "", "--mix %s", filepath.Base(f.mix))
	add(f.halve != 0, "--halve %d", f.halve)
	add(f.shuffle != 0, "--shuffle-names %d", f.shuffle)
	return p, nil
}

func (f *flags) runner(progress io.Writer) *runner {
	return &runner{addr: f.addr, key: f.key, progress: progress, clock: semabus.SystemClock{}}
}

// all runs what fits of every set under the folder; results are written as they come, the table at the end.
func (f *flags) all(cmd *cobra.Command) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	sets, err := filepath.Glob(filepath.Join(f.data, "*", "intents.jsonl"))
	if err != nil {
		return usage("--data", f.data, "give a folder that holds one folder a set")
	}
	if len(sets) == 0 {
		return usage("--data", f.data, "no folder under it holds an intents.jsonl")
	}
	out, err := os.Create(f.out)
	if err != nil {
		return usage("--out", f.out, err.Error())
	}
	defer out.Close() //nolint:errcheck // each result is checked when it is written
	lines := json.NewEncoder(out)
	var results []*Result
	for _, path := range sets {
		set, err := f.load(filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, o := range f.fitting(set) {
			p, err := f.plan(set, o)
			if err != nil {
				return err
			}
			r, err := f.runner(cmd.ErrOrStderr()).run(ctx, o.Protocol, p)
			if err != nil {
				return fmt.Errorf("%s %s: %w", set.Name, o.Protocol, err)
			}
			if err := lines.Encode(r); err != nil {
				return err
			}
			results = append(results, r)
		}
	}
	return WriteMarkdown(cmd.OutOrStdout(), results)
}

// manyIntents is from where on the protocol independent says something: with few intents nothing competes anyway.
const manyIntents = 100

// fitting lists the protocols that the fields of a set allow.
func (f *flags) fitting(s *Set) []Options {
	if len(s.Intents) == 0 {
		return nil
	}
	base := f.options
	base.Shots, base.Copies, base.HoldOut = 10, 1, 0.25
	var out []Options
	add := func(change func(*Options)) {
		o := base
		change(&o)
		out = append(out, o)
	}
	if s.SingleLabel() {
		add(func(o *Options) { o.Protocol = "shots" })
		add(func(o *Options) { o.Protocol = "full" })
	}
	if s.Descriptions() {
		add(func(o *Options) { o.Protocol = "description" })
	}
	if langs := s.Languages(); s.SingleLabel() && len(langs) > 1 {
		for _, train := range langs {
			for _, test := range langs {
				add(func(o *Options) { o.Protocol, o.TrainLang, o.TestLang = "crosslingual", train, test })
			}
		}
	}
	if s.SingleLabel() && s.Marked() {
		add(func(o *Options) { o.Protocol = "unseen" })
	}
	if s.SingleLabel() && len(s.Intents) >= manyIntents {
		add(func(o *Options) { o.Protocol = "independent" })
		add(func(o *Options) { o.Protocol, o.Copies = "independent", 2 })
	}
	return out
}
