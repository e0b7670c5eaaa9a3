package config

import "github.com/semabus/semabus/internal/node"

// Values lists a configuration's value of each key.
func Values(c node.Config) map[string]any { return values(c) }

// Format writes a value as YAML.
func Format(v any) string { return format(v) }

// ParseFile reads a file's text and returns its values.
func ParseFile(data []byte) (map[string]any, []error, error) {
	l, err := parseFile("f.yaml", data)
	if err != nil {
		return nil, nil, err
	}
	return l.values, l.errs, nil
}
