package wait_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/wait"
)

func TestFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !wait.For(t.Context(), semabus.SystemClock{}, time.Hour) || time.Since(began) != time.Hour {
			t.Errorf("waited %v, want an hour", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if wait.For(ctx, semabus.SystemClock{}, time.Hour) || time.Since(began) != time.Hour+time.Minute {
			t.Errorf("waited %v: the context ended after a minute", time.Since(began)-time.Hour)
		}
	})
}
