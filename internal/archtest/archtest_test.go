package archtest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/semabus/semabus/internal/archtest"
)

// dataSets are the public sets the router is measured on. They may stand in documents and tests, never in the product.
var dataSets = []string{"clinc", "banking77", "snips", "metatool", "xsid", "sgd", "nlupp", "crosswoz", "kdconv", "stabletoolbench"}

// TestModule is the point of the package: the module as it is breaks no rule.
func TestModule(t *testing.T) {
	t.Parallel()
	m, err := archtest.Load(t.Context(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	c := archtest.Project()
	c.DataSets = dataSets
	for _, v := range archtest.Check(m, c) {
		t.Error(v)
	}
}

// fixture is the configuration of the modules in testdata: limits small enough to break in a few lines.
func fixture() archtest.Config {
	return archtest.Config{
		Rows: []archtest.Row{
			{Package: "."}, {Package: "a/...", Imports: []string{".", "a/..."}}, {Package: "b", Imports: []string{"."}},
			{Package: "b/driver", Imports: []string{"."}}, {Package: "clean", Imports: []string{"."}},
		},
		Libraries: []archtest.Library{
			{Prefix: "example.org/lib", Packages: []string{"clean"}},
			{Prefix: "go.uber.org/goleak", Tests: true},
		},
		Clocks:     []string{"clock.go"},
		DataSets:   []string{"iris"},
		Skips:      map[string]string{"clean/clean_test.go": "shows that a listed file may"},
		MaxFile:    60,
		MaxFunc:    12,
		LongFunc:   8,
		ShortShare: 0.95,
		MaxMethods: 2,
		NoExample:  []string{"b/driver"},
	}
}

// TestEachRuleCanFail compares the violations of the fixture module with the "// want rule …" markers in its files. A marker
// stands on the line it is about; "// want-file" and "// want-package" are about the file or the directory.
func TestEachRuleCanFail(t *testing.T) {
	t.Parallel()
	m, err := archtest.Load(t.Context(), "testdata/bad")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range archtest.Check(m, fixture()) {
		got = append(got, fmt.Sprintf("%s:%d %s", v.File, v.Line, v.Rule))
		if v.Text == "" || !strings.Contains(v.String(), v.Text) {
			t.Errorf("%v does not say what to do", v)
		}
	}
	want := wanted(t, "testdata/bad")
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
	rules := map[string]bool{}
	for _, w := range want {
		rules[w[strings.LastIndexByte(w, ' ')+1:]] = true
	}
	for _, rule := range []string{"imports", "libraries", "goroutines", "clock", "docs", "examples", "documented", "file-size", "func-size",
		"func-share", "data-sets", "external-tests", "skips", "goleak", "init", "context", "interfaces", "unfinished"} {
		if !rules[rule] {
			t.Errorf("no fixture breaks the rule %q", rule)
		}
	}
}

func TestCleanModuleHasNoViolation(t *testing.T) {
	t.Parallel()
	m, err := archtest.Load(t.Context(), "testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range archtest.Check(m, fixture()) {
		t.Error(v)
	}
}

func TestLoadNamesTheFileThatDoesNotParse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/m\n\ngo 1.26\n")
	write(t, dir, "broken.go", "package m\n\nfunc {\n")
	if _, err := archtest.Load(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "broken.go:3") {
		t.Errorf("load: %v", err)
	}
	if _, err := archtest.Load(t.Context(), t.TempDir()); err == nil {
		t.Error("a folder without a module loads")
	}
}

// TestProjectKnowsEveryPackageOfTheDesign guards the table itself: a typing error in a row would only show up when the
// package arrives.
func TestProjectRowsAllowOnlyKnownPackages(t *testing.T) {
	t.Parallel()
	rows := archtest.Project().Rows
	known := map[string]bool{}
	for _, r := range rows {
		known[r.Package] = true
	}
	for _, r := range rows {
		for _, i := range r.Imports {
			if !known[i] && !slices.Contains([]string{"models", "api/..."}, i) {
				t.Errorf("the row of %s allows %s, which has no row", r.Package, i)
			}
		}
	}
}

// wanted reads the markers below dir.
func wanted(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		for n := 1; lines.Scan(); n++ {
			marker, rules, ok := strings.Cut(lines.Text(), "// want")
			_ = marker
			if !ok {
				continue
			}
			switch words := strings.Fields(rules); {
			case strings.HasPrefix(rules, "-file"):
				out = append(out, want(rel, 0, words[1:])...)
			case strings.HasPrefix(rules, "-package"):
				out = append(out, want(filepath.Dir(rel), 0, words[1:])...)
			default:
				out = append(out, want(rel, n, words)...)
			}
		}
		return lines.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func want(file string, line int, rules []string) (out []string) {
	for _, r := range rules {
		out = append(out, fmt.Sprintf("%s:%d %s", file, line, r))
	}
	return out
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
