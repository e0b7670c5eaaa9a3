package archtest

import (
	"cmp"
	"fmt"
	"go/token"
	"slices"
)

// Violation is one broken rule.
type Violation struct {
	Rule string // its name, e.g. "imports"
	File string // relative to the module; "" where the package as a whole is meant
	Line int    // from 1; 0 = the whole file or package
	Text string // what is wrong and what to do
}

// String is "file:line: text (rule)".
func (v Violation) String() string {
	if v.Line == 0 {
		return fmt.Sprintf("%s: %s (%s)", v.File, v.Text, v.Rule)
	}
	return fmt.Sprintf("%s:%d: %s (%s)", v.File, v.Line, v.Text, v.Rule)
}

// Config are the tables and limits of a module.
type Config struct {
	Rows      []Row             // who may import whom, the module's own packages
	Libraries []Library         // which library belongs where
	Clocks    []string          // package patterns and files that may read the wall clock or sleep
	DataSets  []string          // names that product code must not know; compared as whole words and inside identifiers
	Skips     map[string]string // test files that may skip, with the reason

	MaxFile    int      // lines a file
	MaxFunc    int      // lines a function
	LongFunc   int      // lines beyond which a function counts as long
	ShortShare float64  // smallest share of functions that are not long, 0–1, over product code
	MaxMethods int      // methods an interface outside the drivers
	NoExample  []string // package patterns that need no runnable Example
	NoWriting  []string // package patterns that need no package comment, because they are fixtures or data
}

// WithLimits returns c with the limits of the style guide where c has none.
func (c Config) WithLimits() Config {
	c.MaxFile = cmp.Or(c.MaxFile, 800)
	c.MaxFunc = cmp.Or(c.MaxFunc, 100)
	c.LongFunc = cmp.Or(c.LongFunc, 50)
	c.ShortShare = cmp.Or(c.ShortShare, 0.95)
	c.MaxMethods = cmp.Or(c.MaxMethods, 3)
	return c
}

// Check runs every rule over the module and returns what breaks one, in order of place.
func Check(m *Module, c Config) []Violation {
	r := &report{m: m}
	c = c.WithLimits()
	for _, p := range m.Packages {
		checkImports(r, &c, p)
		checkGoroutines(r, p)
		checkClock(r, &c, p)
		checkDocs(r, &c, p)
		checkSizes(r, &c, p)
		checkDataSets(r, &c, p)
		checkTests(r, &c, p)
		checkDeclarations(r, &c, p)
	}
	checkShare(r, &c)
	slices.SortStableFunc(r.out, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(r.out)
}

// report collects violations.
type report struct {
	m   *Module
	out []Violation
}

// atf reports a violation at a place in a file.
func (r *report) atf(pos token.Pos, rule, format string, args ...any) {
	p := r.m.Fset.Position(pos)
	r.out = append(r.out, Violation{Rule: rule, File: p.Filename, Line: p.Line, Text: fmt.Sprintf(format, args...)})
}

// wholef reports a violation of a whole file or package.
func (r *report) wholef(path, rule, format string, args ...any) {
	r.out = append(r.out, Violation{Rule: rule, File: path, Text: fmt.Sprintf(format, args...)})
}
