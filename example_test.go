package semabus_test

import (
	"errors"
	"fmt"

	semabus "github.com/semabus/semabus"
)

// Every error of the bus says what is wrong, what the limit is and what to do.
func ExampleAsError() {
	err := fmt.Errorf("publishing: %w", &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonTooLarge, Field: "message.text", Limit: "32768 bytes",
		Value: "40000 bytes", Fix: "shorten it", Err: errors.New("a cause that no client sees"),
	})
	if e, ok := semabus.AsError(err); ok && e.Reason == semabus.ReasonTooLarge {
		fmt.Println(e.Message())
	}
	// Output: INVALID_ARGUMENT TOO_LARGE: message.text is 40000 bytes, limit 32768 bytes; shorten it
}

// A decision keeps who gets a message and why, and who nearly did.
func ExampleDecision() {
	d := semabus.Decision{Outcome: semabus.OutcomeMatched,
		Matches: []semabus.Match{{Intent: "refund requests", Group: "refunds", Reason: semabus.MatchMeaning, Probability: 0.93}},
		Near:    []semabus.Match{{Intent: "lost cards", Group: "cards", Reason: semabus.MissBelowThreshold, Probability: 0.12}}}
	fmt.Println(d.Outcome, d.Groups())
	for _, m := range append(d.Matches, d.Near...) {
		fmt.Println(m.Intent, m.Reason, m.Reason.Delivers())
	}
	// Output:
	// matched [refunds]
	// refund requests meaning true
	// lost cards below_threshold false
}
