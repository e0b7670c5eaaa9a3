package config

import (
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/document"
	"github.com/semabus/semabus/internal/node"
)

// prefix begins every variable.
const prefix = "SEMABUS_"

// fileVariable names the configuration file where no flag does.
const fileVariable = prefix + "CONFIG"

// foreign are the variables with our prefix that are not keys: those of the client commands, and the ones that container
// orchestrators make for a service named semabus.
var foreign = regexp.MustCompile(`^SEMABUS_(CONFIG|ADDR|API_KEY|SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_.*)?)$`)

// Sources are where a configuration comes from; the zero value has the defaults only.
type Sources struct {
	File  string         // YAML; "" = the variable SEMABUS_CONFIG, or none
	flags *pflag.FlagSet // one flag a key
}

// Loaded is a configuration that was read.
type Loaded struct {
	Config  node.Config
	File    string            // that was read; "" = none
	Origins map[string]string // where each key's value comes from: "default", "FILE line N", a variable, a flag
}

// Bind adds --config and one flag for each key to a command, or for each of the given ones only.
func (s *Sources) Bind(cmd *cobra.Command, only ...string) {
	f := cmd.Flags()
	f.StringVar(&s.File, "config", "", "YAML file of the configuration (default: the variable "+fileVariable+")")
	defaults := values(node.Default())
	for _, k := range Keys() {
		if len(only) > 0 && !slices.Contains(only, k.Path) {
			continue
		}
		usage := k.Meaning
		if _, isBool := defaults[k.Path].(bool); isBool {
			f.Bool(k.Flag(), defaults[k.Path].(bool), usage) //nolint:errcheck // checked in the line above
			continue
		}
		f.String(k.Flag(), plain(defaults[k.Path]), usage+" ("+k.Unit+")")
	}
	s.flags = f
}

// plain is format without YAML's quotes.
func plain(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return format(v)
}

// Load merges defaults, file, environment ("KEY=value" each) and flags, and validates the result. Errors are joined:
// UNKNOWN_FIELD and INVALID_VALUE, each naming its place.
func (s *Sources) Load(environ []string) (*Loaded, error) {
	layers, file, err := s.read(environ)
	if err != nil {
		return nil, err
	}
	out := &Loaded{File: file, Origins: map[string]string{}}
	k := koanf.New(".")
	var errs []error
	for _, l := range layers {
		errs = append(errs, l.errs...)
		maps.Copy(out.Origins, l.places)
		if err := k.Load(confmap.Provider(l.values, "."), nil); err != nil {
			return nil, err
		}
	}
	if err := k.Unmarshal("", &out.Config); err != nil {
		return nil, err
	}
	// What could not be read has its default here, so that the rest is validated as well.
	errs = append(errs, out.locate(out.Config.Validate())...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// layer is one source's values by path, each with its place.
type layer struct {
	values map[string]any
	places map[string]string
	errs   []error
}

func newLayer() *layer { return &layer{values: map[string]any{}, places: map[string]string{}} }

// set reads one value.
func (l *layer) set(at, path, text string) {
	v, err := parse(at, path, text)
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	l.values[path], l.places[path] = v, at
}

// read reads every source, the weakest first; the error is about a file that cannot be read at all.
func (s *Sources) read(environ []string) (layers []*layer, file string, err error) {
	defaults := newLayer()
	defaults.values = values(node.Default())
	for _, p := range paths() {
		defaults.places[p] = "default"
	}
	layers = append(layers, defaults)
	if file = s.file(environ); file != "" {
		l, err := readFile(file)
		if err != nil {
			return nil, file, err
		}
		layers = append(layers, l)
	}
	return append(layers, readEnvironment(environ), s.readFlags()), file, nil
}

// file is the flag's file, or the variable's.
func (s *Sources) file(environ []string) string {
	if s.File != "" {
		return s.File
	}
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, fileVariable+"="); ok {
			return v
		}
	}
	return ""
}

// readFile reads a YAML file; the error is about the file as a whole, the layer's errors are about its lines.
func readFile(name string) (*layer, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonNotFound, Field: "--config",
			Value: semabus.Shorten(name), Fix: "name a readable file; `semabus init` writes one", Err: err}
	}
	return parseFile(name, data)
}

func parseFile(name string, data []byte) (*layer, error) {
	docs, err := document.Parse(name, data)
	if err != nil {
		return nil, err
	}
	l := newLayer()
	for _, d := range docs {
		l.mapping(name, d, "")
	}
	return l, nil
}

// mapping reads the keys of one mapping and of those under it.
func (l *layer) mapping(name string, n *yaml.Node, under string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // an empty section, or a file of comments only
	}
	if n.Kind != yaml.MappingNode {
		l.bad(document.Place(name, n.Line), strings.TrimSuffix(under, "."), "write key: value pairs here")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at, path := document.Place(name, k.Line), under+k.Value
		known, ok := find(path)
		switch {
		case !ok && section(path):
			l.mapping(name, v, path+".")
		case !ok:
			l.errs = append(l.errs, document.Unknown(at, path, paths()))
		case v.Kind != yaml.ScalarNode:
			l.bad(at, path, "give "+known+" one value")
		case v.Tag == "!!null":
			l.bad(at, path, `give it a value, or "" for an empty one`)
		case l.places[known] != "":
			l.bad(at, path, "it was set on "+l.places[known]+" already; remove one")
		default:
			l.set(at+": "+known, known, v.Value)
			l.places[known] = at
		}
	}
}

func (l *layer) bad(at, value, fix string) {
	l.errs = append(l.errs, &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: at,
		Value: semabus.Shorten(value), Fix: fix})
}

func readEnvironment(environ []string) *layer {
	l := newLayer()
	byName := map[string]string{}
	var known []string
	for _, k := range Keys() {
		byName[k.Variable()] = k.Path
		known = append(known, strings.TrimPrefix(k.Variable(), prefix))
	}
	for _, kv := range environ {
		name, text, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, prefix) || foreign.MatchString(name) {
			continue
		}
		if path, ok := byName[name]; ok {
			l.set(name, path, text)
		} else {
			e := document.Unknown("environment", strings.TrimPrefix(name, prefix), known)
			e.Value = semabus.Shorten(name)
			if near := document.Nearest(name[len(prefix):], known); near != "" {
				e.Fix = "did you mean " + prefix + near + "?"
			}
			l.errs = append(l.errs, e)
		}
	}
	return l
}

func (s *Sources) readFlags() *layer {
	l := newLayer()
	if s.flags == nil {
		return l
	}
	for _, k := range Keys() {
		if f := s.flags.Lookup(k.Flag()); f != nil && f.Changed {
			l.set("--"+k.Flag(), k.Path, f.Value.String())
		}
	}
	return l
}

// locate lists the faults that Validate found, each with the place where its value comes from.
func (l *Loaded) locate(err error) []error {
	many, ok := err.(interface{ Unwrap() []error }) // Validate joins once
	if !ok {
		return nil
	}
	errs := slices.Clone(many.Unwrap())
	for _, err := range errs {
		e, ok := semabus.AsError(err)
		if !ok {
			continue
		}
		place := l.Origins[e.Field]
		if place == "" { // a fault of several keys: the first of them that was set
			place = l.originUnder(e.Field)
		}
		if place != "" && place != "default" {
			e.Field += " (" + place + ")"
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

func (l *Loaded) originUnder(section string) string {
	for _, p := range paths() {
		if strings.HasPrefix(p, section+".") && l.Origins[p] != "default" {
			return l.Origins[p]
		}
	}
	return ""
}
