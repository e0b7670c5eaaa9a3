// Package driver may have a wide interface: it is the contract of a whole engine, so the rule on interfaces is silent.
package driver

// Driver is wide.
type Driver interface {
	One()
	Two()
	Three()
}
