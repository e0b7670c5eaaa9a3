package claim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/claim"
)

// The retry schedule needs no node: it is tried on the engine itself, on a clock that is moved by hand.
func Example() {
	dir, err := os.MkdirTemp("", "claim-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	r, err := claim.Try(context.Background(), claim.Backoff, claim.Options{Seed: 1, Retries: 5},
		claim.Env{Dir: dir, Clock: semabus.SystemClock{}, Progress: os.Stderr})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Held, r.Values["retries"], r.Values["wrong_delays"])
	// Output: true 60 0
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for _, name := range claim.Names() {
		if err := claim.Known(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := claim.Try(t.Context(), "immortality", claim.Options{}, claim.Env{}); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
		t.Errorf("%v", err)
	}
}

// TestUnevenness: a jitter over the whole range passes; one over half of it, or that is often the same, does not.
func TestUnevenness(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	var even, half, stuck []float64
	for i := range 2000 {
		u := r.Float64()
		even, half = append(even, u), append(half, .5+u/2)
		if i%5 == 0 {
			u = .25
		}
		stuck = append(stuck, u)
	}
	if got := claim.Unevenness(even); got > 2 {
		t.Errorf("even: %v", got)
	}
	if got := claim.Unevenness(half); got < 20 {
		t.Errorf("half: %v", got)
	}
	if got := claim.Unevenness(stuck); got < 2.7 {
		t.Errorf("stuck: %v", got)
	}
	if got := claim.Unevenness([]float64{.5}); got != .5 {
		t.Errorf("one in the middle: %v", got)
	}
}

// TestHandClock: timers run in order of their time, once, and see that time; a stopped one does not run.
func TestHandClock(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	c := claim.NewHandClock(start)
	var ran []time.Duration
	note := func() { ran = append(ran, c.Now().Sub(start)) }
	c.AfterFunc(3*time.Second, note)
	c.AfterFunc(time.Second, func() {
		note()
		c.AfterFunc(time.Second, note)
	})
	stop := c.AfterFunc(2*time.Second, func() { t.Error("a stopped timer ran") })
	if !stop() || stop() {
		t.Error("a timer can be stopped once")
	}
	late := c.AfterFunc(time.Hour, note)
	c.Set(start.Add(10 * time.Second))
	if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(ran, want) {
		t.Errorf("ran at %v, want %v", ran, want)
	}
	if now := c.Now().Sub(start); now != 10*time.Second || !late() {
		t.Errorf("it is %v", now)
	}
}
