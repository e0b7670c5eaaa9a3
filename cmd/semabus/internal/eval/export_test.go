package eval

import semabus "github.com/semabus/semabus"

// Planned is what a plan registers and publishes, for tests.
type Planned struct {
	Intents []semabus.Intent
	Texts   []string   // of the test messages
	Gold    [][]string // of the test messages
	Valid   int
	Args    string
}

// Plan prepares a protocol.
func Plan(s *Set, o Options) (*Planned, error) {
	p, err := s.plan(o)
	if err != nil {
		return nil, err
	}
	out := &Planned{Intents: p.intents, Valid: len(p.valid), Args: p.args}
	for _, it := range p.test {
		out.Texts, out.Gold = append(out.Texts, it.text), append(out.Gold, it.gold)
	}
	return out, nil
}

// Stratified samples strings by their first byte.
func Stratified(in []string, n int, seed int64) []string {
	return stratified(in, n, seed, func(s *string) string { return (*s)[:1] })
}

// Renamed, Halved and Mixed change a set as the flags of the same names do.
func Renamed(s *Set, seed int64) *Set { return s.renamed(seed) }

// Halved is --halve.
func Halved(s *Set, seed int64) *Set { return s.halved(seed) }

// Mixed is --mix.
func Mixed(a, b *Set) *Set { return a.mixed(b) }
