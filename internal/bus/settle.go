package bus

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/router"
)

// SettleResult is the answer to one settlement.
type SettleResult struct {
	Settled semabus.Settled
	Err     error
}

// Settle ends deliveries. Plain ones share one group commit; one with outputs is a commit of its own kind: the settlement,
// the outputs and their deliveries become true together. A stale lease gets FAILED_PRECONDITION/STALE_LEASE and changes
// nothing; a known op id returns the first result.
func (b *Bus) Settle(ctx context.Context, p semabus.Principal, ss []semabus.Settlement) []SettleResult {
	results := make([]SettleResult, len(ss))
	var commits []*broker.Commit
	var index []int
	for i := range ss {
		s := &ss[i]
		if s.Outcome == semabus.SettleNotForMe || len(s.Outputs) > 0 {
			results[i] = b.settleOne(ctx, p, s)
			continue
		}
		c, err := b.settlement(ctx, p, s)
		if err != nil {
			results[i].Err = err
			continue
		}
		commits, index = append(commits, c), append(index, i)
	}
	if len(commits) == 0 {
		return results
	}
	done, err := b.broker.Commit(ctx, commits)
	for k, i := range index {
		switch {
		case k >= len(done):
			results[i].Err = err
		case done[k].Err != nil:
			results[i].Err = done[k].Err
		default:
			results[i].Settled.Duplicate = done[k].Duplicate
			b.settled(&ss[i])
		}
	}
	return results
}

// settled is what follows a successful settlement in memory.
func (b *Bus) settled(s *semabus.Settlement) {
	b.flow.Release(s.Token)
	b.metrics.Settled(s.Outcome)
}

// settlement packs a settlement without outputs.
func (b *Bus) settlement(ctx context.Context, p semabus.Principal, s *semabus.Settlement) (*broker.Commit, error) {
	const op = "bus.Settle"
	switch {
	case len(s.Token) == 0:
		return nil, invalid(op, semabus.ReasonRequired, "lease", "", "", "give the lease token of the delivery")
	case s.Outcome == semabus.SettleUnspecified || s.Outcome > semabus.SettleNotForMe:
		return nil, invalid(op, semabus.ReasonInvalidValue, "outcome", s.Outcome.String(), "done, retry, poison, throttled, not_for_me", "choose one of the outcomes")
	case len(s.Outputs) > semabus.MaxOutputs:
		return nil, invalid(op, semabus.ReasonTooMany, "outputs", strconv.Itoa(len(s.Outputs)), strconv.Itoa(semabus.MaxOutputs), "publish the rest yourself")
	case len(s.Appends) > 0:
		return nil, &semabus.Error{Code: semabus.CodeUnimplemented, Reason: semabus.ReasonNotBuilt, Op: op, Field: "appends",
			Fix: "sessions are not built yet; docs/roadmap.md says when they come"}
	case s.RetryAfter < 0 || s.RetryAfter > 30*24*time.Hour:
		return nil, invalid(op, semabus.ReasonInvalidValue, "retry_after", s.RetryAfter.String(), "0–720h", "shorten it")
	}
	c := &broker.Commit{Tenant: p.Tenant, OpID: settleOp(s)}
	if s.OpID != "" {
		c.OpHash = settleHash(s)
	}
	st := broker.Settle{Token: s.Token, Outcome: s.Outcome, Error: s.Error, RetryAfter: s.RetryAfter}
	if s.Outcome == semabus.SettleRetry {
		held, err := b.broker.Holder(ctx, p.Tenant, s.Token)
		if err != nil {
			return nil, err
		}
		g, _ := b.flow.Group(p.Tenant, held.Delivery.Group)
		st.Policy = broker.RetryPolicy{MaxAttempts: g.MaxAttempts, Base: g.RetryBase, Cap: g.RetryCap}
	}
	c.Settles = []broker.Settle{st}
	return c, nil
}

// settleOp is the mark of a settlement: the caller's op id; with outputs and none, the lease itself, so that a repeat after a
// lost answer returns the first result.
func settleOp(s *semabus.Settlement) string {
	if s.OpID == "" && len(s.Outputs) > 0 {
		return "lease/" + hex.EncodeToString(s.Token)
	}
	return s.OpID
}

// settleHash is the fingerprint of what a settlement says, so that an op id reused for something else is noticed.
func settleHash(s *semabus.Settlement) uint64 {
	var b strings.Builder
	b.WriteString(s.Outcome.String())
	for _, m := range s.Outputs {
		b.WriteString("\x00" + strconv.FormatUint(broker.Fingerprint(m), 16))
	}
	return fnv64(b.String())
}

