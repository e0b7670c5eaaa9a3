package document_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/document"
)

// thing is what the tests read.
type thing struct {
	Name     string            `yaml:"name"`
	MaxWrong float64           `yaml:"maxWrong"`
	Lease    document.Duration `yaml:"lease"`
	Words    []string          `yaml:"words"`
	Inner    *inner            `yaml:"inner"`
	Free     map[string]string `yaml:"free"`
}

type inner struct {
	DeepKey int `yaml:"deepKey"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	one := thing{Name: "a", MaxWrong: .5, Lease: document.Duration(90 * time.Second), Words: []string{"x"}, Inner: &inner{DeepKey: 3}}
	for name, c := range map[string]struct {
		data string
		want []thing
	}{
		"nothing":   {"# only a comment\n", []thing{}},
		"camelCase": {"name: a\nmaxWrong: .5\nlease: 90s\nwords: [x]\ninner: {deepKey: 3}\n", []thing{one}},
		"snake":     {"name: a\nmax_wrong: .5\nlease: 1m30s\nwords: [x]\ninner:\n  deep_key: 3\n", []thing{one}},
		"list":      {"- name: a\n- name: b\n", []thing{{Name: "a"}, {Name: "b"}}},
		"documents": {"name: a\n---\n- name: b\n", []thing{{Name: "a"}, {Name: "b"}}},
		"JSON":      {"{\n\t\"name\": \"a\",\n\t\"max_wrong\": 0.5,\"lease\":\"90s\",\"words\":[\"x\"],\"inner\":{\"deepKey\":3}}", []thing{one}},
		"surrogate": {`{"name":"\ud83d\ude00","words":["\u4f60\u597d"]}`, []thing{{Name: "😀", Words: []string{"你好"}}}},
		"free keys": {"free: {any_Key: v, any-key: w}\n", []thing{{Free: map[string]string{"any_Key": "v", "any-key": "w"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []thing
			if err := document.Decode("f.yaml", []byte(c.data), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeNamesEveryFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data   string
		reason string
		want   []string // parts of the text
	}{
		"unknown keys": {"name: a\nmaxWorng: 1\ninner: {deapKey: 1}\n", semabus.ReasonUnknownField,
			[]string{"f.yaml line 2", "did you mean maxWrong?", "f.yaml line 3", "did you mean inner.deepKey?"}},
		"far key":       {"entirely_else: 1\n", semabus.ReasonUnknownField, []string{"entirely_else", "no known key is near"}},
		"twice":         {"max_wrong: 1\nmaxWrong: 2\n", semabus.ReasonInvalidValue, []string{"f.yaml line 2", "given twice"}},
		"wrong kind":    {"name: a\nmaxWrong: many\n", semabus.ReasonInvalidValue, []string{"f.yaml line 1", "line 2", "many"}},
		"no unit":       {"lease: 90\n", semabus.ReasonInvalidValue, []string{"f.yaml line 1", "90s"}},
		"not a mapping": {"- just words\n", semabus.ReasonInvalidValue, []string{"key: value"}},
		"alias":         {"inner: &a {deepKey: 1}\nwords: *a\n", semabus.ReasonInvalidValue, []string{"aliases"}},
		"broken":        {"a: [", semabus.ReasonInvalidValue, []string{"f.yaml"}},
		"every item":    {"- {nane: a}\n- {name: b}\n- {nane: c}\n", semabus.ReasonUnknownField, []string{"line 1", "line 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := []thing{{Name: "untouched"}}
			err := document.Decode("f.yaml", []byte(c.data), &got)
			if err == nil {
				t.Fatal("no error")
			}
			e, ok := semabus.AsError(err)
			if !ok || e.Code != semabus.CodeInvalidArgument || e.Reason != c.reason {
				t.Errorf("%v is not INVALID_ARGUMENT %s", err, c.reason)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is missing in: %v", w, err)
				}
			}
			if len(got) != 1 || got[0].Name != "untouched" {
				t.Errorf("a faulty file changed the output: %+v", got)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"listen", "tls.clientCa", "dedup.window", "--group"}
	for given, want := range map[string]string{
		"lissten": "listen", "listn": "listen", "LISTEN": "listen", "tls.client_ca": "tls.clientCa", "dedup.windw": "dedup.window",
		"--grup": "--group", "entirelyelse": "", strings.Repeat("x", 1000): "",
	} {
		if got := document.Nearest(given, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", given, got, want)
		}
	}
	if document.Fold("maxWrong") != document.Fold("MAX_WRONG") || document.Fold("max-wrong") != document.Fold("max_wrong") {
		t.Error("case forms of one name fold to different ones")
	}
}

// FuzzDecode: no file makes the reader panic, hang, or return something beside an error.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"name: a", "- {name: a, inner: {deep_key: 2}}", `{"name":"\ud83d"}`, "a: &x [*x]", "? {a: b}\n: c", "!!binary x: y", "---\n---\n", "<<: {name: b}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []thing
		err := document.Decode("f", data, &got)
		var e *semabus.Error
		if err != nil && (got != nil || !errors.As(err, &e)) {
			t.Errorf("%v with %v", err, got)
		}
	})
}

func TestLoad(t *testing.T) {
	t.Parallel()
	got, err := document.Load[thing](strings.NewReader("- name: a\n- name: b\n"), "-", "thing")
	if err != nil || len(got) != 2 || got[1].Name != "b" {
		t.Errorf("from standard input: %+v, %v", got, err)
	}
	for name, in := range map[string]string{"no-such-file.yaml": "name: a", "-": ""} {
		_, err := document.Load[thing](strings.NewReader(in), name, "thing")
		if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument || e.Field != "--file" || e.Fix == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
