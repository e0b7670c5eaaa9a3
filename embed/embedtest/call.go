package embedtest

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/driver"
)

// How hard the concurrent case tries.
const (
	callers = 8
	rounds  = 20
)

func callCases() []testCase {
	return []testCase{
		{"calls/concurrent", concurrent},
		{"calls/cancelled context", cancelled},
		{"calls/invalid text concerns all", func(r *rig) {
			out, err := r.e.Embed(r.t.Context(), []string{"fine", "broken \xff\xfe", "fine"}, driver.Query)
			e, _ := semabus.AsError(err)
			if out != nil || e == nil || e.Reason != semabus.ReasonInvalidUTF8 || e.Field != "texts[1]" {
				r.t.Errorf("%d vectors and %v, want INVALID_UTF8 of texts[1]", len(out), err)
			}
		}},
		{"calls/portable and driver agree", agreement},
	}
}

// concurrent asks for overlapping lists from everywhere.
func concurrent(r *rig) {
	list := texts()
	want := r.embed(driver.Query, list...)
	var g errgroup.Group
	for c := range callers {
		g.Go(func() error {
			for n := range rounds {
				from := (c + n) % len(list)
				out := r.rows(len(list) - from)
				if err := r.d.Embed(r.t.Context(), list[from:], driver.Query, out); err != nil {
					return err
				}
				for i := range out {
					r.same("concurrent", list[from+i], want[from+i], out[i])
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		r.t.Error(err)
	}
}

// cancelled makes every call with an ended context.
func cancelled(r *rig) {
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel()
	if err := r.d.Embed(ctx, texts(), driver.Query, r.rows(len(texts()))); !errors.Is(err, context.Canceled) {
		r.t.Errorf("driver: %v, want context.Canceled", err)
	}
	out, err := r.e.Embed(ctx, texts(), driver.Query)
	if semabus.CodeOf(err) != semabus.CodeCanceled || !errors.Is(err, context.Canceled) || out != nil {
		r.t.Errorf("Embed: %d vectors and %v, want CANCELLED for all texts", len(out), err)
	}
	one, err := r.e.EmbedOne(ctx, "text", driver.Query, nil)
	if semabus.CodeOf(err) != semabus.CodeCanceled || one != nil {
		r.t.Errorf("EmbedOne: %d vectors and %v, want CANCELLED", len(one), err)
	}
	r.embed(driver.Query, texts()...) // and the driver goes on
}

// agreement compares the two ways through the portable embedder with the driver.
func agreement(r *rig) {
	list := texts()
	for len(list) <= embed.DefaultBatch { // more than one call of the driver
		list = append(list, texts()...)
	}
	got, err := r.e.Embed(r.t.Context(), list, driver.Passage)
	if err != nil || len(got) != len(list) {
		r.t.Fatalf("%d of %d texts: %v", len(got), len(list), err)
	}
	want := r.embed(driver.Passage, list...)
	for i, text := range list {
		one, err := r.e.EmbedOne(r.t.Context(), text, driver.Passage, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		for j, tier := range r.tiers {
			if v := got[i][j]; v.Space != tier.Space || v.Tier != tier.Name {
				r.t.Errorf("vector %d of %.40q is of space %q, tier %q, want %q, %q", j, text, v.Space, v.Tier, tier.Space, tier.Name)
			}
			r.sameValues("Embed", text, j, want[i][j].Values, got[i][j].Values)
			r.sameValues("EmbedOne", text, j, want[i][j].Values, one[j].Values)
		}
	}
}
