package eval

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	semabus "github.com/semabus/semabus"
)

// Options are the arguments of one evaluation.
type Options struct {
	Protocol  string
	Shots     int     // shots: examples an intent and language
	Seed      int64   // shots, unseen: 0 = the examples that the set lists, the intents that the set marks
	TrainLang string  // crosslingual
	TestLang  string  // crosslingual
	HoldOut   float64 // unseen: share of the intents held out where the set marks none
	Copies    int     // independent
	Limit     int     // messages; 0 = all
	LimitSeed int64
	Epsilon   float64 // max_wrong of every intent; 0 = no budget
}

// item is one message to publish and the labels it is for; none = out of scope.
type item struct {
	text string
	gold []string
}

// place is where an intent registered under a name of our own belongs in the data set.
type place struct {
	label string
	copy  int
}

// plan is what one evaluation registers and publishes.
type plan struct {
	set     string
	args    string
	seed    int64
	intents []semabus.Intent
	places  map[string]place // by intent name
	valid   []item
	test    []item
	copies  int
}

// protocols are those that are built, with what each registers.
var protocols = map[string]func(*Set, Options) (*plan, error){
	"shots": planShots, "full": planFull, "description": planDescription,
	"crosslingual": planCrosslingual, "unseen": planUnseen, "independent": planIndependent,
}

// later are the protocols of the data sets whose part of the product is not built yet.
var later = []string{
	"multi", "budget", "feedback", "session", "extract", "context-link", "kg-link", "reply-link", "retrieval",
}

// plan prepares the protocol that o names for the set.
func (s *Set) plan(o Options) (*plan, error) {
	build, ok := protocols[o.Protocol]
	if !ok {
		return nil, unknownProtocol(o.Protocol)
	}
	if len(s.Intents) == 0 {
		return nil, usage("--data", s.Name, "this set has no intents to register; choose another")
	}
	p, err := build(s, o)
	if err != nil {
		return nil, err
	}
	p.set, p.seed = s.Name, o.Seed
	p.copies = max(p.copies, 1)
	p.test = stratified(p.test, o.Limit, o.LimitSeed, func(it *item) string { return strings.Join(it.gold, "\x00") })
	if len(p.test) == 0 {
		return nil, usage("--data", s.Name, "no test message is left under these arguments")
	}
	return p, nil
}

func unknownProtocol(name string) error {
	if slices.Contains(later, name) {
		return &semabus.Error{
			Code: semabus.CodeUnimplemented, Reason: semabus.ReasonNotBuilt, Field: "--protocol", Value: name,
			Fix: "not built yet, see docs/roadmap.md", Op: "eval",
		}
	}
	return usage("--protocol", name, "choose one of shots, full, description, crosslingual, unseen, independent")
}

func usage(field, value, fix string) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: field,
		Value: semabus.Shorten(value), Fix: fix, Op: "eval",
	}
}

// competing builds the plan in which all intents compete in one set; examples gives each intent's own.
func (s *Set) competing(o Options, examples func(*Definition) []string) *plan {
	p := &plan{places: map[string]place{}}
	for i := range s.Intents {
		d := &s.Intents[i]
		p.add(semabus.Intent{
			Name: d.Name, Set: "eval", Description: d.Description, Examples: examples(d), Budget: budget(o),
		}, place{label: d.Name})
	}
	return p
}

// add registers one intent under its own group unless there is nothing to tell the router about it.
func (p *plan) add(in semabus.Intent, at place) {
	if in.Description == "" && len(in.Examples) == 0 {
		return
	}
	in.Group = in.Name
	p.intents = append(p.intents, in)
	p.places[in.Name] = at
}

func budget(o Options) *semabus.Budget {
	if o.Epsilon == 0 {
		return nil
	}
	return &semabus.Budget{MaxWrong: o.Epsilon, Prefer: semabus.PreferPrecision}
}

// publish takes the rows of a split that keep holds for; gold labels that nobody registered make a row out of scope.
func (p *plan) publish(s *Set, split string, keep func(*Row) bool) []item {
	known := map[string]bool{}
	for _, at := range p.places {
		known[at.label] = true
	}
	var out []item
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.Split != split || strings.TrimSpace(r.Text) == "" || !keep(r) {
			continue
		}
		it := item{text: r.Text}
		for _, g := range r.gold() {
			if known[g] && !slices.Contains(it.gold, g) {
				it.gold = append(it.gold, g)
			}
		}
		out = append(out, it)
	}
	return out
}

func everyRow(*Row) bool { return true }

// training lists the training texts of each label in the order of the file, of one language or of all ("").
func (s *Set) training(lang string) map[string][]string {
	out := map[string][]string{}
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.Split != splitTrain || r.OOS || (lang != "" && r.Lang != lang) {
			continue
		}
		for _, g := range r.gold() {
			out[g] = append(out[g], r.Text)
		}
	}
	return out
}

// listed are up to n of the examples that the set lists for an intent, in each language.
func listed(d *Definition, n int) []string {
	langs := make([]string, 0, len(d.Examples))
	for l := range d.Examples {
		langs = append(langs, l)
	}
	slices.Sort(langs)
	var out []string
	for _, l := range langs {
		out = append(out, d.Examples[l][:min(n, len(d.Examples[l]))]...)
	}
	return out
}

