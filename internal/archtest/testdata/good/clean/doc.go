// Package clean has everything the rules ask for: a package comment, documented names, an Example, a leak check, a reason.
package clean

import (
	"context"

	"example.com/good"
	_ "example.org/lib/sub"
)

// Clean runs until it is told to stop. Its msgdesc is no data set, nor are irises.
type Clean struct{}

// Run waits.
func (Clean) Run(ctx context.Context) error {
	<-ctx.Done()
	_ = good.Version
	return nil
}

type small interface {
	One()
	Two()
}
