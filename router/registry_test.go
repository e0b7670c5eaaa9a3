package router_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/embed/localembed"
	"github.com/semabus/semabus/router"
	"github.com/semabus/semabus/router/driver"
	"github.com/semabus/semabus/router/localindex"
)

func TestNewListsWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := router.New(router.Options{})
	if err == nil || !strings.Contains(err.Error(), "Options.Embedder") || !strings.Contains(err.Error(), "Options.Index") {
		t.Errorf("error %v", err)
	}
	if _, err := router.New(router.Options{Embedder: embed.New(nil, embed.Options{}), Index: localindex.New()}); err == nil {
		t.Error("an embedder without tiers is accepted")
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	f := setup(t)
	if v := f.Version("nobody"); v != 0 {
		t.Errorf("unknown tenant at version %d", v)
	}
	in := semabus.Intent{Name: "a", Description: "late parcel"}
	f.register(in)
	in.Description = "fresh bread"
	f.register(in)
	got, ok := f.Intent(tenant, "a")
	if !ok || got.Version != 2 || got.Description != "fresh bread" || got.Group != "a" || got.UpdatedBy != "tester" {
		t.Errorf("Intent = %+v, %v", got, ok)
	}
	d := f.say("late parcel")
	if d.RegistryVersion != 2 || f.Version(tenant) != 2 {
		t.Errorf("decided at version %d, registry at %d, want 2", d.RegistryVersion, f.Version(tenant))
	}
	f.wantGroups(d)
	// What was folded before is skipped: one by one, or as the beginning of a longer batch.
	old := []*router.Change{{Version: 1, DeleteIntent: "a"}, {Version: 2, DeleteIntent: "a"}}
	for range 2 {
		if err := f.Apply(context.Background(), tenant, old); err != nil {
			t.Fatal(err)
		}
		f.wantGroups(f.say("fresh bread"), "a")
		old = append(old, &router.Change{Version: 3, Set: &semabus.Set{Name: "x"}})
	}
	if f.Version(tenant) != 3 {
		t.Errorf("version %d, want 3", f.Version(tenant))
	}
}

func TestUpdateAndDelete(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.settle()
	in, _ := f.Intent(tenant, "cards")
	in.Group, in.Topics = "fraud", []string{"cards.lost"}
	f.register(in)
	const text = "my card was stolen on the train"
	f.wantGroups(f.say(text), "fraud")
	f.settle()
	f.wantGroups(f.say(text), "fraud")
	f.wantGroups(f.decide(&semabus.Message{ID: "m", Topic: "cards.lost"}), "fraud")
	if got := f.GroupIntents(tenant, "fraud"); !equal(got, []string{"cards"}) {
		t.Errorf("GroupIntents = %v", got)
	}
	f.remove("cards", "nobody")
	f.wantGroups(f.say(text))
	f.wantGroups(f.decide(&semabus.Message{ID: "m", Topic: "cards.lost"}))
	if _, ok := f.Intent(tenant, "cards"); ok || f.Len(tenant) != 3 || len(f.GroupIntents(tenant, "fraud")) != 0 {
		t.Errorf("deleted, but there: Len %d", f.Len(tenant))
	}
	f.settle()
	f.remove("refunds", "deliveries", "passwords")
	f.settle()
	f.wantGroups(f.say("where is my parcel"))
	f.register(helpdesk()...)
	f.settle()
	f.wantGroups(f.say(text), "cards")
	if f.Pending(tenant) != 0 || f.Pending("nobody") != 0 || f.Len("nobody") != 0 {
		t.Error("settled, but sets are pending")
	}
}

// TestMovedBetweenSets: an intent that changes its set competes in the new one only.
func TestMovedBetweenSets(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.settle()
	in, _ := f.Intent(tenant, "cards")
	for _, to := range []semabus.Intent{{Set: "elsewhere"}, {Independent: true}, {}} {
		in.Set, in.Independent = to.Set, to.Independent
		f.register(in)
		for range 2 {
			d := f.say("my card was stolen on the train")
			f.wantGroups(d, "cards")
			if d.Matches[0].Set != to.Set {
				t.Errorf("matched in set %q, want %q", d.Matches[0].Set, to.Set)
			}
			f.settle()
		}
	}
}

