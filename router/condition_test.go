package router_test

import (
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router"
)

// TestCondition: the filter's language beside the decisions; what cannot be evaluated does not hold.
func TestCondition(t *testing.T) {
	t.Parallel()
	var zero router.Condition
	if !zero.Holds(filtered()) {
		t.Error("the zero condition does not hold")
	}
	for source, want := range map[string]bool{"": true, `headers["tier"] == "gold"`: true, `priority < 3`: false, `headers["absent"] == "x"`: false} {
		c, err := router.NewCondition(source)
		if err != nil || c.Holds(filtered()) != want {
			t.Errorf("%s: %v, want %v", source, err, want)
		}
	}
	_, err := router.NewCondition("priority >")
	if e, ok := semabus.AsError(err); !ok || e.Reason != semabus.ReasonInvalidFilter || e.Field != "filter" || e.Value == "" {
		t.Errorf("a faulty condition: %v", err)
	}
}
