package obs

import (
	"io"
	"log/slog"

	semabus "github.com/semabus/semabus"
)

// LogOptions configure the log.
type LogOptions struct {
	Format string                                       // "text" or "json"; "" = text
	Level  string                                       // "debug", "info", "warn", "error"; "" = info
	Edit   func(groups []string, a slog.Attr) slog.Attr // rewrites or drops attributes; nil = none
}

// NewLogger writes to w. An unknown format or level gives INVALID_ARGUMENT/INVALID_VALUE that lists the known ones.
func NewLogger(w io.Writer, o LogOptions) (*slog.Logger, error) {
	var level slog.Level
	switch o.Level {
	case "", "info":
	case "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	default:
		return nil, unknown("log.level", o.Level, "use debug, info, warn or error")
	}
	h := &slog.HandlerOptions{Level: level, ReplaceAttr: o.Edit}
	switch o.Format {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, h)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, h)), nil
	}
	return nil, unknown("log.format", o.Format, "use text or json")
}

func unknown(field, value, fix string) error {
	return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "obs.NewLogger",
		Field: field, Value: semabus.Shorten(value), Fix: fix}
}
