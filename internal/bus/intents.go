package bus

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/router"
)

const maxPage = 1000

// RegisterIntent adds an intent. It is matched by every publish after the answer. A name that exists is
// ALREADY_EXISTS/EXISTS. The second result is the registry version that has it.
func (b *Bus) RegisterIntent(ctx context.Context, p semabus.Principal, opID string, in semabus.Intent) (semabus.Intent, uint64, error) {
	return b.putIntent(ctx, p, "register", opID, in, func(_ semabus.Intent, found bool) error {
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
	in.Version, in.UpdatedAt, in.UpdatedBy = 0, time.Time{}, ""
	in, err := b.router.Check(ctx, p.Tenant, &in)
	if err != nil {
		return semabus.Intent{}, 0, err
	}
	m, err := b.change(ctx, p, intentLog, &change{verb: verb, opID: opID, hash: jsonHash(in), subject: "intent/" + in.Name,
		build: func(version uint64, now time.Time) ([][]byte, error) {
			if err := allowed(b.router.Intent(p.Tenant, in.Name)); err != nil {
				return nil, err
			}
			as := in
			as.Version, as.UpdatedAt, as.UpdatedBy = version, now, p.Name
			return [][]byte{router.EncodeChange(&router.Change{Version: version, Intent: &as, At: now, By: p.Name})}, nil
		}})
	if err != nil {
		return semabus.Intent{}, 0, err
	}
	in.Version, in.UpdatedAt, in.UpdatedBy = m.Version, m.At, m.By
	return in, m.Version, nil
}

func jsonHash(v any) uint64 {
	raw, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return fnv64(string(raw))
}

// DeleteIntent removes an intent; what already waits for its group stays. An unknown name is NOT_FOUND.
func (b *Bus) DeleteIntent(ctx context.Context, p semabus.Principal, opID, name string) (uint64, error) {
	m, err := b.change(ctx, p, intentLog, &change{verb: "delete", opID: opID, hash: fnv64(name), subject: "intent/" + name,
		build: func(version uint64, now time.Time) ([][]byte, error) {
			if _, ok := b.router.Intent(p.Tenant, name); !ok {
				return nil, notFound("bus.DeleteIntent", "name", name, "list the intents")
			}
			return [][]byte{router.EncodeChange(&router.Change{Version: version, DeleteIntent: name, At: now, By: p.Name})}, nil
		}})
	return m.Version, err
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

// ConfigureSet sets how a set dispatches and returns it with its defaults filled in.
func (b *Bus) ConfigureSet(ctx context.Context, p semabus.Principal, opID string, s semabus.Set) (semabus.Set, uint64, error) {
	const op = "bus.ConfigureSet"
	if s.Name == "" {
		s.Name = p.Set
	}
	switch {
	case strings.HasPrefix(s.Name, "$"):
		return s, 0, invalid(op, semabus.ReasonInvalidID, "set.name", s.Name, "not beginning with $", "choose another name")
	case s.MaxFanout < 0 || s.MaxFanout > 1000:
		return s, 0, invalid(op, semabus.ReasonInvalidValue, "set.max_fanout", strconv.Itoa(s.MaxFanout), "0–1000 (0 = 16)", "lower it")
	case s.Dispatch > semabus.DispatchTask || s.Ambiguity > semabus.AmbiguityHold:
		return s, 0, invalid(op, semabus.ReasonInvalidValue, "set.dispatch", "", "event or task; best, all or hold", "choose one of them")
	}
	if err := broker.CheckID(op, "set.name", s.Name); err != nil {
		return s, 0, err
	}
	s = filled(s)
	s.Version = 0
	m, err := b.change(ctx, p, intentLog, &change{verb: "set", opID: opID, hash: jsonHash(s), subject: "set/" + s.Name,
		build: func(version uint64, now time.Time) ([][]byte, error) {
			as := s
			as.Version = version
			return [][]byte{router.EncodeChange(&router.Change{Version: version, Set: &as, At: now, By: p.Name})}, nil
		}})
	s.Version = m.Version
	return s, m.Version, err
}

// GetSet returns a set's configuration; one that was never configured has the defaults.
func (b *Bus) GetSet(_ context.Context, p semabus.Principal, name string) (semabus.Set, error) {
	s, _ := b.router.Set(p.Tenant, name)
	s.Name = name
	return filled(s), nil
}

// filled is a set with its defaults filled in; dispatch event and policy best are zero values.
func filled(s semabus.Set) semabus.Set {
	if s.MaxFanout == 0 {
		s.MaxFanout = semabus.MaxFanout
	}
	return s
}

// Match ranks the tenant's intents for a text, best first, without any side effect; limit 0 = 10.
func (b *Bus) Match(ctx context.Context, p semabus.Principal, text string, limit int) ([]semabus.Match, error) {
	const op = "bus.Match"
	switch {
	case text == "":
		return nil, invalid(op, semabus.ReasonRequired, "text", "", "1–32768 bytes", "give the text")
	case len(text) > semabus.MaxTextBytes:
		return nil, invalid(op, semabus.ReasonTooLarge, "text", strconv.Itoa(len(text))+" bytes", "1–32768 bytes", "give a shorter text")
	case limit < 0 || limit > maxPage:
		return nil, invalid(op, semabus.ReasonInvalidValue, "limit", strconv.Itoa(limit), "0–1000 (0 = 10)", "ask for fewer")
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
	if err := b.checkMessage(m, "message"); err != nil {
		return nil, nil, err
	}
	sc := b.scratch()
	defer b.free(sc)
	req, err := b.request(ctx, p.Tenant, m, sc)
	if err != nil {
		return nil, nil, err
	}
	d, err := b.router.Decide(ctx, req)
	if err != nil || intent == "" {
		return d, nil, err
	}
	match, err := b.router.Explain(ctx, req, intent)
	if err != nil {
		return nil, nil, err
	}
	return d, &match, nil
}
