package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/semabus/semabus/internal/archtest"
)

const root = "../.."

// TestErrorsPageListsEveryReason: reasons are part of the API, so the page about them has no gap and no ghost.
func TestErrorsPageListsEveryReason(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/errors.md")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_0-9]+)` \\|").FindAllStringSubmatch(page, -1) {
		listed[m[1]] = true
	}
	for _, reason := range reasons(t) {
		if !listed[reason] {
			t.Errorf("docs/errors.md does not list %s", reason)
		}
		delete(listed, reason)
	}
	for reason := range listed {
		t.Errorf("docs/errors.md lists %s, which no constant has", reason)
	}
}

// reasons are the values of the string constants Reason… of errors.go.
func reasons(t *testing.T) (out []string) {
	t.Helper()
	m, err := archtest.Load(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Packages[0].Files {
		if f.Path != "errors.go" {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 && strings.HasPrefix(v.Names[0].Name, "Reason") {
				if lit, ok := v.Values[0].(*ast.BasicLit); ok {
					s, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, s)
				}
			}
			return true
		})
	}
	if len(out) == 0 {
		t.Fatal("no reasons found in errors.go")
	}
	return out
}

// TestConfigurationPageListsEveryKey compares the page's table with the tags of the node's configuration.
func TestConfigurationPageListsEveryKey(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-zA-Z.]+)` \\|").FindAllStringSubmatch(read(t, "docs/configuration.md"), -1) {
		listed[m[1]] = true
	}
	listed["text"] = false // a bound of the message, not a key
	for _, key := range configKeys(t) {
		if !listed[key] {
			t.Errorf("docs/configuration.md does not list %s", key)
		}
		delete(listed, key)
	}
	for key, is := range listed {
		if is {
			t.Errorf("docs/configuration.md lists %s, which no field has", key)
		}
	}
}

// configKeys are the koanf paths of the struct Config in internal/node.
func configKeys(t *testing.T) (out []string) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal/node/config.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	structs := map[string]*ast.StructType{}
	ast.Inspect(tree, func(n ast.Node) bool {
		if s, ok := n.(*ast.TypeSpec); ok {
			if st, ok := s.Type.(*ast.StructType); ok {
				structs[s.Name.Name] = st
			}
		}
		return true
	})
	var walk func(name, prefix string)
	walk = func(name, prefix string) {
		for _, f := range structs[name].Fields.List {
			tag, err := strconv.Unquote(f.Tag.Value)
			if err != nil {
				t.Fatal(err)
			}
			key := prefix + reflect.StructTag(tag).Get("koanf")
			if id, ok := f.Type.(*ast.Ident); ok && structs[id.Name] != nil {
				walk(id.Name, key+".")
				continue
			}
			out = append(out, key)
		}
	}
	walk("Config", "")
	return out
}

// TestRoadmapNamesEveryMethod: a method of the contract works, or the roadmap says that it does not.
func TestRoadmapNamesEveryMethod(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/roadmap.md")
	service := regexp.MustCompile(`(?m)^service (\w+)|^\s+rpc (\w+)\(`)
	protos, err := filepath.Glob(filepath.Join(root, "api/semabus/*/*.proto"))
	if err != nil || len(protos) == 0 {
		t.Fatalf("no protos: %v", err)
	}
	for _, name := range protos {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		current := ""
		for _, m := range service.FindAllStringSubmatch(string(text), -1) {
			if m[1] != "" {
				current = m[1]
			} else if method := "`" + current + "." + m[2] + "`"; !strings.Contains(page, method) {
				t.Errorf("docs/roadmap.md does not name %s of %s", method, strings.TrimPrefix(name, root+"/"))
			}
		}
	}
}

// TestLinksLeadSomewhere follows every relative link of the documents.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/rfc/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
					t.Errorf("%s links to %s, which is not there", strings.TrimPrefix(page, root+"/"), m[1])
				}
			}
		}
	}
}

// TestReadmeBeginsWithTheTwoCommands: they are what a new user types first, and .ci/run types them too.
func TestReadmeBeginsWithTheTwoCommands(t *testing.T) {
	t.Parallel()
	head, _, _ := strings.Cut(read(t, "README.md"), "\n## ")
	for _, command := range []string{"go run ./cmd/semabus demo", "go test ./..."} {
		if !strings.Contains(head, "\n"+command) {
			t.Errorf("README.md does not show %q before its first section", command)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
