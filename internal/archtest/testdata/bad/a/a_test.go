package a // want external-tests

import (
	"testing"
	"time"
)

func TestSkipped(t *testing.T) {
	t.Skip("later") // want skips
	time.Sleep(1)   // want clock
	_ = time.Now()  // tests may read the clock
	_ = "iris in tests is data"
}
