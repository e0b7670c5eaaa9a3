package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	coded := func(c semabus.Code, reason string) error { return &semabus.Error{Code: c, Reason: reason} }
	usage, away := fault.Usage("--x", "1", "2"), coded(semabus.CodeUnavailable, semabus.ReasonEngineUnavailable)
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"nothing":          {nil, 0},
		"unclassified":     {errors.New("x"), 1},
		"not found":        {coded(semabus.CodeNotFound, semabus.ReasonNotFound), 1},
		"wrong key":        {coded(semabus.CodeUnauthenticated, semabus.ReasonWrongKey), 1},
		"usage":            {usage, 2},
		"wrapped usage":    {fmt.Errorf("a set: %w", usage), 2},
		"parser's":         {fault.AsUsage(errors.New("unknown shorthand")), 2},
		"not built":        {coded(semabus.CodeUnimplemented, semabus.ReasonNotBuilt), 2},
		"strangers":        {coded(semabus.CodeFailedPrecondition, semabus.ReasonInsecureBind), 2},
		"away":             {away, 3},
		"port in use":      {coded(semabus.CodeUnavailable, semabus.ReasonPortInUse), 3},
		"folder in use":    {coded(semabus.CodeFailedPrecondition, semabus.ReasonDataInUse), 3},
		"disk full":        {coded(semabus.CodeResourceExhausted, semabus.ReasonDiskFull), 3},
		"damaged":          {coded(semabus.CodeDataLoss, semabus.ReasonDataDamaged), 4},
		"joined: highest":  {errors.Join(usage, away, usage), 3},
		"cause is no list": {&semabus.Error{Code: semabus.CodeNotFound, Err: errors.Join(away, away)}, 1},
		"reported":         {errors.Join(fault.Reported(usage), nil), 2},
		"checks":           {fault.ErrChecks, 1},
	} {
		if got := fault.ExitCode(c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if fault.Reported(nil) != nil || fault.AsUsage(nil) != nil {
		t.Error("no error became one")
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	err := errors.Join(
		&semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonTooLarge, Field: "text", Value: "9 bytes", Limit: "5 bytes",
			Fix: "shorten it", Err: errors.New("two\nlines \x1b[31m")},
		fault.Reported(errors.New("printed before")),
		errors.New("plain"),
	)
	var b strings.Builder
	fault.Write(&b, "semabus x", err)
	want := "semabus x: INVALID_ARGUMENT TOO_LARGE\n  field  text\n  value  9 bytes\n  limit  5 bytes\n" +
		"  cause  two lines \uFFFD[31m\n  fix    shorten it\nsemabus x: plain\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got := fault.Summary(err); got != "TOO_LARGE: text is 9 bytes, limit 5 bytes, and 2 more" {
		t.Errorf("summary %q", got)
	}
	if got := fault.Clean("a\u202eb\xff中文"); got != "a\uFFFDb\uFFFD中文" {
		t.Errorf("Clean gave %q", got)
	}
}
