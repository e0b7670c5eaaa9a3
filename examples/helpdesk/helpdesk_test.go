package helpdesk_test

import (
	"slices"
	"testing"

	"github.com/semabus/semabus/examples/helpdesk"
)

func TestIntents(t *testing.T) {
	t.Parallel()
	intents, err := helpdesk.Intents()
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range intents {
		if in.Description == "" || len(in.Examples) < 15 || len(in.Examples) > 60 {
			t.Errorf("%s: description %q, %d examples", in.Name, in.Description, len(in.Examples))
		}
	}
}

// TestLists checks what the lists promise: enough messages in both languages, known groups, some for two agents, some for
// nobody, and no message that is an example or on the other list.
func TestLists(t *testing.T) {
	t.Parallel()
	intents, err := helpdesk.Intents()
	if err != nil {
		t.Fatal(err)
	}
	known, taken := map[string]bool{}, map[string]string{}
	for _, in := range intents {
		known[in.Group] = true
		for _, e := range slices.Concat(in.Examples, in.CounterExamples) {
			taken[e] = in.Name
		}
	}
	for name, read := range map[string]func() ([]helpdesk.Message, error){
		"messages": helpdesk.Messages, "dev": helpdesk.Dev,
	} {
		all, err := read()
		if err != nil {
			t.Fatal(err)
		}
		var zh, two, none int
		for _, m := range all {
			if by, ok := taken[m.Text]; ok {
				t.Errorf("%s %s is taken from %s", name, m.ID, by)
			}
			taken[m.Text] = name
			if m.Lang == "zh" {
				zh++
			}
			switch len(m.Groups) {
			case 0:
				none++
			case 2:
				two++
			}
			if !slices.IsSorted(m.Groups) || slices.ContainsFunc(m.Groups, func(g string) bool { return !known[g] }) {
				t.Errorf("%s %s is for %v", name, m.ID, m.Groups)
			}
		}
		if len(all) < 60 || zh < 25 || two < 6 || none < 6 {
			t.Errorf("%s: %d messages, %d in Chinese, %d for two agents, %d for nobody", name, len(all), zh, two, none)
		}
	}
}
