package bus

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/flow"
	"github.com/semabus/semabus/router"
)

const maxPage = 1000

// stored is what a repeated registry operation gets back.
type stored[T any] struct {
	Item    T
	Version uint64
}

// RegisterIntent adds an intent. It is matched by every publish after the answer. A name that exists is
// ALREADY_EXISTS/EXISTS. The second result is the registry version that has it.
func (b *Bus) RegisterIntent(ctx context.Context, p semabus.Principal, opID string, in semabus.Intent) (semabus.Intent, uint64, error) {
	return b.putIntent(ctx, p, "register", opID, in, func(old semabus.Intent, found bool) error {
		if found {
			return &semabus.Error{Code: semabus.CodeAlreadyExists, Reason: semabus.ReasonExists, Op: "bus.RegisterIntent",
				Field: "intent.name", Value: semabus.Shorten(in.Name), Fix: "update it, or choose another name"}
		}
		return nil
	})
}

// UpdateIntent replaces an intent. expectVersion, unless 0, must be its present version (ABORTED/POSITION_MISMATCH).
func (b *Bus) UpdateIntent(ctx context.Context, p semabus.Principal, opID string, in semabus.Intent, expectVersion uint64) (semabus.Intent, uint64, error) {
	return b.putIntent(ctx, p, "update", opID, in, func(old semabus.Intent, found bool) error {
		switch {
		case !found:
			return notFound("bus.UpdateIntent", "intent.name", in.Name, "register it first")
		case expectVersion != 0 && expectVersion != old.Version:
			return &semabus.Error{Code: semabus.CodeAborted, Reason: semabus.ReasonPositionMismatch, Op: "bus.UpdateIntent",
				Field: "expect_version", Value: strconv.FormatUint(expectVersion, 10), Limit: strconv.FormatUint(old.Version, 10),
				Fix: "read the intent again and repeat"}
		}
		return nil
	})
}

func (b *Bus) putIntent(ctx context.Context, p semabus.Principal, verb, opID string, in semabus.Intent,
	allowed func(old semabus.Intent, found bool) error) (semabus.Intent, uint64, error) {
	if in.Set == "" && !in.Independent {
		in.Set = p.Set
	}
	in, err := b.router.Check(ctx, p.Tenant, &in)
	if err != nil {
		return semabus.Intent{}, 0, err
	}
	hash := jsonHash(in)
	return registryOp(ctx, b, p, intentLog, mark(verb, opID), hash, func() (semabus.Intent, uint64, []byte, error) {
		if err := allowed(b.router.Intent(p.Tenant, in.Name)); err != nil {
			return in, 0, nil, err
		}
		c := &router.Change{Version: b.router.Version(p.Tenant) + 1, Intent: &in, At: b.clock.Now(), By: p.Name}
		in.Version, in.UpdatedAt, in.UpdatedBy = c.Version, c.At, c.By
		return in, c.Version, router.EncodeChange(c), nil
	})
}

// mark is the idempotence key of a registry operation, apart from those of other verbs.
func mark(verb, opID string) string {
	if opID == "" {
		return ""
	}
	return verb + "/" + opID
}

func jsonHash(v any) uint64 {
	raw, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return fnv64(string(raw))
}

// registryOp appends one change under an idempotence mark whose value is the answer.
func registryOp[T any](ctx context.Context, b *Bus, p semabus.Principal, log, opID string, hash uint64,
	build func() (T, uint64, []byte, error)) (item T, version uint64, err error) {
	done, err := b.change(ctx, p.Tenant, log, func(c *broker.Commit) ([]byte, error) {
		var event []byte
		var err error
		if item, version, event, err = build(); err != nil {
			// A repeated operation finds its own effect ("exists"): let the mark answer where there is one.
			if first, ok := firstAnswer[T](ctx, b, p.Tenant, opID, hash); ok {
				item, version = first.Item, first.Version
				return nil, errRepeated
			}
			return nil, err
		}
		c.OpID, c.OpHash = opID, hash
		if c.Value, err = json.Marshal(stored[T]{item, version}); err != nil {
			return nil, err
		}
		return event, nil
	})
	if errors.Is(err, errRepeated) {
		return item, version, nil
	}
	if err != nil {
		var zero T
		return zero, 0, err
	}
	if done.Duplicate {
		var s stored[T]
		if err := json.Unmarshal(done.Value, &s); err != nil {
			return item, 0, err
		}
		return s.Item, s.Version, nil
	}
	return item, version, nil
}

