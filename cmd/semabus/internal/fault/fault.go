package fault

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	semabus "github.com/semabus/semabus"
)

// The exit codes of every command.
const (
	OK          = 0
	Failed      = 1 // a check failed, or the node refused for a reason that is no fault of the command line
	UsageFault  = 2 // flags, arguments, configuration or input that cannot be right
	Unavailable = 3 // the node, a port, a data folder or the disk is not to be had now
	Damaged     = 4 // bytes that fail their check
)

// Usage is the error of a wrong flag, argument or file. Field is what the caller typed, such as "--addr".
func Usage(field, value, fix string) *semabus.Error {
	return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Field: field,
		Value: semabus.Shorten(value), Fix: fix}
}

// AsUsage turns an error of the flag parser into a typed one; nil stays nil.
func AsUsage(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := semabus.AsError(err); ok {
		return err
	}
	return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Err: err,
		Fix: "see --help for what the command takes"}
}

// reported wraps an error whose text was printed already.
type reported struct{ error }

// Unwrap gives the error that was printed.
func (r reported) Unwrap() error { return r.error }

// Reported marks an error as printed: it counts for the exit code only. nil stays nil.
func Reported(err error) error {
	if err == nil {
		return nil
	}
	return reported{err}
}

// ErrChecks ends a command whose own output says what failed.
var ErrChecks = Reported(errors.New("a check failed"))

// ExitCode is the exit code of a command that returned err; of joined errors the highest.
func ExitCode(err error) int {
	code := OK
	for _, e := range flatten(err) {
		code = max(code, one(e))
	}
	return code
}

func one(err error) int {
	e, ok := semabus.AsError(err)
	if !ok {
		return Failed
	}
	switch e.Reason {
	case semabus.ReasonDataDamaged:
		return Damaged
	case semabus.ReasonNoReply: // the node was there
		return Failed
	case semabus.ReasonPortInUse, semabus.ReasonDataInUse, semabus.ReasonDiskFull:
		return Unavailable
	case semabus.ReasonInsecureBind, semabus.ReasonInvalidValue, semabus.ReasonUnknownField:
		return UsageFault
	}
	switch e.Code {
	case semabus.CodeDataLoss:
		return Damaged
	case semabus.CodeUnavailable, semabus.CodeDeadlineExceeded, semabus.CodeResourceExhausted:
		return Unavailable
	case semabus.CodeInvalidArgument, semabus.CodeOutOfRange, semabus.CodeUnimplemented:
		return UsageFault
	}
	return Failed
}

// flatten lists what was joined with errors.Join, in order; an error that was not joined is a list of one, nil of none.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*semabus.Error); ok { //nolint:errorlint // its cause may be a join, which is not a list of faults
		return []error{err}
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	if inner := errors.Unwrap(err); inner != nil && len(flatten(inner)) > 1 {
		return flatten(inner)
	}
	return []error{err}
}

// Write prints err for a person, one block for each fault. What was Reported is not printed again.
func Write(w io.Writer, command string, err error) {
	for _, e := range flatten(err) {
		var printed reported
		if !errors.As(e, &printed) {
			block(w, command, e)
		}
	}
}

func block(w io.Writer, command string, err error) {
	e, ok := semabus.AsError(err)
	if !ok {
		fmt.Fprintf(w, "%s: %s\n", command, Clean(err.Error()))
		return
	}
	name := e.Code.String()
	if e.Reason != "" && e.Reason != name {
		name += " " + e.Reason
	}
	fmt.Fprintf(w, "%s: %s\n", command, name)
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-6s %s\n", label, Clean(text))
		}
	}
	line("field", e.Field)
	line("value", e.Value)
	line("limit", e.Limit)
	if e.Err != nil {
		line("cause", e.Err.Error())
	}
	if e.RetryAfter > 0 {
		line("retry", "after "+e.RetryAfter.String())
	}
	line("fix", e.Fix)
}

// Clean makes foreign text fit for a terminal: line ends become spaces, other control characters and bytes that are not
// UTF-8 the replacement character.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Summary is err on one line for a table: code, field, value and limit of the first fault, and how many more there are.
func Summary(err error) string {
	all := flatten(err)
	if len(all) == 0 {
		return ""
	}
	text := all[0].Error()
	if e, ok := semabus.AsError(all[0]); ok {
		text = e.Reason
		if text == "" {
			text = e.Code.String()
		}
		if e.Field != "" {
			text += ": " + e.Field
		}
		if e.Value != "" {
			text += " is " + e.Value
		}
		if e.Limit != "" {
			text += ", limit " + e.Limit
		}
	}
	if n := len(all) - 1; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return Clean(text)
}
