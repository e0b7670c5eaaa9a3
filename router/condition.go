package router

import (
	semabus "github.com/semabus/semabus"
)

// Condition is a CEL expression over a message, for whoever chooses messages beside the decisions: which dead letters to list or
// to redrive. The zero value holds for every message. It is safe for concurrent use.
type Condition struct{ f *filter }

// NewCondition compiles an expression over the variables of an intent's filter; "" holds for every message. Errors:
// INVALID_ARGUMENT/INVALID_FILTER with line and column, whose Field is "filter".
func NewCondition(source string) (Condition, error) {
	f, err := compileFilter(source)
	if e, ok := semabus.AsError(err); ok {
		c := *e
		c.Field = "filter"
		return Condition{}, &c
	}
	return Condition{f}, err
}

// Holds evaluates the expression; where that fails, by an absent header or its cost, it does not hold.
func (c Condition) Holds(m *semabus.Message) bool {
	held, err := c.f.holds(m)
	return err == nil && held
}