func fnv64(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// settleOne settles with outputs or feedback.
func (b *Bus) settleOne(ctx context.Context, p semabus.Principal, s *semabus.Settlement) SettleResult {
	c, err := b.settlement(ctx, p, s)
	if err != nil {
		return SettleResult{Err: err}
	}
	held, err := b.broker.Holder(ctx, p.Tenant, s.Token)
	if err != nil {
		return SettleResult{Err: err}
	}
	rootKey, err := b.outputs(ctx, p, s, held, c)
	if err != nil {
		return SettleResult{Err: err}
	}
	var done broker.Committed
	if s.Outcome == semabus.SettleNotForMe {
		done, err = b.settleNotForMe(ctx, p, held, c)
	} else {
		done, err = b.commit(ctx, c)
	}
	if rootKey != "" && semabus.ReasonOf(err) == semabus.ReasonLoop {
		park(c)
		done, err = b.commit(ctx, c)
	}
	if err != nil {
		return SettleResult{Err: err}
	}
	b.settled(s)
	if done.Duplicate {
		rs, _ := decodeReceipts(done.Value)
		return SettleResult{Settled: semabus.Settled{Outputs: rs, Duplicate: true}}
	}
	return SettleResult{Settled: semabus.Settled{Outputs: outputReceipts(c)}}
}

// outputs stamps and decides a settlement's outputs into the commit and puts the root's budget under a condition. It returns
// the counter's key, or "" without outputs.
func (b *Bus) outputs(ctx context.Context, p semabus.Principal, s *semabus.Settlement, held *broker.Held, c *broker.Commit) (string, error) {
	if len(s.Outputs) == 0 {
		return "", nil
	}
	root := held.Message.Root
	if root == "" {
		root = held.Message.ID
	}
	var vectors []embed.Vector
	for i, m := range s.Outputs {
		field := "outputs[" + strconv.Itoa(i) + "]"
		if m == nil {
			return "", invalid("bus.Settle", semabus.ReasonRequired, field, "", "", "give a message")
		}
		if strings.HasPrefix(m.To, "$") {
			return "", invalid("bus.Settle", semabus.ReasonInvalidValue, field+".to", m.To, "names beginning with $ are reserved", "address a group of yours")
		}
		b.inherit(p, m, held.Message, root)
		if m.ID == "" {
			m.ID = derive("out/"+c.OpID, uint64(i))
		}
		d, err := b.outputDecision(ctx, p.Tenant, m, held.Delivery.Group, &vectors)
		if err != nil {
			return "", err
		}
		c.Entries = append(c.Entries, broker.Entry{Message: m, Decision: d, Groups: targets(d)})
	}
	key := "root/" + root
	n := int64(len(s.Outputs))
	c.Counters = append(c.Counters, driver.Counter{Key: key, Add: n})
	c.Conditions = append(c.Conditions, driver.Condition{Counter: key, AtMost: semabus.MaxRootMessages - n})
	c.Value = encodeReceipts(outputReceipts(c))
	return key, nil
}

// inherit sets what an output gets from the delivery that produced it and never from the client.
func (b *Bus) inherit(p semabus.Principal, m, from *semabus.Message, root string) {
	m.Source, m.Cause, m.Root, m.Hops = p.Name, from.ID, root, from.Hops+1
	if m.Time.IsZero() {
		m.Time = b.clock.Now()
	}
	if m.Session == "" {
		m.Session = from.Session
	}
	if m.InReplyTo == "" {
		m.InReplyTo = from.ID
	}
	if m.TraceParent == "" {
		m.TraceParent, m.TraceState = from.TraceParent, from.TraceState
	}
}

// outputDecision decides an output; one that is too many hops from its root is parked.
func (b *Bus) outputDecision(ctx context.Context, tenant string, m *semabus.Message, group string, vectors *[]embed.Vector) (*semabus.Decision, error) {
	if m.Hops > semabus.MaxHops {
		return loopDecision(m, b.clock.Now()), nil
	}
	return b.decide(ctx, tenant, m, []string{group}, vectors)
}

func loopDecision(m *semabus.Message, now time.Time) *semabus.Decision {
	return &semabus.Decision{MessageID: m.ID, Outcome: semabus.OutcomeLoop, At: now,
		Near: []semabus.Match{{Reason: semabus.MissLoop}}}
}

// park sends every output of a commit whose root has used up its budget to the dead-letter queue instead.
func park(c *broker.Commit) {
	for i := range c.Entries {
		e := &c.Entries[i]
		e.Decision = loopDecision(e.Message, e.Decision.At)
		e.Groups = targets(e.Decision)
	}
	c.Conditions, c.Counters = nil, nil
	c.Value = encodeReceipts(outputReceipts(c))
}

func outputReceipts(c *broker.Commit) []semabus.Receipt {
	rs := make([]semabus.Receipt, len(c.Entries))
	for i := range c.Entries {
		rs[i] = receipt(&c.Entries[i], nil)
	}
	return rs
}

// settleNotForMe finishes the delivery and teaches the router in one commit.
func (b *Bus) settleNotForMe(ctx context.Context, p semabus.Principal, held *broker.Held, c *broker.Commit) (broker.Committed, error) {
	intent := b.intentOf(ctx, p.Tenant, held.Message.ID, held.Delivery.Group)
	if intent == "" || held.Message.Text == "" {
		return b.commit(ctx, c) // it came by topic or address: there is nothing to learn
	}
	f := &semabus.Feedback{MessageID: held.Message.ID, Intent: intent, Group: held.Delivery.Group}
	return b.change(ctx, p.Tenant, intentLog, func(into *broker.Commit) ([]byte, error) {
		conditions := into.Conditions
		*into = *c
		into.Conditions = append(conditions, c.Conditions...)
		return router.EncodeChange(&router.Change{Version: b.router.Version(p.Tenant) + 1, Feedback: f,
			FeedbackText: held.Message.Text, At: b.clock.Now(), By: p.Name}), nil
	})
}

// intentOf is the intent by which a message reached a group, or "" when meaning had no part in it.
func (b *Bus) intentOf(ctx context.Context, tenant, messageID, group string) string {
	rec, err := b.broker.Message(ctx, tenant, messageID)
	if err != nil || rec.Decision == nil {
		return ""
	}
	for _, m := range rec.Decision.Matches {
		if m.Group == group && m.Reason == semabus.MatchMeaning {
			return m.Intent
		}
	}
	return ""
}
