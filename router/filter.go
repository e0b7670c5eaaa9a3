package router

import (
	"strconv"
	"sync"

	"cel.dev/cel-go/cel"

	semabus "github.com/semabus/semabus"
)

// filterCost bounds one evaluation of a filter, in CEL's cost units: about one for each step and for each ten bytes of a
// string looked through. A filter that would cost more does not hold.
const filterCost = 50_000

// filterEnv declares the variables of a filter.
var filterEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("id", cel.StringType), cel.Variable("source", cel.StringType),
		cel.Variable("type", cel.StringType), cel.Variable("subject", cel.StringType),
		cel.Variable("topic", cel.StringType), cel.Variable("to", cel.StringType),
		cel.Variable("session", cel.StringType), cel.Variable("priority", cel.IntType),
		cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("text", cel.StringType), cel.Variable("content_type", cel.StringType),
		cel.Variable("time", cel.TimestampType),
	)
})

// filter is a compiled CEL expression; nil holds for every message.
type filter struct{ program cel.Program }

// compileFilter compiles a filter; the error is a *semabus.Error INVALID_FILTER that names line and column.
func compileFilter(source string) (*filter, error) {
	if source == "" {
		return nil, nil
	}
	bad := func(value, fix string, err error) *semabus.Error {
		return &semabus.Error{
			Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidFilter, Field: "intent.filter",
			Value: semabus.Shorten(value), Fix: fix, Err: err,
		}
	}
	if len(source) > semabus.MaxFilterBytes {
		e := bad(strconv.Itoa(len(source))+" bytes", "shorten the expression", nil)
		e.Limit = strconv.Itoa(semabus.MaxFilterBytes) + " bytes"
		return nil, e
	}
	env, err := filterEnv()
	if err != nil {
		return nil, &semabus.Error{Code: semabus.CodeInternal, Reason: semabus.ReasonInternal, Op: "router.filter", Err: err}
	}
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		at := "line " + strconv.Itoa(first.Location.Line()) + ", column " + strconv.Itoa(first.Location.Column()+1)
		return nil, bad(at+": "+first.Message, "write a CEL expression over id, source, type, subject, topic, to, session, "+
			"priority, headers, text, content_type and time", issues.Err())
	}
	if ast.OutputType() != cel.BoolType {
		return nil, bad("an expression of type "+ast.OutputType().String(), "write an expression that is true or false", nil)
	}
	p, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(filterCost))
	if err != nil {
		return nil, bad(source, "simplify the expression", err)
	}
	return &filter{program: p}, nil
}

// holds evaluates the filter. An error of the evaluation (an absent header, the cost limit) means that it does not hold.
func (f *filter) holds(m *semabus.Message) (bool, error) {
	if f == nil {
		return true, nil
	}
	out, _, err := f.program.Eval(activation{m})
	if err != nil {
		return false, err
	}
	held, _ := out.Value().(bool)
	return held, nil
}

// activation hands a message's attributes to CEL, each only when it is asked for.
type activation struct{ m *semabus.Message }

// ResolveName implements CEL's Activation.
func (a activation) ResolveName(name string) (any, bool) {
	switch name {
	case "id":
		return a.m.ID, true
	case "source":
		return a.m.Source, true
	case "type":
		return a.m.Type, true
	case "subject":
		return a.m.Subject, true
	case "topic":
		return a.m.Topic, true
	case "to":
		return a.m.To, true
	case "session":
		return a.m.Session, true
	case "priority":
		return int64(a.m.Priority), true
	case "headers":
		if a.m.Headers == nil {
			return map[string]string{}, true
		}
		return a.m.Headers, true
	case "text":
		return a.m.Text, true
	case "content_type":
		return a.m.ContentType, true
	case "time":
		return a.m.Time, true
	}
	return nil, false
}

// Parent implements CEL's Activation.
func (a activation) Parent() cel.Activation { return nil }