// errRepeated ends a change whose operation was applied before.
var errRepeated = errors.New("bus: operation repeated")

// firstAnswer asks whether an operation was applied before, by a commit that nothing but its mark can decide: its condition
// never holds.
func firstAnswer[T any](ctx context.Context, b *Bus, tenant, opID string, hash uint64) (s stored[T], ok bool) {
	if opID == "" {
		return s, false
	}
	done, err := b.commit(ctx, &broker.Commit{Tenant: tenant, OpID: opID, OpHash: hash,
		Conditions: []driver.Condition{{Counter: "$never", AtMost: -1}}})
	if err != nil || !done.Duplicate {
		return s, false
	}
	return s, json.Unmarshal(done.Value, &s) == nil
}

// DeleteIntent removes an intent; what already waits for its group stays. An unknown name is NOT_FOUND.
func (b *Bus) DeleteIntent(ctx context.Context, p semabus.Principal, opID, name string) (uint64, error) {
	_, v, err := registryOp(ctx, b, p, intentLog, mark("delete", opID), fnv64(name), func() (string, uint64, []byte, error) {
		if _, ok := b.router.Intent(p.Tenant, name); !ok {
			return name, 0, nil, notFound("bus.DeleteIntent", "name", name, "list the intents")
		}
		c := &router.Change{Version: b.router.Version(p.Tenant) + 1, DeleteIntent: name, At: b.clock.Now(), By: p.Name}
		return name, c.Version, router.EncodeChange(c), nil
	})
	return v, err
}

// GetIntent returns one intent or NOT_FOUND.
func (b *Bus) GetIntent(_ context.Context, p semabus.Principal, name string) (semabus.Intent, error) {
	in, ok := b.router.Intent(p.Tenant, name)
	if !ok {
		return in, notFound("bus.GetIntent", "name", name, "list the intents")
	}
	return in, nil
}

// ListIntents lists intents in name order after a name; set "" = all sets; limit 0 = 100. next is "" on the last page.
func (b *Bus) ListIntents(_ context.Context, p semabus.Principal, set, after string, limit int) (items []semabus.Intent, next string, err error) {
	limit, err = pageSize("bus.ListIntents", limit)
	if err != nil {
		return nil, "", err
	}
	items = b.router.Intents(p.Tenant, set, after, limit+1)
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].Name
	}
	return items, next, nil
}

func pageSize(op string, n int) (int, error) {
	if n < 0 || n > maxPage {
		return 0, invalid(op, semabus.ReasonInvalidValue, "page_size", strconv.Itoa(n), "0–1000 (0 = 100)", "page")
	}
	if n == 0 {
		n = 100
	}
	return n, nil
}

// ConfigureSet sets how a set dispatches.
func (b *Bus) ConfigureSet(ctx context.Context, p semabus.Principal, opID string, s semabus.Set) (semabus.Set, uint64, error) {
	const op = "bus.ConfigureSet"
	switch {
	case s.Name == "":
		s.Name = p.Set
	case len(s.Name) > semabus.MaxIDBytes || strings.HasPrefix(s.Name, "$"):
		return s, 0, invalid(op, semabus.ReasonInvalidID, "set.name", s.Name, "1–256 bytes, not beginning with $", "choose another name")
	}
	if s.MaxFanout < 0 || s.MaxFanout > 1000 {
		return s, 0, invalid(op, semabus.ReasonInvalidValue, "set.max_fanout", strconv.Itoa(s.MaxFanout), "0–1000 (0 = 16)", "lower it")
	}
	return registryOp(ctx, b, p, intentLog, mark("set", opID), jsonHash(s), func() (semabus.Set, uint64, []byte, error) {
		c := &router.Change{Version: b.router.Version(p.Tenant) + 1, Set: &s, At: b.clock.Now(), By: p.Name}
		s.Version = c.Version
		return s, c.Version, router.EncodeChange(c), nil
	})
}

