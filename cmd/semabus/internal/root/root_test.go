package root_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/cmd/semabus/internal/root"
)

// commands calls f for every command that a user sees.
func commands(t *testing.T, f func(*cobra.Command)) {
	t.Helper()
	r := root.Command("test")
	r.InitDefaultHelpCmd()
	r.InitDefaultCompletionCmd()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		f(c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(r)
}

// TestHelp: every command says what it does in one line; every one that runs shows how it is typed.
func TestHelp(t *testing.T) {
	t.Parallel()
	n := 0
	commands(t, func(c *cobra.Command) {
		n++
		generated := c.Name() == "help" || strings.HasPrefix(c.CommandPath(), "semabus completion")
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: give it one line, without a full stop", c.CommandPath())
		}
		if c.Runnable() && !generated && c.Example == "" && c.Long == "" {
			t.Errorf("%s: show how it is typed", c.CommandPath())
		}
	})
	if n < 40 {
		t.Errorf("only %d commands were seen", n)
	}
}

// TestExamples: what --help shows can be typed: the commands and flags exist.
func TestExamples(t *testing.T) {
	t.Parallel()
	commands(t, func(c *cobra.Command) {
		for _, line := range strings.Split(c.Example, "\n") {
			check(t, c.CommandPath()+" --help", line)
		}
	})
}

// TestReference: docs/cli.md names every command, and has no flag that does not exist.
func TestReference(t *testing.T) {
	t.Parallel()
	text := read(t, "cli.md")
	commands(t, func(c *cobra.Command) {
		if !strings.Contains(text, "`"+strings.TrimPrefix(c.CommandPath(), "semabus ")) && c.HasParent() {
			t.Errorf("docs/cli.md does not name `%s`", strings.TrimPrefix(c.CommandPath(), "semabus "))
		}
	})
}

// TestDocuments: the commands that the documents show exist, with their flags.
func TestDocuments(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../../docs/*.md")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		for i, block := range strings.Split(read(t, name), "\n```") {
			if i%2 == 0 {
				continue // between the blocks
			}
			session := strings.Contains(block, "\n$ ") // what has no prompt is output
			for _, line := range strings.Split(block, "\n") {
				if !session || strings.HasPrefix(line, "$ ") {
					check(t, "docs/"+name, line)
				}
			}
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	// invocation finds a command line of ours at the start of a line or behind a prompt, variables, a pipe or $(.
	invocation = regexp.MustCompile(`(?:^|[|(]|\$ )\s*(?:[A-Z_]+=\S+ )*(?:(?:bin|\./)?/?)semabus ((?:[^|&)#"']|"[^"]*"|'[^']*')*)`)
	flagName   = regexp.MustCompile(`--[a-z][a-z-]*`)
	quoted     = regexp.MustCompile(`"[^"]*"|'[^']*'`)
)

// check looks the commands of one line up.
func check(t *testing.T, where, line string) {
	t.Helper()
	for _, m := range invocation.FindAllStringSubmatch(line, -1) {
		// Output after a wide gap, as in lists of commands with a remark, is not part of it.
		words, _, _ := strings.Cut(quoted.ReplaceAllString(m[1], "Q"), "   ")
		r := root.Command("test")
		r.InitDefaultCompletionCmd()
		cmd, _, err := r.Find(strings.Fields(words))
		if err != nil || cmd == r && !strings.HasPrefix(strings.TrimSpace(words), "-") {
			t.Errorf("%s: %q names no command: %v", where, line, err)
			continue
		}
		cmd.InitDefaultHelpFlag()
		for _, f := range flagName.FindAllString(words, -1) {
			if cmd.Flags().Lookup(f[2:]) == nil {
				t.Errorf("%s: %q: %s has no flag %s", where, line, cmd.CommandPath(), f)
			}
		}
	}
}
