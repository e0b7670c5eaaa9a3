package router_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router"
)

// TestDecideBesideChanges: while one intent is redefined again and again, every decision is wholly of one registry version:
// the text that is wanted, the group that gets it and the intent's version belong together.
func TestDecideBesideChanges(t *testing.T) {
	t.Parallel()
	f := setup(t)
	// Version v of the intent wants text v mod 2 and delivers to group v.
	texts := []string{"parcel is late in the north", "fresh bread and rolls"}
	change := func(v uint64) *router.Change {
		return &router.Change{Version: v, Intent: &semabus.Intent{
			Name: "moving", Version: v, Group: fmt.Sprint("group ", v), Independent: true, Description: texts[v%2],
		}}
	}
	const last = 600
	ctx := context.Background()
	if err := f.Apply(ctx, tenant, []*router.Change{change(1)}); err != nil {
		t.Fatal(err)
	}
	f.version = last
	var g errgroup.Group
	var stop atomic.Bool
	for n := range 3 {
		text := texts[n%2]
		req := f.request(&semabus.Message{ID: "m", Text: text})
		g.Go(func() error {
			for seen := uint64(0); !stop.Load(); {
				own := *req
				d, err := f.Decide(ctx, &own)
				if err != nil {
					return err
				}
				if d.RegistryVersion < seen {
					t.Errorf("version %d after %d", d.RegistryVersion, seen)
				}
				seen = d.RegistryVersion
				wanted := texts[d.RegistryVersion%2] == text
				if wanted != (len(d.Matches) == 1) {
					t.Errorf("version %d: %q reached %v", d.RegistryVersion, text, d.Groups())
					return nil
				}
				if wanted && (d.Matches[0].Version != d.RegistryVersion || d.Matches[0].Group != fmt.Sprint("group ", d.RegistryVersion) ||
					d.Matches[0].Vector < 0.9) {
					t.Errorf("version %d: match %+v", d.RegistryVersion, d.Matches[0])
					return nil
				}
			}
			return nil
		})
	}
	for v := uint64(2); v <= last; v++ {
		if err := f.Apply(ctx, tenant, []*router.Change{change(v)}); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// TestEverythingAtOnce has registration, deletion, feedback, fits and questions run side by side; the race detector watches.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	ctx, cancel := context.WithCancel(context.Background())
	var g, background errgroup.Group
	background.Go(func() error { return f.Run(ctx) })
	var version atomic.Uint64
	version.Store(f.version)
	for n := range 4 {
		g.Go(func() error {
			for i := range 40 {
				name := fmt.Sprint("intent ", n, i%5)
				c := &router.Change{Intent: &semabus.Intent{Name: name, Description: fmt.Sprint("late parcel number ", i), Examples: asExamples(i)}}
				switch i % 4 {
				case 2:
					c = &router.Change{DeleteIntent: name}
				case 3:
					c = &router.Change{Feedback: &semabus.Feedback{Intent: "cards", Useful: i%8 == 3}, FeedbackText: fmt.Sprint("text ", i)}
				}
				c.Version = version.Add(1)
				if err := f.Apply(ctx, tenant, []*router.Change{c}); err != nil {
					return err
				}
				if i%16 == 0 {
					if err := f.Settled(ctx, tenant); err != nil {
						return err
					}
				}
			}
			return nil
		})
		g.Go(func() error {
			for range 200 {
				text := "my card was stolen on the train"
				d, err := f.Decide(ctx, f.request(&semabus.Message{ID: "m", Text: text}))
				if err != nil {
					return err
				}
				wantSound(t, d)
				if _, err := f.Match(ctx, tenant, text, nil, 3); err != nil {
					return err
				}
				f.Intents(tenant, "", "", 5)
				f.GroupIntents(tenant, "cards")
				f.Learned(tenant, "cards")
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := background.Wait(); err != nil {
		t.Error(err)
	}
}

func asExamples(i int) []string {
	return []string{fmt.Sprint("where is parcel ", i), fmt.Sprint("parcel ", i, " has not come"), fmt.Sprint("late is parcel ", i)}
}

// TestHundredThousandIntents: many are registered in one batch and later one by one; each still finds its own message.
func TestHundredThousandIntents(t *testing.T) {
	t.Parallel()
	count := 100_000
	if raceEnabled {
		count = 5_000
	}
	f := setup(t)
	changes := make([]*router.Change, count)
	describe := func(i int) string {
		return fmt.Sprintf("%s %s %s", syllables(i), syllables(i*31+7), syllables(i*17+3))
	}
	for i := range changes {
		changes[i] = &router.Change{Intent: &semabus.Intent{Name: fmt.Sprint("n", i), Description: describe(i), Independent: i%2 == 0}}
	}
	f.change(changes...)
	f.settle() // the set of half of them is too large to be fitted and keeps its loose heads
	if f.Len(tenant) != count {
		t.Fatalf("%d intents, want %d", f.Len(tenant), count)
	}
	for i := 0; i < count; i += count/25 + 1 {
		if got := f.say(describe(i)); reasonOf(got, fmt.Sprint("n", i)) != semabus.MatchMeaning {
			t.Errorf("intent %d does not get its own words: %+v", i, got)
		}
	}
	f.register(semabus.Intent{Name: "late comer", Independent: true, Description: "parcel is late in the north"})
	f.remove("n0", "n1")
	f.wantReason(f.say("parcel is late in the north"), "late comer", semabus.MatchMeaning)
	f.wantReason(f.say(describe(1)), "n1", semabus.ReasonUnspecified)
	if list := f.Intents(tenant, "", "n", 3); len(list) != 3 || list[0].Name != "n10" || f.Len(tenant) != count-1 {
		t.Errorf("listed %v of %d", list, f.Len(tenant))
	}
}
