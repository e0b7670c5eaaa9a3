package archtest

import (
	"go/ast"
)

// checkSizes: what does not fit on a few screens is not read. Generated files are exempt.
func checkSizes(r *report, c *Config, p *Package) {
	for _, f := range p.Files {
		if f.Generated {
			continue
		}
		if n := r.m.Fset.File(f.AST.Pos()).LineCount(); n > c.MaxFile {
			r.wholef(f.Path, "file-size", "%d lines, at most %d: split it by noun", n, c.MaxFile)
		}
		eachFunc(r, f, func(fn *ast.FuncDecl, lines int) {
			if lines > c.MaxFunc {
				r.atf(fn.Pos(), "func-size", "%s has %d lines, at most %d: split it by step", fn.Name.Name, lines, c.MaxFunc)
			}
		})
	}
}

// checkShare: nearly all functions of the product fit on one screen.
func checkShare(r *report, c *Config) {
	total, long := 0, 0
	for _, p := range r.m.Packages {
		for _, f := range p.product() {
			eachFunc(r, f, func(_ *ast.FuncDecl, lines int) {
				total++
				if lines > c.LongFunc {
					long++
				}
			})
		}
	}
	if total > 0 && float64(total-long) < c.ShortShare*float64(total) {
		r.wholef(".", "func-share", "%d of %d functions have more than %d lines, at most %.0f %% may", long, total, c.LongFunc, 100*(1-c.ShortShare))
	}
}

// eachFunc calls do with every function of a file that has a body, and its length from the func keyword to the brace.
func eachFunc(r *report, f *File, do func(fn *ast.FuncDecl, lines int)) {
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			do(fn, r.m.Fset.Position(fn.End()).Line-r.m.Fset.Position(fn.Pos()).Line+1)
		}
	}
}
