// Package semabus is the vocabulary of the semantic message bus: the plain types and the typed error that every other
// package of the module speaks. It has no behaviour beyond validation of its own values and imports the standard
// library only, so that anything may import it.
//
// The words mean what docs/design.md §1 says they mean, one word per thing:
//
//   - a [Principal] publishes a [Message] and hears a [Receipt];
//   - the router compares the message with every [Intent] of the tenant and answers with a [Decision];
//   - each matched group gets one delivery; a member works on it under a [Lease] and ends it with a [Settlement].
//
// Byte slices inside these types are owned by whoever created the value and must not be changed after it was handed on.
package semabus
