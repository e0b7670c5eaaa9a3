package a // want-package docs examples

import (
	"context"
	_ "testing" // want imports
	clock "time"

	_ "example.com/bad"
	_ "example.com/bad/b" // want imports
	_ "example.org/lib"   // want libraries
)

type Undocumented struct { // want documented
	ctx context.Context // want context
}

// Wide has more methods than the fixture's limit.
type Wide interface { // want interfaces
	One()
	Two()
	Three()
}

func init() { // want init
	go func() {}() // want goroutines
}

func (Undocumented) Method() clock.Time { // want documented
	clock.Sleep(1)     // want clock
	return clock.Now() // want clock
}

// Run starts things. TODO: end them. // want unfinished
func (Undocumented) Run(ctx context.Context) error { // want goleak
	return ctx.Err()
}

// Constants of a documented group need no comment of their own.
const (
	Documented = 1
)

const Bare = "" // a trailing comment is one

var Naked, loadIrisRows = 1, 2 // want data-sets

// Set is the flower set iris. // want data-sets
type hidden struct{}

// MarshalText would need no comment: the type is not exported.
func (hidden) MarshalText() {}
