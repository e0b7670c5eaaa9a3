package eval

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	semabus "github.com/semabus/semabus"
)

// maxLine bounds one line of a data file, in bytes.
const maxLine = 4 << 20

// Row is one message of a data set. Label is the single gold intent, Labels the several; a row has one of them or neither.
type Row struct {
	ID      string   `json:"id"`
	Text    string   `json:"text"`
	Label   string   `json:"label"`
	Labels  []string `json:"labels"`
	Split   string   `json:"split"` // train, valid or test
	Lang    string   `json:"lang"`  // ISO 639-1
	OOS     bool     `json:"oos"`   // for none of the intents
	Session string   `json:"session"`
	Speaker string   `json:"speaker"` // of a dialogue: "user" is whom the bus hears
	Trigger *bool    `json:"trigger"` // of a dialogue: the turn states a new intent; nil where the set does not say
}

// gold lists the labels the row names, none for an out-of-scope row.
func (r *Row) gold() []string {
	switch {
	case r.OOS:
		return nil
	case len(r.Labels) > 0:
		return r.Labels
	case r.Label != "":
		return []string{r.Label}
	}
	return nil
}

// Definition is one intent of a data set.
type Definition struct {
	Name        string
	Description string              // "" where the source has none
	Examples    map[string][]string // the listed training examples by language; "" = the language of the set
	Words       []string            // what the source says of the intent beside a description: its name in the file, tool and category
	Unknown     *bool               // marked by the set as to be held out (true) or kept (false); nil where it does not mark
}

// Set is a data set in memory.
type Set struct {
	Name    string // of its folder
	Intents []Definition
	Rows    []Row
}

// Load reads DIR/intents.jsonl and DIR/messages.jsonl(.gz), leaves out what a bus never hears (other speakers of a
// dialogue) and cuts a valid split from train where there is none.
func Load(dir string) (*Set, error) {
	s := &Set{Name: filepath.Base(filepath.Clean(dir))}
	err := readLines(dir, "intents.jsonl", func(line []byte) error {
		d, err := decodeDefinition(line)
		if err == nil {
			s.Intents = append(s.Intents, d)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = readLines(dir, "messages.jsonl", func(line []byte) error {
		var r Row
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if r.Speaker == "" || r.Speaker == "user" {
			r.Label = strings.TrimSpace(r.Label)
			for i := range r.Labels {
				r.Labels[i] = strings.TrimSpace(r.Labels[i])
			}
			s.Rows = append(s.Rows, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.cutValid()
	return s, nil
}

// decodeDefinition reads one line of intents.jsonl. Examples may come in several languages: "examples" and "examples_xx".
func decodeDefinition(line []byte) (Definition, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return Definition{}, err
	}
	text := func(key string) (out string) {
		_ = json.Unmarshal(fields[key], &out) // null or absent = ""
		return strings.TrimSpace(out)
	}
	d := Definition{Name: text("name"), Description: text("description"), Examples: map[string][]string{}}
	if d.Name == "" {
		return d, errors.New("an intent without a name")
	}
	for key, raw := range fields {
		lang, ok := strings.CutPrefix(key, "examples_")
		if key != "examples" && !ok {
			continue
		}
		if key == "examples" {
			lang = ""
		}
		var list []string
		if err := json.Unmarshal(raw, &list); err != nil {
			return d, fmt.Errorf("%s: %w", key, err)
		}
		d.Examples[lang] = list
	}
	for _, key := range []string{"name", "tool", "category"} {
		if w := text(key); w != "" {
			d.Words = append(d.Words, w)
		}
	}
	if raw, ok := fields["oos27"]; ok {
		d.Unknown = new(bool)
		if err := json.Unmarshal(raw, d.Unknown); err != nil {
			return d, fmt.Errorf("oos27: %w", err)
		}
	}
	return d, nil
}

// readLines calls f for each non-empty line of dir/name or dir/name.gz.
func readLines(dir, name string, f func(line []byte) error) error {
	path := filepath.Join(dir, name)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		path += ".gz"
		file, err = os.Open(path)
	}
	if err != nil {
		return &semabus.Error{
			Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound, Field: "--data", Value: semabus.Shorten(dir),
			Fix: "name a folder that holds intents.jsonl and messages.jsonl or messages.jsonl.gz", Op: "eval.Load", Err: err,
		}
	}
	defer file.Close() //nolint:errcheck // read only
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		zr, err := gzip.NewReader(file)
		if err != nil {
			return badData(path, 0, err)
		}
		r = zr
	}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxLine)
	n := 0
	for sc.Scan() {
		n++
		if line := bytes.TrimSpace(sc.Bytes()); len(line) > 0 {
			if err := f(line); err != nil {
				return badData(path, n, err)
			}
		}
	}
	if err := sc.Err(); err != nil {
		return badData(path, n, err)
	}
	return nil
}

func badData(path string, line int, err error) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: "--data",
		Value: fmt.Sprintf("%s line %d", path, line), Fix: "every line must be one JSON object of the documented fields",
		Op: "eval.Load", Err: err,
	}
}

// Descriptions reports whether most intents of the set carry one.
func (s *Set) Descriptions() bool {
	n := 0
	for i := range s.Intents {
		if s.Intents[i].Description != "" {
			n++
		}
	}
	return 2*n > len(s.Intents)
}

// SingleLabel reports whether the set's rows name at most one intent each and it has training rows.
func (s *Set) SingleLabel() bool {
	single, train := false, false
	for i := range s.Rows {
		if s.Rows[i].Labels != nil {
			return false
		}
		single = single || s.Rows[i].Label != ""
		train = train || s.Rows[i].Split == splitTrain
	}
	return single && train
}

// Languages lists the languages of the rows in order of appearance.
func (s *Set) Languages() []string {
	var out []string
	seen := map[string]bool{}
	for i := range s.Rows {
		if l := s.Rows[i].Lang; !seen[l] {
			seen[l] = true
			out = append(out, l)
		}
	}
	return out
}

// Marked reports whether the set itself says which intents are to be unknown.
func (s *Set) Marked() bool {
	for i := range s.Intents {
		if s.Intents[i].Unknown != nil {
			return true
		}
	}
	return false
}
