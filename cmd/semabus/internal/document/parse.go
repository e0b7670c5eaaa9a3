package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"go.yaml.in/yaml/v3"

	semabus "github.com/semabus/semabus"
)

// surrogates finds JSON's escapes of characters beyond the basic plane, which YAML does not know.
var surrogates = regexp.MustCompile(`(?i)\\u[d][89a-f]`)

// Parse reads the YAML documents of a file; name is for error texts. An empty file has none.
func Parse(name string, data []byte) ([]*yaml.Node, error) {
	if json.Valid(data) {
		data = jsonAsYAML(data)
	}
	var out []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := decode(dec, &n)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: name,
				Fix: "correct the file's YAML or JSON", Err: err}
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
			out = append(out, n.Content[0])
		}
	}
}

// decode is dec.Decode; the parser panics on some inputs instead of returning an error.
func decode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not YAML: %v", p)
		}
	}()
	return dec.Decode(n)
}

// jsonAsYAML replaces the two things of JSON that YAML reads otherwise: tabs between tokens (a JSON string has none) and
// surrogate pairs.
func jsonAsYAML(data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte{'\t'}, []byte{' '})
	if !surrogates.Match(data) {
		return data
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return data
	}
	again, err := json.Marshal(v)
	if err != nil {
		return data
	}
	return again
}

// Unknown is the error of a key that does not exist. At is the file and line, or another place; key is as written.
func Unknown(at, key string, known []string) *semabus.Error {
	e := &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonUnknownField, Field: at, Value: semabus.Shorten(key),
		Fix: "remove it; no known key is near"}
	if near := Nearest(key, known); near != "" {
		e.Fix = "did you mean " + near + "?"
	}
	return e
}

// Place is a line of a file for error texts.
func Place(name string, line int) string { return fmt.Sprintf("%s line %d", name, line) }
