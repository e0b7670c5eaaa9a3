package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// checkGoroutines: every goroutine has an owner that waits for it, which a bare go statement cannot show. Errgroups of a
// Run method start them; net/http and gRPC start their own.
func checkGoroutines(r *report, p *Package) {
	for _, f := range p.product() {
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				r.atf(g.Pos(), "goroutines", "bare go statement: start it in an errgroup that a Run method owns and waits for")
			}
			return true
		})
	}
}

// checkClock: time is given (semabus.Clock), so that tests and simulations own it. Tests never sleep, but for the virtual
// time of testing/synctest.
func checkClock(r *report, c *Config, p *Package) {
	for _, f := range p.Files {
		name := f.localName("time")
		if name == "" || f.Generated || matchesAny(c.Clocks, p.Rel) && !f.Test || slices.Contains(c.Clocks, f.Path) {
			continue
		}
		banned := []string{"Now", "Since", "Until", "Sleep"}
		fix := "take a semabus.Clock"
		if f.Test {
			if f.localName("testing/synctest") != "" {
				continue
			}
			banned, fix = []string{"Sleep"}, "wait for the event itself, or run the test in testing/synctest"
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == name && slices.Contains(banned, s.Sel.Name) {
				r.atf(s.Pos(), "clock", "time.%s: %s", s.Sel.Name, fix)
			}
			return true
		})
	}
}

// checkDataSets: a product that knows the names of what it is measured on could be tuned to them.
func checkDataSets(r *report, c *Config, p *Package) {
	if len(c.DataSets) == 0 {
		return
	}
	// A name counts as a word or as a part of camelCase or snake_case, not as some letters inside a longer word.
	names := make([]string, len(c.DataSets))
	for i, n := range c.DataSets {
		names[i] = regexp.QuoteMeta(n)
	}
	re := regexp.MustCompile(`(?:^|[^a-z])(` + strings.Join(names, "|") + `)(?:[^a-z]|$)`)
	for _, f := range p.product() {
		for i, line := range strings.Split(string(f.Text), "\n") {
			for _, form := range []string{strings.ToLower(line), splitCamel(line)} {
				if m := re.FindStringSubmatch(form); m != nil {
					r.atf(lineStart(r, f, i+1), "data-sets", "product code names the data set %q: pass it in as data", m[1])
					break
				}
			}
		}
	}
}

// splitCamel writes "loadFooSet" as "load foo set".
func splitCamel(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte(' ')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

func lineStart(r *report, f *File, line int) token.Pos {
	return r.m.Fset.File(f.AST.Pos()).LineStart(line)
}

// unfinished matches what may not be left behind in comments. It is put together here so that it does not find itself.
var unfinished = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "X" + "XX"}, "|") + `)\b`)

// checkDeclarations: no init functions (backends are a map literal in internal/node), no context in a struct (it belongs to
// one call), small interfaces (a driver's is the contract of a whole engine), nothing left unfinished.
func checkDeclarations(r *report, c *Config, p *Package) {
	for _, f := range p.product() {
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				r.atf(fn.Pos(), "init", "init function: make it a value or a constructor")
			}
		}
		ctx := f.localName("context")
		ast.Inspect(f.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.StructType:
				checkContextFields(r, ctx, n)
			case *ast.InterfaceType:
				if k := methods(n); k > c.MaxMethods && p.Name != "driver" {
					r.atf(n.Pos(), "interfaces", "interface with %d methods, at most %d outside a driver: split it by who needs what", k, c.MaxMethods)
				}
			}
			return true
		})
	}
	for _, f := range p.Files {
		for _, g := range f.AST.Comments {
			for _, line := range g.List {
				if m := unfinished.FindString(line.Text); m != "" && !f.Generated {
					r.atf(line.Pos(), "unfinished", "%s: finish it, or name it in docs/roadmap.md and refuse it with a typed error", m)
				}
			}
		}
	}
}

func checkContextFields(r *report, ctx string, s *ast.StructType) {
	for _, field := range s.Fields.List {
		sel, ok := field.Type.(*ast.SelectorExpr)
		if !ok || ctx == "" || sel.Sel.Name != "Context" {
			continue
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == ctx {
			r.atf(field.Pos(), "context", "context.Context in a struct: pass it as the first parameter")
		}
	}
}

// methods counts the methods an interface declares itself.
func methods(t *ast.InterfaceType) (n int) {
	for _, m := range t.Methods.List {
		if _, ok := m.Type.(*ast.FuncType); ok {
			n += len(m.Names)
		}
	}
	return n
}