func TestIntentsList(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.register(rivals("desk")...)
	f.register(semabus.Intent{Name: "solo", Independent: true, Filter: "true"})
	names := func(set, after string, limit int) (out []string) {
		for _, in := range f.Intents(tenant, set, after, limit) {
			out = append(out, in.Name)
		}
		return out
	}
	for _, c := range []struct {
		set, after string
		max        int
		want       []string
	}{
		{"", "", 3, []string{"bakery", "cards", "deliveries"}},
		{"", "cards", 2, []string{"deliveries", "north"}},
		{"", "cardz", 1, []string{"deliveries"}},
		{"", "solo", 5, []string{"south"}},
		{"", "south", 5, nil},
		{"desk", "", 9, []string{"bakery", "north", "south"}},
		{"desk", "bakery", 1, []string{"north"}},
		{"nobody", "", 9, nil},
	} {
		if got := names(c.set, c.after, c.max); !equal(got, c.want) {
			t.Errorf("Intents(%q, %q, %d) = %v, want %v", c.set, c.after, c.max, got, c.want)
		}
	}
	if f.Intents("nobody", "", "", 9) != nil || f.GroupIntents("nobody", "x") != nil || f.Learned("nobody", "x") != nil {
		t.Error("an unknown tenant has something")
	}
}

// TestTenantsAreApart: nothing of one tenant is in another's answer.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.settle()
	req := f.request(&semabus.Message{ID: "m", Text: "my card was stolen on the train"})
	req.Tenant = "other"
	if d := f.ask(req); len(d.Matches)+len(d.Near) != 0 || d.RegistryVersion != 0 {
		t.Errorf("another tenant's decision: %+v", d)
	}
	change := []*router.Change{{Version: 7, Intent: &semabus.Intent{Name: "cards", Description: "greeting cards"}}}
	if err := f.Apply(context.Background(), "other", change); err != nil {
		t.Fatal(err)
	}
	d := f.ask(req)
	for _, m := range append(d.Matches, d.Near...) {
		if m.Intent != "cards" || m.Version != 1 {
			t.Errorf("another tenant's match: %+v", m)
		}
	}
	f.wantGroups(f.say(req.Message.Text), "cards")
}

