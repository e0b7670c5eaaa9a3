package api_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

func register(t *testing.T, w *world, in *semabusv1.Intent) *semabusv1.IntentsRegisterResponse {
	t.Helper()
	r, err := w.intents.Register(as(t, "agent"), &semabusv1.IntentsRegisterRequest{OpId: "reg-" + in.GetName(), Intent: in})
	must(t, err)
	return r
}

func TestIntentsLiveAndDie(t *testing.T) {
	t.Parallel()
	w := setup(t)
	refund := &semabusv1.Intent{Name: "refund", Description: "refund requests and double charges", Examples: []string{
		"I want my money back", "you charged me twice", "please refund my order"},
		Budget: &semabusv1.Budget{MaxWrong: 0.1, Prefer: semabusv1.Prefer_PREFER_RECALL}, Attributes: map[string]string{"a": "b"}}
	r := register(t, w, refund)
	if in := r.GetIntent(); in.GetGroup() != "refund" || in.GetVersion() == 0 || in.GetUpdatedBy() != "agent" || in.GetSet() == "" ||
		in.GetBudget().GetPrefer() != semabusv1.Prefer_PREFER_RECALL || r.GetRegistryVersion() == 0 {
		t.Errorf("registered is %v", r)
	}
	register(t, w, &semabusv1.Intent{Name: "weather", Description: "questions about the weather", Examples: []string{
		"will it rain tomorrow", "how warm is it outside", "weather forecast for the weekend"}})

	_, err := w.intents.Register(as(t, "agent"), &semabusv1.IntentsRegisterRequest{OpId: "again", Intent: refund})
	refused(t, err, codes.AlreadyExists, semabus.ReasonExists)
	_, err = w.intents.Get(as(t, "agent"), &semabusv1.IntentsGetRequest{Name: "nothing"})
	refused(t, err, codes.NotFound, semabus.ReasonNotFound)

	var names []string
	list := &semabusv1.IntentsListRequest{PageSize: 1}
	for {
		page, err := w.intents.List(as(t, "publisher"), list)
		must(t, err)
		for _, in := range page.GetIntents() {
			names = append(names, in.GetName())
		}
		if page.GetNextPageToken() == "" {
			break
		}
		list.PageToken = page.GetNextPageToken()
	}
	if !slices.Equal(names, []string{"refund", "weather"}) {
		t.Errorf("listed %v", names)
	}

	m, err := w.intents.Match(as(t, "publisher"), &semabusv1.IntentsMatchRequest{Text: "please refund me, I was charged twice"})
	must(t, err)
	if best := m.GetMatches()[0]; best.GetIntent() != "refund" || best.GetSpace() == "" || best.GetTier() == "" {
		t.Errorf("best match is %v", best)
	}
	e, err := w.intents.Explain(as(t, "publisher"), &semabusv1.IntentsExplainRequest{Message: &semabusv1.Message{Text: "you charged me twice"}, Intent: "weather"})
	must(t, err)
	if e.GetDecision().GetOutcome() != semabusv1.Outcome_OUTCOME_MATCHED || e.GetMatch().GetIntent() != "weather" {
		t.Errorf("explained %v", e)
	}

	refund.Description = "refunds only"
	u, err := w.intents.Update(as(t, "agent"), &semabusv1.IntentsUpdateRequest{OpId: "u", Intent: refund, ExpectVersion: r.GetIntent().GetVersion()})
	must(t, err)
	if u.GetIntent().GetVersion() <= r.GetIntent().GetVersion() || u.GetRegistryVersion() <= r.GetRegistryVersion() {
		t.Errorf("updated is %v", u)
	}
	_, err = w.intents.Delete(as(t, "agent"), &semabusv1.IntentsDeleteRequest{OpId: "d", Name: "refund"})
	must(t, err)
	_, err = w.intents.Get(as(t, "agent"), &semabusv1.IntentsGetRequest{Name: "refund"})
	refused(t, err, codes.NotFound, semabus.ReasonNotFound)
}

func TestSetsAndGroupsAreConfigured(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s, err := w.intents.ConfigureSet(as(t, "agent"), &semabusv1.IntentsConfigureSetRequest{OpId: "s", Set: &semabusv1.Set{Name: "desk",
		Dispatch: semabusv1.Dispatch_DISPATCH_TASK, Ambiguity: semabusv1.AmbiguityPolicy_AMBIGUITY_POLICY_HOLD, MaxFanout: 3}})
	must(t, err)
	got, err := w.intents.GetSet(as(t, "publisher"), &semabusv1.IntentsGetSetRequest{Name: "desk"})
	must(t, err)
	if g := got.GetSet(); g.GetDispatch() != semabusv1.Dispatch_DISPATCH_TASK || g.GetMaxFanout() != 3 || g.GetVersion() != s.GetSet().GetVersion() ||
		g.GetAmbiguity() != semabusv1.AmbiguityPolicy_AMBIGUITY_POLICY_HOLD {
		t.Errorf("set is %v", g)
	}
	_, err = w.groups.Configure(as(t, "operator"), &semabusv1.GroupsConfigureRequest{OpId: "g", Group: &semabusv1.Group{
		Name: "desk", MaxConcurrency: 7, SessionOrder: true, Topics: []string{"orders.*"}}})
	must(t, err)
	g, err := w.groups.Get(as(t, "publisher"), &semabusv1.GroupsGetRequest{Name: "desk"})
	must(t, err)
	if g := g.GetGroup(); g.GetMaxConcurrency() != 7 || !g.GetSessionOrder() || g.GetLease().AsDuration() != semabus.DefaultLease || len(g.GetTopics()) != 1 {
		t.Errorf("group is %v", g)
	}
	l, err := w.groups.List(as(t, "publisher"), &semabusv1.GroupsListRequest{})
	must(t, err)
	if len(l.GetGroups()) != 1 {
		t.Errorf("groups are %v", l)
	}
	_, err = w.groups.Configure(as(t, "operator"), &semabusv1.GroupsConfigureRequest{Group: &semabusv1.Group{Name: "x", Lease: durationpb.New(-1)}})
	refused(t, err, codes.InvalidArgument, semabus.ReasonInvalidValue)
}

func TestWhyTellsBothSides(t *testing.T) {
	t.Parallel()
	w := setup(t)
	r, err := w.bus.Publish(as(t, "publisher"), &semabusv1.PublishRequest{Message: to("desk", "hello")})
	must(t, err)
	id := r.GetReceipt().GetId()
	y, err := w.bus.Why(as(t, "publisher"), &semabusv1.WhyRequest{MessageId: id, Group: "desk"})
	must(t, err)
	if y.GetReason() != semabusv1.MatchReason_MATCH_REASON_ADDRESS || y.GetText() == "" || len(y.GetDeliveries()) != 1 ||
		y.GetDeliveries()[0].GetPhase() != semabusv1.DeliveryPhase_DELIVERY_PHASE_READY {
		t.Errorf("why is %v", y)
	}
	n, err := w.bus.Why(as(t, "publisher"), &semabusv1.WhyRequest{MessageId: id, Group: "elsewhere"})
	must(t, err)
	if n.GetText() == "" || len(n.GetDeliveries()) != 0 {
		t.Errorf("why not is %v", n)
	}
	_, err = w.bus.Why(as(t, "publisher"), &semabusv1.WhyRequest{})
	refused(t, err, codes.InvalidArgument, semabus.ReasonRequired)
}
