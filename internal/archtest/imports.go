package archtest

import (
	"path"
	"strings"
)

// Row says what one package (or a tree, with a trailing "/...") may import of its own module. Patterns are relative to the
// module; "." is its root package.
type Row struct {
	Package string
	Imports []string
}

// Library says where third-party packages belong. Packages lists who may import it outside tests; tests of any package may
// when Tests is set, and the conformance suites (X/Xtest) count as tests.
type Library struct {
	Prefix   string // of the import path
	Packages []string
	Tests    bool
}

// matches reports whether a relative package path fits a pattern: exact, or a tree with a trailing "/...".
func matches(pattern, rel string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return rel == tree || strings.HasPrefix(rel, tree+"/")
	}
	return pattern == rel
}

func matchesAny(patterns []string, rel string) bool {
	for _, p := range patterns {
		if matches(p, rel) {
			return true
		}
	}
	return false
}

// suite reports whether a package is a conformance suite: product code whose purpose is testing.
func suite(p *Package) bool { return strings.HasSuffix(p.Name, "test") && p.Rel != "internal/archtest" }

func checkImports(r *report, c *Config, p *Package) {
	row, known := findRow(c.Rows, p.Rel)
	if !known {
		r.wholef(p.Rel, "imports", "the import table does not know this package: add a row to internal/archtest/table.go")
		return
	}
	for _, f := range p.Files {
		for imp, pos := range f.imports() {
			switch own, isOwn := cutModule(r.m.Path, imp); {
			case isOwn:
				if !f.Test && own != p.Rel && !matchesAny(row.Imports, own) {
					r.atf(pos, "imports", "%s may not import %s: declare the interface it needs, and let internal/bus or internal/node satisfy it", p.Rel, own)
				}
			case !strings.Contains(firstElement(imp), "."): // standard library
				if imp == "testing" && !f.Test && !suite(p) {
					r.atf(pos, "imports", "product code imports testing")
				}
			default:
				checkLibrary(r, c, p, f, imp)
			}
		}
	}
}

func checkLibrary(r *report, c *Config, p *Package, f *File, imp string) {
	pos := f.imports()[imp]
	for _, l := range c.Libraries {
		if imp != l.Prefix && !strings.HasPrefix(imp, l.Prefix+"/") {
			continue
		}
		if matchesAny(l.Packages, p.Rel) || l.Tests && (f.Test || suite(p)) {
			return
		}
	}
	r.atf(pos, "libraries", "%s may not import %s: see the library table in internal/archtest/table.go", p.Rel, imp)
}

// findRow prefers an exact row to a tree, and a deeper tree to a shallow one.
func findRow(rows []Row, rel string) (best Row, ok bool) {
	for _, row := range rows {
		if row.Package == rel {
			return row, true
		}
		if matches(row.Package, rel) && (!ok || len(row.Package) > len(best.Package)) {
			best, ok = row, true
		}
	}
	return best, ok
}

func cutModule(module, imp string) (rel string, ok bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}

func firstElement(imp string) string {
	first, _, _ := strings.Cut(path.Clean(imp), "/")
	return first
}
