package config_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/config"
	"github.com/semabus/semabus/internal/node"
)

// load reads a file's text, an environment and flags.
func load(t *testing.T, file string, environ []string, flags ...string) (*config.Loaded, error) {
	t.Helper()
	var s config.Sources
	cmd := &cobra.Command{}
	s.Bind(cmd)
	if file != "" {
		path := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		flags = append(flags, "--config", path)
	}
	if err := cmd.ParseFlags(flags); err != nil {
		t.Fatal(err)
	}
	return s.Load(environ)
}

// TestKeysAreTheNodes: the table has exactly the keys of node.Config, in a valid form, each with its words.
func TestKeysAreTheNodes(t *testing.T) {
	t.Parallel()
	var got []string
	for _, k := range config.Keys() {
		got = append(got, k.Path)
		if k.Meaning == "" || k.Unit == "" {
			t.Errorf("%s: say what it means and in which unit", k.Path)
		}
	}
	want := slices.Sorted(maps.Keys(config.Values(node.Default())))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-node.Config +table):\n%s", diff)
	}
	k := config.Key{Path: "tls.clientCa"}
	if k.Flag() != "tls-client-ca" || k.Variable() != "SEMABUS_TLS_CLIENT_CA" {
		t.Errorf("%s is --%s and %s", k.Path, k.Flag(), k.Variable())
	}
}

// TestInitIsTheDefault: what init writes is read as exactly the default, has every key, and says its unit.
func TestInitIsTheDefault(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := config.Write(&b); err != nil {
		t.Fatal(err)
	}
	l, err := load(t, b.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(node.Default(), l.Config); diff != "" {
		t.Errorf("(-default +init):\n%s", diff)
	}
	for _, k := range config.Keys() {
		if !strings.Contains(l.Origins[k.Path], "f.yaml line") {
			t.Errorf("%s comes from %q, not from the file", k.Path, l.Origins[k.Path])
		}
		if !strings.Contains(b.String(), "# "+k.Unit+": "+k.Meaning) {
			t.Errorf("%s has no comment", k.Path)
		}
	}
}

// TestDocument: docs/configuration.md has a row for each key, with its default.
func TestDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-zA-Z.]+)` \\| (?:`([^`]*)`)? *\\|").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = m[2]
	}
	defaults := config.Values(node.Default())
	for key, v := range defaults {
		documented, ok := rows[key]
		if want := strings.Trim(config.Format(v), `"`); !ok || documented != want {
			t.Errorf("docs/configuration.md: %s has default %q (row: %v), want %q", key, documented, ok, want)
		}
		delete(rows, key)
	}
	if len(rows) > 0 {
		t.Errorf("docs/configuration.md has rows of keys that do not exist: %v", rows)
	}
}

// TestPrecedence: default < file < environment < flag, key by key.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := "cluster_id: file\nlog:\n  level: warn\n  format: json\ndedup: {window: 2h, max: 5000}\ntrace:\n"
	l, err := load(t, file, []string{"SEMABUS_LOG_LEVEL=debug", "SEMABUS_DEDUP_MAX=6_000", "HOME=/x"}, "--dedup-max=7000", "--insecure")
	if err != nil {
		t.Fatal(err)
	}
	want := node.Default()
	want.ClusterID, want.Log = "file", node.LogConfig{Level: "debug", Format: "json"}
	want.Dedup, want.Insecure = node.Dedup{Window: 2 * time.Hour, Max: 7000}, true
	if diff := cmp.Diff(want, l.Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for key, origin := range map[string]string{"log.level": "SEMABUS_LOG_LEVEL", "dedup.max": "--dedup-max", "listen": "default", "insecure": "--insecure"} {
		if l.Origins[key] != origin {
			t.Errorf("%s comes from %q, want %q", key, l.Origins[key], origin)
		}
	}
}

// TestForeignVariables: what an orchestrator sets for a service of our name, and what client commands read, are no keys.
func TestForeignVariables(t *testing.T) {
	t.Parallel()
	_, err := load(t, "", []string{
		"SEMABUS_SERVICE_HOST=10.0.0.1", "SEMABUS_SERVICE_PORT=7420", "SEMABUS_SERVICE_PORT_GRPC=7420", "SEMABUS_PORT=tcp://10.0.0.1:7420",
		"SEMABUS_PORT_7420_TCP_ADDR=10.0.0.1", "SEMABUS_ADDR=x", "SEMABUS_API_KEY=y",
	})
	if err != nil {
		t.Error(err)
	}
}

// TestEveryFaultAtOnce: unknown keys, unreadable values and what Validate says, of all sources, each with its place.
func TestEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	_, err := load(t, "listn: x\npprof: maybe\nretention: {settled: -1h}\ntls: 3\nlog: {level: [a]}\n",
		[]string{"SEMABUS_TRACE_SAMPEL=1", "SEMABUS_TRACE_SAMPLE=7"}, "--dedup-window=soon", "--http=nowhere")
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{
		"line 1 is listn; did you mean listen?", `line 2: pprof is "maybe"`, "retention", "line 4 is tls", "line 5 is log.level",
		"environment is SEMABUS_TRACE_SAMPEL; did you mean SEMABUS_TRACE_SAMPLE?", "trace.sample (SEMABUS_TRACE_SAMPLE) is 7",
		`--dedup-window is "soon"`, "http (--http) is nowhere",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
	var e *semabus.Error
	if !errors.As(err, &e) || e.Code != semabus.CodeInvalidArgument {
		t.Errorf("%v is not INVALID_ARGUMENT", err)
	}
}

// FuzzFile: no file makes the reader panic, and what it accepts it reads the same after writing it again.
func FuzzFile(f *testing.F) {
	var b bytes.Buffer
	if err := config.Write(&b); err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{b.String(), "data: '#'", "data: \"a: b\"", "tls: {cert: ~}", "a: &a [*a]", "dedup:\n  max: 1_000\n", "data: |\n  x\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		values, errs, err := config.ParseFile(data)
		if err != nil || len(errs) > 0 {
			return
		}
		var again strings.Builder
		for k, v := range values {
			section, key, nested := strings.Cut(k, ".")
			if nested {
				again.WriteString(section + ": {" + key + ": " + config.Format(v) + "}\n---\n")
			} else {
				again.WriteString(k + ": " + config.Format(v) + "\n---\n")
			}
		}
		got, errs, err := config.ParseFile([]byte(again.String()))
		if err != nil || len(errs) > 0 {
			t.Fatalf("%v %v of\n%s", err, errs, again.String())
		}
		if diff := cmp.Diff(values, got); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}
