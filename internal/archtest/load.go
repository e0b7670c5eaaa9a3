package archtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Module is everything the rules look at.
type Module struct {
	Path     string // module path
	Dir      string // absolute
	Fset     *token.FileSet
	Packages []*Package
}

// Package is one directory of the module.
type Package struct {
	Rel   string // import path relative to the module; "." is its root
	Name  string
	Dir   string // absolute
	Files []*File
}

// File is one parsed source file.
type File struct {
	Path      string // relative to the module
	AST       *ast.File
	Text      []byte
	Test      bool // _test.go
	Generated bool
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Name, Dir                                        string
	GoFiles, CgoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
	Module                                                       *struct{ Path, Dir string }
}

// Load lists and parses the module that dir lies in. Packages that do not compile are loaded as far as they parse; a file
// that does not parse is an error that names it.
func Load(ctx context.Context, dir string) (*Module, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-e",
		"-json=ImportPath,Name,Dir,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,Module", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly", "GOPROXY=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w: %s", dir, err, stderr.String())
	}
	m := &Module{Fset: token.NewFileSet()}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list in %s: %w", dir, err)
		}
		if err := m.add(&l); err != nil {
			return nil, err
		}
	}
	if len(m.Packages) == 0 {
		return nil, fmt.Errorf("no package under %s", dir)
	}
	return m, nil
}

func (m *Module) add(l *listed) error {
	if l.Module == nil {
		return fmt.Errorf("%s is in no module", l.ImportPath)
	}
	m.Path, m.Dir = l.Module.Path, l.Module.Dir
	p := &Package{Rel: ".", Name: l.Name, Dir: l.Dir}
	if l.ImportPath != m.Path {
		p.Rel = strings.TrimPrefix(l.ImportPath, m.Path+"/")
	}
	for _, name := range slices.Concat(l.GoFiles, l.CgoFiles, l.IgnoredGoFiles, l.TestGoFiles, l.XTestGoFiles) {
		f, err := m.parse(filepath.Join(l.Dir, name))
		if err != nil {
			return err
		}
		p.Files = append(p.Files, f)
	}
	if len(p.Files) > 0 {
		m.Packages = append(m.Packages, p)
	}
	return nil
}

func (m *Module) parse(path string) (*File, error) {
	text, err := os.ReadFile(path) //nolint:gosec // G304: the path comes from go list
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	rel, err := filepath.Rel(m.Dir, path)
	if err != nil {
		return nil, fmt.Errorf("%s is outside the module: %w", path, err)
	}
	tree, err := parser.ParseFile(m.Fset, rel, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	return &File{Path: rel, AST: tree, Text: text, Test: strings.HasSuffix(path, "_test.go"), Generated: ast.IsGenerated(tree)}, nil
}

// product are the files that end up in a binary or in an importer's build and were written by hand.
func (p *Package) product() []*File {
	var out []*File
	for _, f := range p.Files {
		if !f.Test && !f.Generated {
			out = append(out, f)
		}
	}
	return out
}

// tests are the package's _test.go files, internal and external.
func (p *Package) tests() []*File {
	var out []*File
	for _, f := range p.Files {
		if f.Test {
			out = append(out, f)
		}
	}
	return out
}

// imports of a file, unquoted, with their places.
func (f *File) imports() map[string]token.Pos {
	out := make(map[string]token.Pos, len(f.AST.Imports))
	for _, s := range f.AST.Imports {
		out[strings.Trim(s.Path.Value, "`\"")] = s.Pos()
	}
	return out
}

// localName is the name a file calls an imported package by; "" when it does not import it.
func (f *File) localName(path string) string {
	for _, s := range f.AST.Imports {
		if strings.Trim(s.Path.Value, "`\"") == path {
			if s.Name != nil {
				return s.Name.Name
			}
			return path[strings.LastIndexByte(path, '/')+1:]
		}
	}
	return ""
}
