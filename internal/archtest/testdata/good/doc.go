// Package good is the root of a module that breaks no rule, so that a rule that fires on everything is noticed as well.
package good

// Version is documented.
const Version = "v0"
