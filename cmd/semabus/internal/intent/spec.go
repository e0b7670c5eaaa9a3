package intent

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/document"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// spec is an intent in a file.
type spec struct {
	Name            string            `yaml:"name"`
	Description     string            `yaml:"description"`
	Examples        []string          `yaml:"examples"`
	CounterExamples []string          `yaml:"counterExamples"`
	Filter          string            `yaml:"filter"`
	Topics          []string          `yaml:"topics"`
	Group           string            `yaml:"group"`
	Set             string            `yaml:"set"`
	Independent     bool              `yaml:"independent"`
	Budget          *budget           `yaml:"budget"`
	AcceptOwn       bool              `yaml:"acceptOwn"`
	Attributes      map[string]string `yaml:"attributes"`

	// What get prints beside it, so that its output can be a file; the registry sets it.
	Version         uint64 `yaml:"version"`
	UpdateTime      string `yaml:"updateTime"`
	UpdatedBy       string `yaml:"updatedBy"`
	RegistryVersion uint64 `yaml:"registryVersion"`
}

type budget struct {
	MaxWrong  float64 `yaml:"maxWrong"`
	MaxMissed float64 `yaml:"maxMissed"`
	Prefer    string  `yaml:"prefer"`
}

func (s *spec) intent() (semabus.Intent, error) {
	in := semabus.Intent{Name: s.Name, Description: s.Description, Examples: s.Examples, CounterExamples: s.CounterExamples,
		Filter: s.Filter, Topics: s.Topics, Group: s.Group, Set: s.Set, Independent: s.Independent, AcceptOwn: s.AcceptOwn,
		Attributes: s.Attributes}
	if b := s.Budget; b != nil {
		side, err := prefer("budget.prefer", b.Prefer)
		if err != nil {
			return in, err
		}
		in.Budget = &semabus.Budget{MaxWrong: b.MaxWrong, MaxMissed: b.MaxMissed, Prefer: side}
	}
	return in, nil
}

// prefer reads the side of a budget that wins; the proto's names do as well.
func prefer(field, text string) (semabus.Prefer, error) {
	v, err := choice(field, text, view.Prefers)
	return semabus.Prefer(v), err
}

// choice finds a word in a list; "" is the first. The proto's form PREFER_RECALL means recall.
func choice(field, text string, names []string) (uint8, error) {
	word := strings.ToLower(text)
	if i := strings.LastIndexByte(word, '_'); i >= 0 {
		word = word[i+1:]
	}
	if word == "" {
		return 0, nil
	}
	i := slices.Index(names, word)
	if i < 0 {
		return 0, fault.Usage(field, text, "use one of "+strings.Join(names, ", "))
	}
	return uint8(i), nil //nolint:gosec // the lists have three words at most
}

// readFile reads intents from a file, "-" = standard input.
func readFile(stdin io.Reader, name string) ([]semabus.Intent, error) {
	specs, err := document.Load[spec](stdin, name, "intent")
	if err != nil {
		return nil, err
	}
	out := make([]semabus.Intent, len(specs))
	for i := range specs {
		if out[i], err = specs[i].intent(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fields are the flags that describe one intent.
type fields struct {
	spec       spec
	budget     budget
	attributes []string
}

func (f *fields) bind(cmd *cobra.Command) {
	p, s := cmd.Flags(), &f.spec
	p.StringVar(&s.Description, "description", "", "what it wants to hear, in plain words")
	p.StringArrayVar(&s.Examples, "example", nil, "a message that it wants; repeat for more")
	p.StringArrayVar(&s.CounterExamples, "counter-example", nil, "a message that it does not want; repeat for more")
	p.StringVar(&s.Filter, "filter", "", `CEL condition over headers and metadata, such as 'headers["region"] == "eu"'`)
	p.StringArrayVar(&s.Topics, "topic", nil, "a topic, exact or orders.*; repeat for more")
	p.StringVar(&s.Group, "group", "", "who receives; default: the name")
	p.StringVar(&s.Set, "set", "", "intents that compete; default: the credential's")
	p.BoolVar(&s.Independent, "independent", false, "compete with nobody")
	p.BoolVar(&s.AcceptOwn, "accept-own", false, "also receive what the group's own deliveries caused")
	p.Float64Var(&f.budget.MaxWrong, "max-wrong", 0, "budget: share of its deliveries that may be wrong, 0–1; 0 = not stated")
	p.Float64Var(&f.budget.MaxMissed, "max-missed", 0, "budget: share of its messages that it may miss, 0–1; 0 = not stated")
	p.StringVar(&f.budget.Prefer, "prefer", "", "budget: which side wins where both cannot hold: "+strings.Join(view.Prefers, ", "))
	p.StringArrayVar(&f.attributes, "attribute", nil, "key=value for people and tools; repeat for more")
}

// apply writes the flags that were given into in.
func (f *fields) apply(cmd *cobra.Command, in *semabus.Intent) error {
	given := cmd.Flags().Changed
	if err := f.applyBudget(given, in); err != nil {
		return err
	}
	if given("attribute") {
		f.spec.Attributes = map[string]string{}
	}
	for _, kv := range f.attributes {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return fault.Usage("--attribute", kv, "write it as key=value")
		}
		f.spec.Attributes[k] = v
	}
	from, err := f.spec.intent()
	if err != nil {
		return err
	}
	f.copy(given, in, &from)
	return nil
}

func (f *fields) copy(given func(string) bool, in, from *semabus.Intent) {
	for flag, set := range map[string]func(){
		"description":     func() { in.Description = from.Description },
		"example":         func() { in.Examples = from.Examples },
		"counter-example": func() { in.CounterExamples = from.CounterExamples },
		"filter":          func() { in.Filter = from.Filter },
		"topic":           func() { in.Topics = from.Topics },
		"group":           func() { in.Group = from.Group },
		"set":             func() { in.Set = from.Set },
		"independent":     func() { in.Independent = from.Independent },
		"accept-own":      func() { in.AcceptOwn = from.AcceptOwn },
		"attribute":       func() { in.Attributes = from.Attributes },
	} {
		if given(flag) {
			set()
		}
	}
}

// applyBudget writes the sides of the budget that were given.
func (f *fields) applyBudget(given func(string) bool, in *semabus.Intent) error {
	if !given("max-wrong") && !given("max-missed") && !given("prefer") {
		return nil
	}
	b := semabus.Budget{}
	if in.Budget != nil {
		b = *in.Budget
	}
	if given("max-wrong") {
		b.MaxWrong = f.budget.MaxWrong
	}
	if given("max-missed") {
		b.MaxMissed = f.budget.MaxMissed
	}
	var err error
	if given("prefer") {
		b.Prefer, err = prefer("--prefer", f.budget.Prefer)
	}
	in.Budget = &b
	return err
}
