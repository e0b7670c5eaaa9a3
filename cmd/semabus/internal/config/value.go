package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/internal/node"
)

// parse reads the text of a key's value into the kind that node.Config has for it; at is the place for the error.
func parse(at, path, text string) (any, error) {
	bad := func(limit, fix string) error {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: at,
			Value: semabus.Shorten(strconv.Quote(text)), Limit: limit, Fix: fix}
	}
	text = strings.TrimSpace(text)
	switch values(node.Default())[path].(type) {
	case string:
		return text, nil
	case bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return nil, bad("true or false", "write true or false")
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, bad("a duration", "write it with its unit, like 90s or 24h")
		}
		return d, nil
	case int:
		n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		if err != nil {
			return nil, bad("a whole number", "write digits only")
		}
		return n, nil
	case int64:
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil {
			return nil, bad("a whole number", "write digits only")
		}
		return n, nil
	case float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != f {
			return nil, bad("a number", "write it like 0.25")
		}
		return f, nil
	}
	return nil, fmt.Errorf("config: no parser for %s", path)
}

// format is the inverse of parse, as YAML.
func format(v any) string {
	switch v := v.(type) {
	case string:
		if ambiguous(v) {
			return strconv.Quote(v)
		}
		return v
	case time.Duration:
		return output.Duration(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

// ambiguous reports whether a text must be quoted to be one YAML scalar.
func ambiguous(s string) bool {
	return s == "" || s == "~" || strings.EqualFold(s, "null") || s != strings.TrimSpace(s) ||
		strings.HasSuffix(s, ":") || strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.ContainsAny(s, "\n\t\"\\") ||
		strings.ContainsAny(s[:1], "-?:,[]{}#&*!|>'%@`")
}
