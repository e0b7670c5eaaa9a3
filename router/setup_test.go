package router_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.uber.org/goleak"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/embed/localembed"
	"github.com/semabus/semabus/router"
	"github.com/semabus/semabus/router/localindex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = "default"

// reporter is the part of testing.TB that the fixture needs and rapid has too.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Error(args ...any)
	Fatal(args ...any)
}

// fixture is a router over the embedded embedder and index.
type fixture struct {
	t reporter
	*router.Router
	embedder *embed.Embedder
	version  uint64
}

func setup(t reporter) *fixture {
	t.Helper()
	e := embed.New(localembed.New(), embed.Options{})
	r, err := router.New(router.Options{Embedder: e, Index: localindex.New()})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, Router: r, embedder: e}
}

// change numbers changes and applies them as one batch.
func (f *fixture) change(changes ...*router.Change) {
	f.t.Helper()
	for _, c := range changes {
		f.version++
		c.Version = f.version
	}
	if err := f.Apply(context.Background(), tenant, changes); err != nil {
		f.t.Fatal(err)
	}
}

// register checks the intents, as the registry does, and applies them as one batch.
func (f *fixture) register(intents ...semabus.Intent) {
	f.t.Helper()
	changes := make([]*router.Change, len(intents))
	for i := range intents {
		in, err := f.Check(context.Background(), tenant, &intents[i])
		if err != nil {
			f.t.Fatal(err)
		}
		changes[i] = &router.Change{Intent: &in, By: "tester"}
	}
	f.change(changes...)
}

func (f *fixture) remove(names ...string) {
	f.t.Helper()
	for _, n := range names {
		f.change(&router.Change{DeleteIntent: n})
	}
}

func (f *fixture) set(s semabus.Set) {
	f.t.Helper()
	f.change(&router.Change{Set: &s})
}

// settle fits what changed.
func (f *fixture) settle() {
	f.t.Helper()
	if err := f.Settled(context.Background(), tenant); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) vectors(text string) []embed.Vector {
	f.t.Helper()
	if text == "" {
		return nil
	}
	v, err := f.embedder.EmbedOne(context.Background(), text, embeddriver.Query, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// request is what the bus would ask about the message.
func (f *fixture) request(m *semabus.Message) *router.Request {
	f.t.Helper()
	return &router.Request{Tenant: tenant, Message: m, Vectors: f.vectors(m.Text)}
}

func (f *fixture) ask(req *router.Request) *semabus.Decision {
	f.t.Helper()
	d, err := f.Decide(context.Background(), req)
	if err != nil {
		f.t.Fatal(err)
	}
	wantSound(f.t, d)
	return d
}

func (f *fixture) decide(m *semabus.Message) *semabus.Decision {
	f.t.Helper()
	return f.ask(f.request(m))
}

func (f *fixture) say(text string) *semabus.Decision {
	f.t.Helper()
	return f.decide(&semabus.Message{ID: "m", Text: text})
}

// wantGroups compares the matched groups, in any order.
func (f *fixture) wantGroups(d *semabus.Decision, want ...string) {
	f.t.Helper()
	got := d.Groups()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		f.t.Errorf("message %q reached %v, want %v\nmatches %+v\nnear %+v", d.MessageID, got, want, d.Matches, d.Near)
	}
}

// wantSound holds a decision against what every decision promises.
func wantSound(t reporter, d *semabus.Decision) {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range d.Matches {
		if !m.Reason.Delivers() || seen[m.Group] || m.Group == "" || !(m.Probability > 0 && m.Probability <= 1) {
			t.Errorf("match %+v (its group before: %v)", m, seen[m.Group])
		}
		seen[m.Group] = true
	}
	for _, m := range d.Near {
		if m.Reason <= semabus.MatchMeaning || m.Reason > semabus.MissNoEvidence {
			t.Errorf("near %+v is not a miss", m)
		}
	}
	if len(d.Near) > 8 {
		t.Errorf("%d near", len(d.Near))
	}
	if matched := d.Outcome == semabus.OutcomeMatched; matched != (len(d.Matches) > 0) {
		t.Errorf("outcome %v with %d matches", d.Outcome, len(d.Matches))
	}
}

// reasonOf is the reason that the decision gives for an intent, or for a group where the name is no intent's.
func reasonOf(d *semabus.Decision, name string) semabus.MatchReason {
	for _, m := range append(slices.Clone(d.Matches), d.Near...) {
		if m.Intent == name || m.Intent == "" && m.Group == name {
			return m.Reason
		}
	}
	return semabus.ReasonUnspecified
}

func (f *fixture) wantReason(d *semabus.Decision, name string, want semabus.MatchReason) {
	f.t.Helper()
	if got := reasonOf(d, name); got != want {
		f.t.Errorf("%s: reason %v, want %v\nmatches %+v\nnear %+v", name, got, want, d.Matches, d.Near)
	}
}

// wantInvalid wants the first of the faults to be INVALID_ARGUMENT with this reason and field.
func wantInvalid(t reporter, err error, reason, field string) {
	t.Helper()
	e, ok := semabus.AsError(err)
	if !ok || e.Code != semabus.CodeInvalidArgument || e.Reason != reason || e.Field != field || e.Fix == "" {
		t.Errorf("error %v, want INVALID_ARGUMENT %s at %s with a fix", err, reason, field)
	}
}

// helpdesk is a set of four intents with examples, and messages that are for them.
func helpdesk() []semabus.Intent {
	return []semabus.Intent{
		{Name: "refunds", Description: "refund requests and double charges", Examples: []string{
			"I want my money back", "you charged me twice for one order", "please refund the payment of last week",
			"the amount was taken from my account two times", "when do I get my refund", "return the money for the cancelled order",
		}},
		{Name: "cards", Description: "card lost or stolen", Examples: []string{
			"my card was stolen on the train", "I lost my credit card", "please block my card at once", "someone took my wallet with the card",
			"my card is gone", "freeze the debit card, I cannot find it",
		}},
		{Name: "deliveries", Description: "parcel late or missing", Examples: []string{
			"where is my parcel", "the package has not arrived yet", "my delivery is three days late", "tracking says delivered but there is no parcel",
			"the courier never came", "when will the shipment reach me",
		}},
		{Name: "passwords", Description: "password forgotten and login trouble", Examples: []string{
			"I forgot my password", "cannot log in to my account", "the reset link does not work", "my login is blocked after too many tries",
			"how do I change the password", "the sign-in page rejects me",
		}},
	}
}

// asked are messages of the help desk that nobody registered.
var asked = map[string]string{
	"refund me, I was charged twice":               "refunds",
	"my credit card has been stolen, block it":     "cards",
	"the parcel is late, where is my package":      "deliveries",
	"I have forgotten the password and cannot log": "passwords",
}

// failing is an index or embedder that can be told to fail.
var errBroken = errors.New("the engine is away")
