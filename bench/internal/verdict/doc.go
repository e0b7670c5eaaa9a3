// Package verdict holds what was measured against what it has to be.
//
//	r := verdict.New("latency", targets, values)    // values: one a round, by key
//	r.WriteText(out); json.Marshal(r)
//	if !r.Held { … }                                 // a gate is not met
//
// Guarantees: a value without a target is told and judged by nothing; a target without a value is not met.
package verdict
