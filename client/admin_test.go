package client_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

func TestIntentsOverTheWire(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	ctx := t.Context()
	in := semabus.Intent{
		Name: "refunds", Description: "refund requests and double charges", Examples: []string{"charged twice", "my money back"},
		CounterExamples: []string{"where is my parcel"}, Filter: `headers["lang"] == "en"`, Topics: []string{"orders.refund"},
		Group: "desk", Set: "shop", AcceptOwn: true, Attributes: map[string]string{"owner": "ann"},
		Budget: &semabus.Budget{MaxWrong: .1, MaxMissed: .5, Prefer: semabus.PreferRecall},
	}
	reg, err := c.RegisterIntent(ctx, in)
	must(t, err)
	got, err := c.GetIntent(ctx, "refunds")
	must(t, err)
	if diff := cmp.Diff(in, got, cmpopts.IgnoreFields(semabus.Intent{}, "Version", "UpdatedAt", "UpdatedBy")); diff != "" {
		t.Errorf("the intent changed on its way (-want +got):\n%s", diff)
	}
	if got.Version == 0 || got.UpdatedAt.IsZero() || reg.RegistryVersion == 0 {
		t.Errorf("registered as %+v", reg)
	}
	_, err = c.RegisterIntent(ctx, in)
	is(t, err, semabus.CodeAlreadyExists, semabus.ReasonExists)
	in.Description = "refunds"
	_, err = c.UpdateIntent(ctx, in, got.Version+1)
	is(t, err, semabus.CodeAborted, semabus.ReasonPositionMismatch)
	upd, err := c.UpdateIntent(ctx, in, got.Version)
	must(t, err)
	if upd.Intent.Description != "refunds" || upd.RegistryVersion <= reg.RegistryVersion {
		t.Errorf("updated to %+v", upd)
	}
	all, err := c.ListIntents(ctx, "shop")
	must(t, err)
	if len(all) != 1 {
		t.Errorf("listed %+v", all)
	}
	set, err := c.ConfigureSet(ctx, semabus.Set{Name: "shop", Dispatch: semabus.DispatchTask, Ambiguity: semabus.AmbiguityHold, MaxFanout: 3})
	must(t, err)
	if again, err := c.GetSet(ctx, "shop"); err != nil || again != set || set.Dispatch != semabus.DispatchTask || set.MaxFanout != 3 {
		t.Errorf("set is %+v, %v", again, err)
	}
	x, err := c.Explain(ctx, &semabus.Message{Text: "charged twice", Headers: map[string]string{"lang": "en"}}, "refunds")
	must(t, err)
	if x.Decision == nil || x.Match == nil || x.Match.Intent != "refunds" {
		t.Errorf("explained as %+v", x)
	}
	_, err = c.Explain(ctx, nil, "")
	is(t, err, semabus.CodeInvalidArgument, semabus.ReasonRequired)
	ms, err := c.Match(ctx, "charged twice", 0)
	must(t, err)
	if len(ms) == 0 || ms[0].Intent != "refunds" {
		t.Errorf("matches are %+v", ms)
	}
	r, err := c.Publish(ctx, &semabus.Message{Text: "my money back", Headers: map[string]string{"lang": "en"}})
	must(t, err)
	must(t, c.Feedback(ctx, semabus.Feedback{MessageID: r.ID, Intent: "refunds", Useful: true, Note: "yes"}))
	_, err = c.DeleteIntent(ctx, "refunds")
	must(t, err)
	_, err = c.GetIntent(ctx, "refunds")
	is(t, err, semabus.CodeNotFound, semabus.ReasonNotFound)
}

func TestGroupsOverTheWire(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	ctx := t.Context()
	want := semabus.GroupConfig{Name: "desk", MaxConcurrency: 5, Lease: time.Minute, Grace: time.Second, MaxAttempts: 3, RetryBase: time.Second,
		RetryCap: time.Hour, SessionOrder: true, MaxDepth: 1000, Topics: []string{"orders.refund"}, Ageing: time.Minute,
		OnExpiry: semabus.ExpiryDrop}
	got, err := c.ConfigureGroup(ctx, want)
	must(t, err)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(semabus.GroupConfig{}, "Version")); diff != "" {
		t.Errorf("the group changed on its way (-want +got):\n%s", diff)
	}
	again, err := c.GetGroup(ctx, "desk")
	must(t, err)
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("read back differently:\n%s", diff)
	}
	all, err := c.ListGroups(ctx)
	must(t, err)
	if !slices.ContainsFunc(all, func(g semabus.GroupConfig) bool { return g.Name == "desk" }) {
		t.Errorf("groups are %+v", all)
	}
	_, err = c.Publish(ctx, &semabus.Message{Topic: "orders.refund", Text: "x"})
	must(t, err)
	if st := stats(t, c, "desk"); st.Ready != 1 {
		t.Errorf("stats are %+v", st)
	}
}

func TestInfoAndKeys(t *testing.T) {
	t.Parallel()
	s, c := setup(t)
	ctx := t.Context()
	info, err := c.Info(ctx)
	must(t, err)
	if info.Tenant != semabus.DefaultTenant || info.Role != semabus.RoleAdmin || info.Version == "" || info.StartedAt.IsZero() {
		t.Errorf("info is %+v", info)
	}
	k, secret, err := c.CreateKey(ctx, client.Key{Name: "worker", Set: "shop", Role: semabus.RoleAgent})
	must(t, err)
	if secret == "" || k.Role != semabus.RoleAgent || k.Name != "worker" || k.Set != "shop" {
		t.Errorf("key is %+v", k)
	}
	worker := s.dial(t, client.Options{APIKey: secret})
	me, err := worker.Info(ctx)
	must(t, err)
	if me.Role != semabus.RoleAgent || me.Principal != "worker" {
		t.Errorf("the key's owner is %+v", me)
	}
	_, err = c.ListKeys(ctx) // with the first key the node takes no strangers
	is(t, err, semabus.CodeUnauthenticated, semabus.ReasonNoCredential)
}

func TestWhyOfAStranger(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	_, err := c.Why(t.Context(), "no such message", "")
	is(t, err, semabus.CodeNotFound, semabus.ReasonNotFound)
	r, err := c.Publish(t.Context(), to("desk", "x"))
	must(t, err)
	why, err := c.Why(t.Context(), r.ID, "desk")
	must(t, err)
	if why.Message == nil || why.Decision == nil || why.Reason != semabus.MatchAddress || why.Text == "" || len(why.Deliveries) != 1 ||
		why.Deliveries[0].Phase != "ready" {
		t.Errorf("why is %+v", why)
	}
}
