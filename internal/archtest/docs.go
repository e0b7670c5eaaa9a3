package archtest

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"strings"
)

// checkDocs: a package comment in doc.go, a runnable Example, every exported name documented.
func checkDocs(r *report, c *Config, p *Package) {
	product := p.product()
	if len(product) == 0 || matchesAny(c.NoWriting, p.Rel) {
		return
	}
	if !hasDoc(p, product) {
		r.wholef(p.Rel, "docs", "no package comment in doc.go: say what it is, its main path and its guarantees")
	}
	if p.Name == "main" {
		return
	}
	if !matchesAny(c.NoExample, p.Rel) && !hasExample(p) {
		r.wholef(p.Rel, "examples", "no Example with an Output comment: show the main path in example_test.go")
	}
	exported := exportedTypes(product)
	for _, f := range product {
		for _, d := range f.AST.Decls {
			checkDecl(r, exported, d)
		}
	}
}

// hasDoc looks for a package comment of more than a line in doc.go, or in the only file of a package that has one file; a
// command may have it in any file.
func hasDoc(p *Package, product []*File) bool {
	for _, f := range product {
		if f.AST.Doc == nil || len(product) > 1 && p.Name != "main" && filepath.Base(f.Path) != "doc.go" {
			continue
		}
		if text := f.AST.Doc.Text(); len(text) > 60 && (strings.HasPrefix(text, "Package "+p.Name) || p.Name == "main") {
			return true
		}
	}
	return false
}

func hasExample(p *Package) bool {
	for _, f := range p.tests() {
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Example") {
				continue
			}
			for _, g := range f.AST.Comments {
				if text := strings.ToLower(g.Text()); g.Pos() > fn.Pos() && g.End() < fn.End() &&
					(strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:")) {
					return true
				}
			}
		}
	}
	return false
}

// exportedTypes are the names of a package's exported types: only their methods need a comment.
func exportedTypes(files []*File) map[string]bool {
	out := map[string]bool{}
	for _, f := range files {
		for _, d := range f.AST.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				if t, ok := s.(*ast.TypeSpec); ok && t.Name.IsExported() {
					out[t.Name.Name] = true
				}
			}
		}
	}
	return out
}

func checkDecl(r *report, exported map[string]bool, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || exported[receiver(d)]) {
			r.atf(d.Pos(), "documented", "%s has no comment", d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					r.atf(s.Pos(), "documented", "%s has no comment", s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
						r.atf(n.Pos(), "documented", "%s has no comment", n.Name)
					}
				}
			}
		}
	}
}

// receiver is the type name of a method's receiver, without pointer and type parameters.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