// TestApplyIsWholeOrNotAtAll: a batch of which one change is faulty changes nothing.
func TestApplyIsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	before := f.say("my card was stolen on the train")
	v := f.Version(tenant)
	for what, c := range map[string]*router.Change{
		"nothing to change": {Version: v + 3}, "filter": {Version: v + 3, Intent: &semabus.Intent{Name: "x", Filter: "=="}},
		"encoding": {Version: v + 3, Intent: &semabus.Intent{Name: "x", Description: "\xff"}},
	} {
		err := f.Apply(context.Background(), tenant, []*router.Change{
			{Version: v + 1, DeleteIntent: "cards"}, {Version: v + 2, Intent: &semabus.Intent{Name: "y", Description: "stolen card"}}, c,
		})
		if semabus.CodeOf(err) != semabus.CodeInvalidArgument {
			t.Errorf("%s: error %v, want INVALID_ARGUMENT", what, err)
		}
		if diff := cmp.Diff(before, f.say("my card was stolen on the train"), cmp.FilterPath(isAt, cmp.Ignore())); diff != "" {
			t.Errorf("%s: the decision changed (-before +after):\n%s", what, diff)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := f.Apply(ctx, tenant, []*router.Change{{Version: v + 1, Intent: &semabus.Intent{Name: "y", Description: "stolen card"}}})
	if !errors.Is(err, context.Canceled) || f.Version(tenant) != v || f.Len(tenant) != 4 {
		t.Errorf("cancelled: %v, version %d, %d intents", err, f.Version(tenant), f.Len(tenant))
	}
}

func isAt(p cmp.Path) bool { return p.Last().String() == ".At" }

// brokenIndex fails its next calls while broken is set.
type brokenIndex struct {
	driver.Driver
	broken bool
}

func (x *brokenIndex) Update(ctx context.Context, p driver.Partition, v uint64, puts []driver.Entry, deletes []uint64) error {
	if x.broken {
		return errBroken
	}
	return x.Driver.Update(ctx, p, v, puts, deletes)
}

func (x *brokenIndex) Search(ctx context.Context, p driver.Partition, q []driver.Query, dst [][]driver.Hit) ([][]driver.Hit, error) {
	if x.broken {
		return nil, errBroken
	}
	return x.Driver.Search(ctx, p, q, dst)
}

// TestIndexAway: an index that does not answer fails the call and loses nothing.
func TestIndexAway(t *testing.T) {
	t.Parallel()
	f := setup(t)
	index := &brokenIndex{Driver: localindex.New()}
	r, err := router.New(router.Options{Embedder: f.embedder, Index: index})
	if err != nil {
		t.Fatal(err)
	}
	f.Router = r
	f.register(rivals("")...)
	index.broken = true
	_, err = f.Decide(context.Background(), f.request(&semabus.Message{Text: late}))
	if !errors.Is(err, errBroken) {
		t.Errorf("Decide: %v", err)
	}
	if _, err = f.Match(context.Background(), tenant, late, f.vectors(late), 0); !errors.Is(err, errBroken) {
		t.Errorf("Match: %v", err)
	}
	if _, err = f.Explain(context.Background(), f.request(&semabus.Message{Text: late}), "north"); !errors.Is(err, errBroken) {
		t.Errorf("Explain: %v", err)
	}
	change := &router.Change{Version: f.version + 1, Intent: &semabus.Intent{Name: "new", Independent: true, Description: "a new one"}}
	if err = f.Apply(context.Background(), tenant, []*router.Change{change}); !errors.Is(err, errBroken) {
		t.Errorf("Apply: %v", err)
	}
	index.broken = false
	if f.Len(tenant) != 3 {
		t.Errorf("%d intents, want 3", f.Len(tenant))
	}
	f.change(change)
	f.wantGroups(f.say("a new one"), "new")
}

// TestDegraded: without the message's vector the decision says that a tier was away, where vectors count.
func TestDegraded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(rivals("")...)
	d := f.ask(&router.Request{Tenant: tenant, Message: &semabus.Message{ID: "m", Text: "fresh bread and rolls"}})
	f.wantGroups(d, "bakery")
	if !d.Degraded || d.Space != "" {
		t.Errorf("degraded %v, space %q", d.Degraded, d.Space)
	}
	if d = f.say("fresh bread and rolls"); d.Degraded || d.Space != localembed.New().Tiers()[0].Space || d.Tier == "" {
		t.Errorf("degraded %v, space %q, tier %q", d.Degraded, d.Space, d.Tier)
	}
}

// TestWantsVectors: vectors matter until a fit has shown that they do not help.
func TestWantsVectors(t *testing.T) {
	t.Parallel()
	f := setup(t)
	want := func(when string, want bool) {
		t.Helper()
		if got := f.WantsVectors(tenant); got != want {
			t.Errorf("%s: WantsVectors = %v", when, got)
		}
	}
	want("unknown tenant", false)
	f.register(semabus.Intent{Name: "topical", Topics: []string{"a.b"}}, semabus.Intent{Name: "rule", Filter: "true"})
	want("nothing to compare", false)
	w := newWorld(3)
	f.register(w.intents(12, 10, nil)...)
	want("before the fit", true)
	f.settle()
	want("fitted, words tell all", false)
	text := w.text(4)
	d := f.ask(&router.Request{Tenant: tenant, Message: &semabus.Message{ID: "m", Text: text}})
	f.wantReason(d, "subject 04", semabus.MatchMeaning)
	if d.Degraded || d.Space == "" {
		t.Errorf("degraded %v, space %q without a vector that nobody wants", d.Degraded, d.Space)
	}
	f.register(rivals("young")...)
	want("a young set", true)
}

