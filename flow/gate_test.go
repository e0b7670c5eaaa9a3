package flow_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/flow"
)

// paused is the change that pauses or resumes a group.
func paused(version uint64, group string, stop bool) []*flow.Change {
	return []*flow.Change{{Version: version, Group: semabus.GroupConfig{Name: group, MaxAttempts: 3}, Paused: &stop}}
}

func TestPauseExpelsAndQuietWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		f := setup()
		work, leave := f.Enter(ctx, "t", "g", 0)
		if leave == nil {
			t.Fatal("the group is not paused and nobody gets in")
		}
		f.Apply("t", paused(1, "g", true))
		if work.Err() == nil || ctx.Err() != nil {
			t.Error("the call inside does not hear of the pause")
		}
		if _, late := f.Enter(ctx, "t", "g", 0); late != nil {
			t.Error("somebody got into a paused group")
		}
		if _, other := f.Enter(ctx, "t", "another", 0); other == nil {
			t.Error("another group is paused too")
		} else {
			other()
		}
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			leave()
		}()
		if err := f.Quiet(ctx, "t", "g"); err != nil || time.Since(began) != time.Second {
			t.Errorf("quiet after %v, %v; want 1s, when the last one left", time.Since(began), err)
		}
		if err := f.Quiet(ctx, "t", "g"); err != nil {
			t.Errorf("nobody is inside: %v", err)
		}
	})
}

func TestQuietEndsWithItsContextAndWithThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup()
		_, leave := f.Enter(context.Background(), "t", "g", 0)
		defer leave()
		f.Apply("t", paused(1, "g", true))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := f.Quiet(ctx, "t", "g"); err == nil {
			t.Error("somebody is still inside")
		}
		began := time.Now()
		go func() {
			time.Sleep(time.Minute)
			f.Apply("t", paused(2, "g", false))
		}()
		if err := f.Quiet(context.Background(), "t", "g"); err != nil || time.Since(began) != time.Minute {
			t.Errorf("after the resume: %v after %v", err, time.Since(began))
		}
	})
}

func TestResumeWakesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		f := setup()
		f.Apply("t", paused(1, "g", true))
		began := time.Now()
		if _, leave := f.Enter(ctx, "t", "g", 10*time.Second); leave != nil || time.Since(began) != 10*time.Second {
			t.Errorf("in after %v, want nobody in after the wait", time.Since(began))
		}
		go func() {
			time.Sleep(3 * time.Second)
			f.Apply("t", paused(2, "g", false))
		}()
		began = time.Now()
		work, leave := f.Enter(ctx, "t", "g", time.Hour)
		if leave == nil || time.Since(began) != 3*time.Second || work.Err() != nil {
			t.Fatalf("waited %v, want 3s", time.Since(began))
		}
		leave()
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, leave := f.Enter(ended, "t", "g", time.Hour); leave != nil {
			t.Error("a call whose context has ended got in")
		}
	})
}

// TestPauseKeepsTheConfiguration: the change carries it, and a configuration changes no pause.
func TestPauseKeepsTheConfiguration(t *testing.T) {
	t.Parallel()
	f := setup()
	f.Apply("t", paused(1, "g", true))
	if !f.Paused("t", "g") || f.Paused("t", "h") || f.Paused("other tenant", "g") {
		t.Error("the wrong group is paused")
	}
	f.Apply("t", []*flow.Change{{Version: 2, Group: semabus.GroupConfig{Name: "g", MaxAttempts: 7}}})
	if g := f.Config("t", "g"); g.MaxAttempts != 7 || g.Lease != 0 || !f.Paused("t", "g") {
		t.Errorf("config is %+v, paused %v", g, f.Paused("t", "g"))
	}
	if g := f.Config("t", "nobody"); g.Name != "nobody" || g.Version != 0 {
		t.Errorf("of a group that was never configured: %+v", g)
	}
	if all := f.AllPaused("t"); !slices.Equal(all, []string{"g"}) || f.AllPaused("other tenant") != nil {
		t.Errorf("paused are %v", all)
	}
	f.Apply("t", paused(3, "g", false))
	f.Apply("t", paused(4, "g", false)) // resuming twice
	if f.Paused("t", "g") || len(f.AllPaused("t")) != 0 {
		t.Error("the pause did not end")
	}
}
