package obs_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/obs"
)

func TestLoggerFormatsAndLevels(t *testing.T) {
	t.Parallel()
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	for _, c := range []struct{ format, level, want string }{
		{"", "", "level=INFO msg=hi n=1\nlevel=WARN msg=oh\n"},
		{"text", "debug", "level=DEBUG msg=deep\nlevel=INFO msg=hi n=1\nlevel=WARN msg=oh\n"},
		{"json", "warn", `{"level":"WARN","msg":"oh"}` + "\n"},
		{"json", "error", ""},
	} {
		var out bytes.Buffer
		log, err := obs.NewLogger(&out, obs.LogOptions{Format: c.format, Level: c.level, Edit: noTime})
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("deep")
		log.Info("hi", "n", 1)
		log.Warn("oh")
		if out.String() != c.want {
			t.Errorf("%s/%s: %q, want %q", c.format, c.level, out.String(), c.want)
		}
	}
}

func TestLoggerRefusesUnknownWords(t *testing.T) {
	t.Parallel()
	for _, o := range []obs.LogOptions{{Format: "xml"}, {Level: "loud"}} {
		_, err := obs.NewLogger(&bytes.Buffer{}, o)
		var e *semabus.Error
		if !errors.As(err, &e) || e.Reason != semabus.ReasonInvalidValue || !strings.HasPrefix(e.Field, "log.") || e.Fix == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
