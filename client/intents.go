package client

import (
	"context"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// Registered is an intent as the registry has it.
type Registered struct {
	Intent          semabus.Intent // defaults filled in
	RegistryVersion uint64         // the first version that has it; see [MinRegistryVersion]
}

// RegisterIntent says what a group wants to hear. Errors: ALREADY_EXISTS / EXISTS, INVALID_ARGUMENT naming every fault.
func (c *Client) RegisterIntent(ctx context.Context, in semabus.Intent) (Registered, error) {
	a, err := call(ctx, c, "client.RegisterIntent", c.intents.Register, &semabusv1.IntentsRegisterRequest{OpId: newID(), Intent: toIntent(&in)})
	if err != nil {
		return Registered{}, err
	}
	return Registered{fromIntent(a.GetIntent()), a.GetRegistryVersion()}, nil
}

// UpdateIntent replaces an intent as a whole. With expectVersion other than 0 it fails with ABORTED / POSITION_MISMATCH when
// the intent's version is another. Errors: NOT_FOUND.
func (c *Client) UpdateIntent(ctx context.Context, in semabus.Intent, expectVersion uint64) (Registered, error) {
	a, err := call(ctx, c, "client.UpdateIntent", c.intents.Update,
		&semabusv1.IntentsUpdateRequest{OpId: newID(), Intent: toIntent(&in), ExpectVersion: expectVersion})
	if err != nil {
		return Registered{}, err
	}
	return Registered{fromIntent(a.GetIntent()), a.GetRegistryVersion()}, nil
}

// DeleteIntent removes an intent and returns the registry version without it. Errors: NOT_FOUND.
func (c *Client) DeleteIntent(ctx context.Context, name string) (uint64, error) {
	a, err := call(ctx, c, "client.DeleteIntent", c.intents.Delete, &semabusv1.IntentsDeleteRequest{OpId: newID(), Name: name})
	return a.GetRegistryVersion(), err
}

// GetIntent returns one intent. Errors: NOT_FOUND.
func (c *Client) GetIntent(ctx context.Context, name string) (semabus.Intent, error) {
	a, err := call(ctx, c, "client.GetIntent", c.intents.Get, &semabusv1.IntentsGetRequest{Name: name})
	if err != nil {
		return semabus.Intent{}, err
	}
	return fromIntent(a.GetIntent()), nil
}

// pageSize is how many items a list call asks for at once.
const pageSize = 1000

// ListIntents returns the intents of a set, "" = all, by name.
func (c *Client) ListIntents(ctx context.Context, set string) ([]semabus.Intent, error) {
	var out []semabus.Intent
	q := &semabusv1.IntentsListRequest{Set: set, PageSize: pageSize}
	for {
		a, err := call(ctx, c, "client.ListIntents", c.intents.List, q)
		if err != nil {
			return nil, err
		}
		for _, in := range a.GetIntents() {
			out = append(out, fromIntent(in))
		}
		if q.PageToken = a.GetNextPageToken(); q.PageToken == "" {
			return out, nil
		}
	}
}

// ConfigureSet sets how the intents of a set compete.
func (c *Client) ConfigureSet(ctx context.Context, s semabus.Set) (semabus.Set, error) {
	a, err := call(ctx, c, "client.ConfigureSet", c.intents.ConfigureSet, &semabusv1.IntentsConfigureSetRequest{OpId: newID(),
		Set: &semabusv1.Set{Name: s.Name, Dispatch: semabusv1.Dispatch(s.Dispatch) + 1, Ambiguity: semabusv1.AmbiguityPolicy(s.Ambiguity) + 1,
			MaxFanout: count(s.MaxFanout)}})
	if err != nil {
		return semabus.Set{}, err
	}
	return fromSet(a.GetSet()), nil
}

// GetSet returns one set. Errors: NOT_FOUND.
func (c *Client) GetSet(ctx context.Context, name string) (semabus.Set, error) {
	a, err := call(ctx, c, "client.GetSet", c.intents.GetSet, &semabusv1.IntentsGetSetRequest{Name: name})
	if err != nil {
		return semabus.Set{}, err
	}
	return fromSet(a.GetSet()), nil
}

func fromSet(s *semabusv1.Set) semabus.Set {
	return semabus.Set{Name: s.GetName(), Dispatch: semabus.Dispatch(max(0, int32(s.GetDispatch())-1)),
		Ambiguity: semabus.AmbiguityPolicy(max(0, int32(s.GetAmbiguity())-1)), MaxFanout: int(s.GetMaxFanout()), Version: s.GetVersion()}
}

// Match ranks the intents for a text, best first, at most limit (0 = 10). Nothing is delivered or stored.
func (c *Client) Match(ctx context.Context, text string, limit int) ([]semabus.Match, error) {
	a, err := call(ctx, c, "client.Match", c.intents.Match, &semabusv1.IntentsMatchRequest{Text: text, Limit: count(limit)})
	if err != nil {
		return nil, err
	}
	return fromMatches(a.GetMatches()), nil
}

// Explanation is the decision a message would get.
type Explanation struct {
	Decision *semabus.Decision
	Match    *semabus.Match // the named intent's evidence; nil when none was named
}

// Explain decides a message without publishing it and shows one intent's evidence; intent "" = the decision only.
func (c *Client) Explain(ctx context.Context, m *semabus.Message, intent string) (*Explanation, error) {
	if m == nil {
		return nil, required("message")
	}
	if err := checkText(m); err != nil {
		return nil, err
	}
	a, err := call(ctx, c, "client.Explain", c.intents.Explain, &semabusv1.IntentsExplainRequest{Message: toMessage(m), Intent: intent})
	if err != nil {
		return nil, err
	}
	out := &Explanation{Decision: fromDecision(a.GetDecision())}
	if a.GetMatch() != nil {
		match := fromMatch(a.GetMatch())
		out.Match = &match
	}
	return out, nil
}
