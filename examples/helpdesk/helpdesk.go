package helpdesk

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"

	semabus "github.com/semabus/semabus"
)

//go:embed *.yaml *.jsonl
var files embed.FS

// Set is the name of the set in which the desk's intents compete.
const Set = "helpdesk"

// Message is one thing a customer says and who should hear it.
type Message struct {
	ID     string   `json:"id"`
	Lang   string   `json:"lang"` // "en" or "zh"
	Text   string   `json:"text"`
	Groups []string `json:"groups"` // names of the agents it is for, sorted; empty = nobody
}

// intent is one entry of intents.yaml.
type intent struct {
	Name            string   `yaml:"name"`
	Description     string   `yaml:"description"`
	Examples        []string `yaml:"examples"`
	CounterExamples []string `yaml:"counter_examples"`
}

// Intents returns what the desk's agents register, one intent an agent, in the order of intents.yaml.
func Intents() ([]semabus.Intent, error) {
	data, err := files.ReadFile("intents.yaml")
	if err != nil {
		return nil, err
	}
	var in []intent
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&in); err != nil {
		return nil, fmt.Errorf("helpdesk: intents.yaml: %w", err)
	}
	out := make([]semabus.Intent, len(in))
	for i, d := range in {
		out[i] = semabus.Intent{
			Name: d.Name, Group: d.Name, Set: Set, Description: d.Description,
			Examples: d.Examples, CounterExamples: d.CounterExamples,
		}
	}
	return out, nil
}

// Messages returns the messages of messages.jsonl: written after the intents were fixed, never used to change them.
func Messages() ([]Message, error) { return decode("messages.jsonl") }

// Dev returns the messages of dev.jsonl, the list on which the intents were improved.
func Dev() ([]Message, error) { return decode("dev.jsonl") }

func decode(name string) ([]Message, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var out []Message
	sc := bufio.NewScanner(bytes.NewReader(data))
	for line := 1; sc.Scan(); line++ {
		if len(bytes.TrimSpace(sc.Bytes())) == 0 {
			continue
		}
		var m Message
		dec := json.NewDecoder(bytes.NewReader(sc.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&m); err != nil {
			return nil, fmt.Errorf("helpdesk: %s line %d: %w", name, line, err)
		}
		out = append(out, m)
	}
	return out, sc.Err()
}