// GetSet returns a set's configuration; one that was never configured has the defaults.
func (b *Bus) GetSet(_ context.Context, p semabus.Principal, name string) (semabus.Set, error) {
	s, _ := b.router.Set(p.Tenant, name)
	s.Name = name
	return s, nil
}

// Match ranks the tenant's intents for a text, best first, without any side effect; limit 0 = 10.
func (b *Bus) Match(ctx context.Context, p semabus.Principal, text string, limit int) ([]semabus.Match, error) {
	switch {
	case text == "" || len(text) > semabus.MaxTextBytes:
		return nil, invalid("bus.Match", semabus.ReasonTooLarge, "text", strconv.Itoa(len(text))+" bytes", "1–32768 bytes", "give a shorter text")
	case limit < 0 || limit > maxPage:
		return nil, invalid("bus.Match", semabus.ReasonInvalidValue, "limit", strconv.Itoa(limit), "0–1000 (0 = 10)", "ask for fewer")
	case limit == 0:
		limit = 10
	}
	vs, err := b.embed.EmbedOne(ctx, text, embeddriver.Query, nil)
	if err != nil {
		return nil, err
	}
	return b.router.Match(ctx, p.Tenant, text, vs, limit)
}

// Explain decides a message without publishing it, and where an intent is named explains that one's part.
func (b *Bus) Explain(ctx context.Context, p semabus.Principal, m *semabus.Message, intent string) (*semabus.Decision, *semabus.Match, error) {
	if m == nil {
		return nil, nil, invalid("bus.Explain", semabus.ReasonRequired, "message", "", "", "give a message or a text")
	}
	m.Source = p.Name
	b.stamp(m, "", 0)
	if err := b.broker.Check(m, "message"); err != nil {
		return nil, nil, err
	}
	var vs []embed.Vector
	d, err := b.decide(ctx, p.Tenant, m, nil, &vs)
	if err != nil || intent == "" {
		return d, nil, err
	}
	match, err := b.explainIntent(ctx, p.Tenant, m, vs, intent)
	return d, match, err
}

func (b *Bus) explainIntent(ctx context.Context, tenant string, m *semabus.Message, vs []embed.Vector, intent string) (*semabus.Match, error) {
	match, err := b.router.Explain(ctx, &router.Request{Tenant: tenant, Message: m, Vectors: vs,
		GroupTopics: func(t string) []string { return b.flow.TopicGroups(tenant, t) }}, intent)
	if err != nil {
		return nil, err
	}
	return &match, nil
}

// ConfigureGroup sets a group's configuration.
func (b *Bus) ConfigureGroup(ctx context.Context, p semabus.Principal, opID string, g semabus.GroupConfig) (semabus.GroupConfig, error) {
	if err := b.flow.Check(g); err != nil {
		return g, err
	}
	g, _, err := registryOp(ctx, b, p, flow.Log, mark("group", opID), jsonHash(g), func() (semabus.GroupConfig, uint64, []byte, error) {
		c := &flow.Change{Version: b.flow.Version(p.Tenant) + 1, Group: g, At: b.clock.Now(), By: p.Name}
		g.Version = c.Version
		event, err := flow.EncodeChange(c)
		return g, c.Version, event, err
	})
	return g, err
}

// GetGroup returns a group's effective configuration, defaults filled in.
func (b *Bus) GetGroup(_ context.Context, p semabus.Principal, name string) (semabus.GroupConfig, error) {
	if name == "" {
		return semabus.GroupConfig{}, invalid("bus.GetGroup", semabus.ReasonRequired, "name", "", "1–256 bytes", "name the group")
	}
	g, _ := b.flow.Group(p.Tenant, name)
	return g, nil
}

// ListGroups lists configured groups in name order after a name; limit 0 = 100.
func (b *Bus) ListGroups(_ context.Context, p semabus.Principal, after string, limit int) (items []semabus.GroupConfig, next string, err error) {
	limit, err = pageSize("bus.ListGroups", limit)
	if err != nil {
		return nil, "", err
	}
	items = b.flow.Groups(p.Tenant, after, limit+1)
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].Name
	}
	return items, next, nil
}
