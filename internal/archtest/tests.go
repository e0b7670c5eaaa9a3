package archtest

import (
	"go/ast"
	"path/filepath"
	"slices"
	"strings"
)

// checkTests: tests see a package as its users do, none is skipped unnoticed, and what runs goroutines is checked for leaks.
func checkTests(r *report, c *Config, p *Package) {
	leaks := false
	for _, f := range p.tests() {
		leaks = leaks || f.localName("go.uber.org/goleak") != ""
		if f.AST.Name.Name == p.Name && !slices.Contains([]string{"export_test.go"}, filepath.Base(f.Path)) && p.Name != "main" {
			r.atf(f.AST.Name.Pos(), "external-tests", "test in package %s: make it %s_test and open what it needs in export_test.go", p.Name, p.Name)
		}
		checkSkips(r, c, f)
	}
	if fn := runMethod(p); fn != nil && !leaks && p.Name != "driver" && p.Name != "main" && !suite(p) {
		r.atf(fn.Pos(), "goleak", "the package has a Run and no test of it imports goleak: verify in TestMain that it ends what it started")
	}
}

func checkSkips(r *report, c *Config, f *File) {
	if c.Skips[f.Path] != "" {
		return
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, s.Sel.Name) {
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains([]string{"t", "b", "f", "tb"}, strings.ToLower(x.Name)) {
				r.atf(call.Pos(), "skips", "skipped test: make it run, or list the file with its reason in the architecture test")
			}
		}
		return true
	})
}

// runMethod finds an exported method Run(ctx context.Context) error of the package.
func runMethod(p *Package) *ast.FuncDecl {
	for _, f := range p.product() {
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name != "Run" || fn.Recv == nil || fn.Type.Results.NumFields() != 1 || fn.Type.Params.NumFields() != 1 {
				continue
			}
			if s, ok := fn.Type.Params.List[0].Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Context" {
				return fn
			}
		}
	}
	return nil
}
