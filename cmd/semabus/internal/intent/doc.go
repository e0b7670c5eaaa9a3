// Package intent is `semabus intent`, which manages what subscribers want to hear, and `semabus match` and `semabus explain`,
// which show what the router makes of a text.
//
// Guarantees: match and explain change nothing; update changes only the flags that are given and fails when somebody else
// changed the intent in between; a faulty file of intents registers none of them.
package intent