// drawn are n examples an intent and language: under seed 0 the listed ones, under another seed drawn from train.
func (s *Set) drawn(o Options) func(*Definition) []string {
	if o.Seed == 0 {
		return func(d *Definition) []string { return listed(d, o.Shots) }
	}
	byLang := map[string]map[string][]string{}
	langs := s.Languages()
	for _, l := range langs {
		byLang[l] = s.training(l)
	}
	place := map[string]string{} // of an intent in the set: what is drawn does not hang on its name
	for i := range s.Intents {
		place[s.Intents[i].Name] = strconv.Itoa(i)
	}
	return func(d *Definition) (out []string) {
		for _, l := range langs {
			out = append(out, draw(newRand(o.Seed, "shots/"+l+"/"+place[d.Name]), byLang[l][d.Name], o.Shots)...)
		}
		return out
	}
}

func planShots(s *Set, o Options) (*plan, error) {
	if o.Shots < 1 || o.Shots > semabus.MaxExamples {
		return nil, usage("--shots", fmt.Sprint(o.Shots), fmt.Sprintf("choose 1 to %d", semabus.MaxExamples))
	}
	if o.Seed == 0 && o.Shots > 10 {
		return nil, usage("--shots", fmt.Sprint(o.Shots), "the set lists at most 10 examples an intent; draw more with --seed 1")
	}
	p := s.competing(o, s.drawn(o))
	p.args = fmt.Sprintf("--shots %d --seed %d", o.Shots, o.Seed)
	p.test = p.publish(s, splitTest, everyRow)
	return p, nil
}

func planFull(s *Set, o Options) (*plan, error) {
	train := s.training("")
	p := s.competing(o, func(d *Definition) []string { return train[d.Name] })
	p.valid = p.publish(s, splitValid, everyRow)
	p.test = p.publish(s, splitTest, everyRow)
	return p, nil
}

// planDescription registers name and description only. Where the source gives no description, the words it does give
// (name, tool, category) stand in.
func planDescription(s *Set, o Options) (*plan, error) {
	if !s.Descriptions() {
		return nil, usage("--protocol", o.Protocol, "the intents of this set have no descriptions; choose another protocol")
	}
	p := s.competing(o, func(*Definition) []string { return nil })
	for i := range s.Intents {
		if d := &s.Intents[i]; d.Description == "" {
			p.add(semabus.Intent{
				Name: d.Name, Set: "eval", Description: strings.Join(d.Words, " "), Budget: budget(o),
			}, place{label: d.Name})
		}
	}
	p.test = p.publish(s, splitTest, func(r *Row) bool { return r.Trigger == nil || *r.Trigger })
	return p, nil
}

func planCrosslingual(s *Set, o Options) (*plan, error) {
	langs := s.Languages()
	for _, f := range []struct{ flag, lang string }{{"--train-lang", o.TrainLang}, {"--test-lang", o.TestLang}} {
		if !slices.Contains(langs, f.lang) {
			return nil, usage(f.flag, f.lang, "this set has the languages "+strings.Join(langs, ", "))
		}
	}
	train := s.training(o.TrainLang)
	p := s.competing(o, func(d *Definition) []string { return train[d.Name] })
	p.args = fmt.Sprintf("--train-lang %s --test-lang %s", o.TrainLang, o.TestLang)
	p.test = p.publish(s, splitTest, func(r *Row) bool { return r.Lang == o.TestLang })
	return p, nil
}

// planUnseen registers the intents that are not held out with all their training rows. What is held out: the intents the
// set marks, else a share of all by seed.
func planUnseen(s *Set, o Options) (*plan, error) {
	drop := map[string]bool{}
	marked := s.Marked() && o.Seed == 0
	if marked {
		for i := range s.Intents {
			if u := s.Intents[i].Unknown; u != nil && *u {
				drop[s.Intents[i].Name] = true
			}
		}
	} else {
		if o.HoldOut <= 0 || o.HoldOut >= 1 {
			return nil, usage("--hold-out", fmt.Sprint(o.HoldOut), "choose a share between 0 and 1")
		}
		drop = s.holdOut(o.HoldOut, newRand(o.Seed, "unseen"))
	}
	train := s.training("")
	for label := range drop {
		delete(train, label)
	}
	kept := &Set{Name: s.Name}
	for _, d := range s.Intents {
		if !drop[d.Name] {
			kept.Intents = append(kept.Intents, d)
		}
	}
	p := kept.competing(o, func(d *Definition) []string { return train[d.Name] })
	p.args = "marked by the set"
	if !marked {
		p.args = fmt.Sprintf("--hold-out %g --seed %d", o.HoldOut, o.Seed)
	}
	p.test = p.publish(s, splitTest, everyRow)
	return p, nil
}

// planIndependent registers the listed examples: one copy = each intent in a set of its own, so nothing competes; more
// copies = the whole set once for each of several applications that know nothing of each other.
func planIndependent(s *Set, o Options) (*plan, error) {
	if o.Copies < 1 || o.Copies > 16 {
		return nil, usage("--copies", fmt.Sprint(o.Copies), "choose 1 to 16")
	}
	p := &plan{places: map[string]place{}, copies: o.Copies}
	for c := range o.Copies {
		for i := range s.Intents {
			d := &s.Intents[i]
			in := semabus.Intent{
				Name: d.Name, Description: d.Description, Examples: listed(d, semabus.MaxExamples), Budget: budget(o),
			}
			if o.Copies == 1 {
				in.Independent = true
			} else {
				in.Name, in.Set = fmt.Sprintf("application-%d/%s", c+1, d.Name), fmt.Sprintf("application-%d", c+1)
			}
			p.add(in, place{label: d.Name, copy: c})
		}
	}
	p.args = fmt.Sprintf("--copies %d", o.Copies)
	p.test = p.publish(s, splitTest, everyRow)
	return p, nil
}
