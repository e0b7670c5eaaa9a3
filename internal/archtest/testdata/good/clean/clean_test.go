package clean_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSkippedWithReason(t *testing.T) { t.Skip("listed") }

func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(*testing.T) { time.Sleep(time.Hour) })
}

func Example() {
	fmt.Println("shown")
	// Output: shown
}
