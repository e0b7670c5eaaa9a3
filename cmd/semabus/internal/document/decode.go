package document

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	semabus "github.com/semabus/semabus"
)

// Decode reads every document of a file into out, a pointer to a slice of structs whose yaml tags are the keys in camelCase.
// A document may be one struct or a list of them. Errors: INVALID_ARGUMENT with UNKNOWN_FIELD or INVALID_VALUE, joined, each
// naming its line.
func Decode[T any](name string, data []byte, out *[]T) error {
	docs, err := Parse(name, data)
	if err != nil {
		return err
	}
	var items []*yaml.Node
	for _, d := range docs {
		if d.Kind == yaml.SequenceNode {
			items = append(items, d.Content...)
		} else {
			items = append(items, d)
		}
	}
	var errs []error
	list := make([]T, len(items))
	for i, n := range items {
		r := &renamer{name: name, depth: maxDepth}
		r.rename(n, reflect.TypeFor[T](), "")
		if len(r.errs) > 0 {
			errs = append(errs, r.errs...)
			continue
		}
		if err := n.Decode(&list[i]); err != nil {
			errs = append(errs, invalid(name, n.Line, err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	*out = list
	return nil
}

// maxDepth bounds nesting; no struct that is read has more.
const maxDepth = 16

func invalid(name string, line int, err error) error {
	if e, ok := semabus.AsError(err); ok {
		e.Field = name + " " + e.Field
		return e
	}
	var t *yaml.TypeError
	if errors.As(err, &t) {
		err = errors.New(strings.Join(t.Errors, "; "))
	}
	return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: Place(name, line),
		Fix: "give each key a value of its kind", Err: err}
}

// renamer turns the keys of a document into the ones of the struct it is read into, and collects what does not fit.
type renamer struct {
	name  string
	depth int
	errs  []error
}

func (r *renamer) rename(n *yaml.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if r.depth--; r.depth < 0 {
		r.errs = append(r.errs, invalid(r.name, n.Line, errors.New("nested too deeply")))
		return
	}
	defer func() { r.depth++ }()
	switch {
	case n.Kind == yaml.AliasNode:
		r.errs = append(r.errs, invalid(r.name, n.Line, errors.New("aliases are not read here: write the value out")))
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, c := range n.Content {
			r.rename(c, t.Elem(), path)
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		r.mapping(n, t, path)
	case t.Kind() == reflect.Struct:
		r.errs = append(r.errs, invalid(r.name, n.Line, errors.New("key: value pairs are expected here")))
	}
}

func (r *renamer) mapping(n *yaml.Node, t reflect.Type, path string) {
	fields := map[string]reflect.StructField{}
	var known []string
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); key != "" {
			fields[Fold(key)] = t.Field(i)
			known = append(known, path+key)
		}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		f, ok := fields[Fold(k.Value)]
		if !ok || k.Kind != yaml.ScalarNode {
			r.errs = append(r.errs, Unknown(Place(r.name, k.Line), path+k.Value, known))
			continue
		}
		if seen[f.Name] {
			r.errs = append(r.errs, invalid(r.name, k.Line, errors.New(path+k.Value+" is given twice")))
			continue
		}
		seen[f.Name] = true
		k.Value, _, _ = strings.Cut(f.Tag.Get("yaml"), ",")
		r.rename(v, f.Type, path+k.Value+".")
	}
}

// Duration is a time.Duration that is written with its unit, such as 90s or 1h30m.
type Duration time.Duration

// UnmarshalYAML refuses numbers without a unit.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: fmt.Sprintf("line %d", n.Line),
			Value: semabus.Shorten(n.Value), Fix: "write a duration with its unit, like 90s or 1h30m"}
	}
	*d = Duration(v)
	return nil
}