// TestSuppliedEmbedding: a publisher's own vector in the router's space counts as the message's; of another space it does not.
func TestSuppliedEmbedding(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(rivals("")...)
	v := f.vectors("fresh bread and rolls")[0]
	scaled := make([]float32, len(v.Values))
	for i, x := range v.Values {
		scaled[i] = 40 * x
	}
	with := func(e semabus.Embedding) float64 {
		m := &semabus.Message{ID: "m", Text: "fresh bread and rolls", Embeddings: []semabus.Embedding{e}}
		got, err := f.Explain(context.Background(), &router.Request{Tenant: tenant, Message: m}, "bakery")
		if err != nil {
			t.Fatal(err)
		}
		return got.Vector
	}
	if c := with(semabus.Embedding{Space: v.Space, Values: scaled}); c < 0.99 || c > 1.01 {
		t.Errorf("cosine %g, want 1", c)
	}
	for _, e := range []semabus.Embedding{{Space: "other", Values: scaled}, {Space: v.Space, Values: scaled[1:]}, {Space: v.Space}} {
		if c := with(e); c != 0 {
			t.Errorf("space %q, %d values: cosine %g, want 0", e.Space, len(e.Values), c)
		}
	}
}

// TestChangeCodec: a change is the same after the registry log.
func TestChangeCodec(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	for _, c := range []*router.Change{
		{Version: 1, Intent: &semabus.Intent{Name: "a", Description: "丢失的卡", Budget: &semabus.Budget{MaxWrong: 0.05}}, At: at, By: "x"},
		{Version: 2, DeleteIntent: "a", At: at}, {Version: 3, Set: &semabus.Set{Name: "s", MaxFanout: 4}, At: at},
		{Version: 4, Feedback: &semabus.Feedback{Intent: "a", Useful: true}, FeedbackText: "text", At: at},
	} {
		got, err := router.DecodeChange(router.EncodeChange(c))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if _, err := router.DecodeChange([]byte("{")); semabus.ReasonOf(err) != semabus.ReasonDataDamaged {
		t.Errorf("half a change: %v, want DATA_DAMAGED", err)
	}
}

// TestRunFitsInTheBackground: changes that follow each other are fitted once, soon after the last; the context ends it.
func TestRunFitsInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		ctx, cancel := context.WithCancel(t.Context())
		var g errgroup.Group
		g.Go(func() error { return f.Run(ctx) })
		for _, in := range helpdesk() {
			f.register(in)
			time.Sleep(20 * time.Millisecond)
		}
		if f.Pending(tenant) != 1 {
			t.Errorf("%d sets pending right after a change", f.Pending(tenant))
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if f.Pending(tenant) != 0 {
			t.Errorf("%d sets pending after the quiet time", f.Pending(tenant))
		}
		f.wantGroups(f.say("my card was stolen on the train"), "cards")
		for range 30 { // without a pause
			f.register(helpdesk()[0])
			time.Sleep(60 * time.Millisecond)
		}
		synctest.Wait()
		cancel()
		if err := g.Wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestOrderOfRegistrationDoesNotMatter: once settled, decisions depend on what is registered, not on how it got there.
func TestOrderOfRegistrationDoesNotMatter(t *testing.T) {
	t.Parallel()
	one, many := setup(t), setup(t)
	one.register(append(helpdesk(), rivals("desk")...)...)
	one.settle()
	list := append(rivals("desk"), helpdesk()...)
	for i := range list {
		in := list[len(list)-1-i]
		final := in.Description
		in.Description = "something else at first"
		many.register(in)
		if i%2 == 0 {
			many.settle()
		}
		in.Description = final
		many.register(in)
		many.register(semabus.Intent{Name: fmt.Sprint("passing ", i), Description: "passing through"})
	}
	for i := range list {
		many.remove(fmt.Sprint("passing ", i))
	}
	many.settle()
	for text := range asked {
		a, b := one.say(text), many.say(text)
		same := cmp.FilterPath(func(p cmp.Path) bool {
			return isAt(p) || p.Last().String() == ".RegistryVersion" || p.Last().String() == ".Version"
		}, cmp.Ignore())
		if diff := cmp.Diff(a, b, same, cmp.Comparer(func(x, y float64) bool { return x-y < 1e-5 && y-x < 1e-5 })); diff != "" {
			t.Errorf("%q (-at once +one by one):\n%s", text, diff)
		}
	}
}

// TestNamesDoNotMatter: names are no evidence and choose no folds, so that intents under other names decide the same.
func TestNamesDoNotMatter(t *testing.T) {
	t.Parallel()
	plain, renamed := setup(t), setup(t)
	list := append(helpdesk(), rivals("desk")...)
	plain.register(list...)
	plain.settle()
	was := map[string]string{}
	for i := range list {
		name := fmt.Sprintf("%c%d", 'z'-rune(i*7%26), i) // another order too
		was[name] = list[i].Name
		list[i].Name, list[i].Group = name, name
	}
	renamed.register(list...)
	renamed.settle()
	type answer struct {
		Intent                 string
		Probability, Threshold float64
	}
	ranked := func(f *fixture, text string) (out []answer) {
		matches, err := f.Match(t.Context(), tenant, text, f.vectors(text), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range matches {
			name := m.Intent
			if old, ok := was[name]; ok {
				name = old
			}
			out = append(out, answer{name, m.Probability, m.Threshold})
		}
		slices.SortFunc(out, func(a, b answer) int { return strings.Compare(a.Intent, b.Intent) })
		return out
	}
	for text := range asked {
		if diff := cmp.Diff(ranked(plain, text), ranked(renamed, text), cmp.Comparer(func(x, y float64) bool { return x-y < 1e-5 && y-x < 1e-5 })); diff != "" {
			t.Errorf("%q (-before +after):\n%s", text, diff)
		}
	}
}

// countingEmbedder counts what it is asked for, and calls next once, before it answers.
type countingEmbedder struct {
	embeddriver.Driver
	texts int
	next  func()
}

func (c *countingEmbedder) Embed(ctx context.Context, texts []string, k embeddriver.Kind, out [][]embeddriver.Vector) error {
	c.texts += len(texts)
	if do := c.next; do != nil {
		c.next = nil
		do()
	}
	return c.Driver.Embed(ctx, texts, k, out)
}

// TestChangesDuringAFit: what a fit brings is of members that have not changed since it began; the set stays due.
func TestChangesDuringAFit(t *testing.T) {
	t.Parallel()
	f := setup(t)
	counting := &countingEmbedder{Driver: localembed.New()}
	r, err := router.New(router.Options{Embedder: embed.New(counting, embed.Options{}), Index: localindex.New()})
	if err != nil {
		t.Fatal(err)
	}
	f.Router = r
	f.register(helpdesk()...)
	counting.next = func() { // the fit asks for its members' vectors
		f.remove("cards")
		in, _ := f.Intent(tenant, "refunds")
		in.Group = "cashiers"
		f.register(in)
	}
	f.settle()
	if f.Pending(tenant) != 1 {
		t.Errorf("%d sets pending, want the one that changed", f.Pending(tenant))
	}
	for range 2 {
		f.wantGroups(f.say("my card was stolen on the train"))
		f.wantGroups(f.say("please refund the payment of last week, I want my money back"), "cashiers")
		f.wantGroups(f.say("tracking says delivered but there is no parcel"), "deliveries")
		f.settle()
	}
	if f.Pending(tenant) != 0 {
		t.Errorf("%d sets pending", f.Pending(tenant))
	}
}

// TestDecideDoesNotEmbed: vectors of messages come with the request; the router embeds what is registered, once.
func TestDecideDoesNotEmbed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	counting := &countingEmbedder{Driver: localembed.New()}
	r, err := router.New(router.Options{Embedder: embed.New(counting, embed.Options{}), Index: localindex.New()})
	if err != nil {
		t.Fatal(err)
	}
	f.Router = r
	f.register(rivals("")...)
	if counting.texts != 3 {
		t.Errorf("%d texts embedded for 3 descriptions", counting.texts)
	}
	f.say(late)
	if counting.texts != 3 {
		t.Errorf("%d texts embedded after a decision", counting.texts)
	}
}
