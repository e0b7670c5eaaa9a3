// Package wait is how the commands that measure let time pass: for a while, or until the router has settled.
//
//	if !wait.For(ctx, clock, time.Second) { return ctx.Err() }
//	err := wait.Refits(ctx, clock, c)   // every intent that was registered before is in force as it will stay
//
// Guarantees: both end with the context, and leave no timer behind.
package wait
