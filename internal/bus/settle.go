package bus

import (
	"context"
	"strconv"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/internal/obs"
)

// SettleResult is the answer to one settlement.
type SettleResult struct {
	Settled semabus.Settled
	Err     error
}

// leaseWindow is how long a settlement with outputs and without an op id can be repeated: longer than any client waits for
// a lost answer, short enough that such marks do not fill the dedup memory.
const leaseWindow = 10 * time.Minute

// rootMemory is how long a root's spent budget is remembered after its newest message: a loop slower than that does no harm.
const rootMemory = 7 * 24 * time.Hour

// settling is one settlement under way.
type settling struct {
	s      *semabus.Settlement
	at     int // in the caller's slice
	commit broker.Commit
	settle [1]broker.Settle
	held   *broker.Held // looked up only where the settlement needs it
	spans  []obs.Span   // of the outputs
}

// Settle ends deliveries. Each settlement is a commit of its own: the settlement, its outputs and their deliveries become
// true together, and all commits of one call share one write. A stale lease gets FAILED_PRECONDITION/STALE_LEASE, one
// that ended its delivery before ALREADY_SETTLED, and
// changes nothing; a known op id returns the first result.
func (b *Bus) Settle(ctx context.Context, p semabus.Principal, ss []semabus.Settlement) []SettleResult {
	results := make([]SettleResult, len(ss))
	block := make([]settling, len(ss))
	ready := make([]*settling, 0, len(ss))
	sc := b.scratch()
	defer b.free(sc)
	for i := range ss {
		w := &block[i]
		w.s, w.at = &ss[i], i
		switch err := b.settlement(ctx, p, w, sc); {
		case err != nil:
			results[i] = b.repeated(ctx, w, err)
		case w.s.Outcome == semabus.SettleNotForMe:
			done, err := b.settleNotForMe(ctx, p, w)
			results[i] = b.settled(w, done, err)
		default:
			ready = append(ready, w)
		}
	}
	for len(ready) > 0 { // a second time for what has to be parked
		ready = b.settleAll(ctx, ready, results)
	}
	return results
}

// settleAll commits settlements together, fills in their results and returns those whose root has spent its budget, with
// their outputs parked.
func (b *Bus) settleAll(ctx context.Context, ready []*settling, results []SettleResult) (again []*settling) {
	commits := make([]*broker.Commit, len(ready))
	for k, w := range ready {
		commits[k] = &w.commit
	}
	done := b.commitAll(ctx, commits)
	for k, w := range ready {
		if overBudget(&w.commit, done[k].Err) {
			park(w)
			again = append(again, w)
			continue
		}
		results[w.at] = b.settled(w, done[k], done[k].Err)
	}
	return again
}

// settled is the result of a settlement, and what follows a successful one in memory.
func (b *Bus) settled(w *settling, done broker.Committed, err error) SettleResult {
	for _, span := range w.spans {
		span.End(err)
	}
	if err != nil {
		return SettleResult{Err: err}
	}
	if done.Duplicate {
		return SettleResult{Settled: semabus.Settled{Outputs: firstOutputs(w, done.Value), Duplicate: true}}
	}
	b.flow.Release(w.s.Token)
	b.metrics.Settled(w.s.Outcome)
	if len(w.commit.Entries) == 0 {
		return SettleResult{}
	}
	for i := range w.commit.Entries {
		b.metrics.Published(w.commit.Entries[i].Decision.Outcome)
	}
	return SettleResult{Settled: semabus.Settled{Outputs: receipts(&w.commit)}}
}

// firstOutputs are the receipts of the first time; where they were too many to keep, the ids alone.
func firstOutputs(w *settling, value []byte) []semabus.Receipt {
	if rs := decodeReceipts(value); rs != nil || len(w.s.Outputs) == 0 {
		return rs
	}
	rs := make([]semabus.Receipt, len(w.s.Outputs))
	for i, m := range w.s.Outputs {
		rs[i].ID = outputID(w, m, i)
	}
	return rs
}

// repeated answers a settlement that could not be prepared: with its error or, where it was carried out before and only what
// it was about is forgotten by now, with the first result.
func (b *Bus) repeated(ctx context.Context, w *settling, err error) SettleResult {
	if w.commit.OpID != "" && semabus.ReasonOf(err) == semabus.ReasonStaleLease {
		probe := &broker.Commit{Tenant: w.commit.Tenant, OpID: w.commit.OpID, OpHash: w.commit.OpHash, Conditions: never()}
		if done, perr := b.commit(ctx, probe); perr == nil && done.Duplicate {
			return b.settled(w, done, nil)
		}
	}
	for _, span := range w.spans {
		span.End(err)
	}
	return SettleResult{Err: err}
}

// settlement packs a settlement with its outputs into its commit.
func (b *Bus) settlement(ctx context.Context, p semabus.Principal, w *settling, sc *scratch) error {
	s := w.s
	if err := checkSettlement(s); err != nil {
		return err
	}
	w.settle[0] = broker.Settle{Token: s.Token, Outcome: s.Outcome, Error: s.Error, RetryAfter: s.RetryAfter}
	w.commit = broker.Commit{Tenant: p.Tenant, OpID: s.OpID, Settles: w.settle[:]}
	if s.OpID == "" && len(s.Outputs) > 0 { // the lease itself, so that a repeat after a lost answer returns the first result
		w.commit.OpID, w.commit.OpWindow = "$lease/"+derive(string(s.Token), 0), leaseWindow
	}
	if w.commit.OpID != "" {
		w.commit.OpHash = settleHash(s)
	}
	back := s.Outcome == semabus.SettleRetry || s.Outcome == semabus.SettleThrottled
	if back || s.Outcome == semabus.SettleNotForMe || len(s.Outputs) > 0 {
		var err error
		if w.held, err = b.broker.Holder(ctx, p.Tenant, s.Token); err != nil {
			return err
		}
	}
	if back {
		g, _ := b.flow.Group(p.Tenant, w.held.Delivery.Group)
		w.settle[0].Policy = broker.RetryPolicy{MaxAttempts: g.MaxAttempts, Base: g.RetryBase, Cap: g.RetryCap}
	}
	return b.outputs(ctx, p, w, sc)
}

// checkSettlement validates what the consumer sent.
func checkSettlement(s *semabus.Settlement) error {
	const op = "bus.Settle"
	switch {
	case len(s.Token) == 0:
		return invalid(op, semabus.ReasonRequired, "token", "", "", "give the lease token of the delivery")
	case s.Outcome == semabus.SettleUnspecified || s.Outcome > semabus.SettleNotForMe:
		return invalid(op, semabus.ReasonInvalidValue, "outcome", s.Outcome.String(), "done, retry, poison, throttled, not_for_me", "choose one of the outcomes")
	case len(s.Outputs) > semabus.MaxOutputs:
		return invalid(op, semabus.ReasonTooMany, "outputs", strconv.Itoa(len(s.Outputs)), strconv.Itoa(semabus.MaxOutputs), "publish the rest yourself")
	case len(s.Appends) > 0:
		return &semabus.Error{Code: semabus.CodeUnimplemented, Reason: semabus.ReasonNotBuilt, Op: op, Field: "appends",
			Fix: "sessions are not built yet; docs/roadmap.md says when they come"}
	case s.RetryAfter < 0 || s.RetryAfter > broker.MaxRetryAfter:
		return invalid(op, semabus.ReasonInvalidValue, "retry_after", s.RetryAfter.String(), "0–720h", "shorten it")
	case s.OpID != "":
		return checkOp(op, s.OpID)
	}
	return nil
}

// settleHash is the fingerprint of what a settlement says, so that an op id reused for something else is noticed.
func settleHash(s *semabus.Settlement) uint64 {
	var b strings.Builder
	b.WriteString(s.Outcome.String())
	for _, m := range s.Outputs {
		if m != nil {
			b.WriteString("\x00" + strconv.FormatUint(broker.Fingerprint(m), 16))
		}
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

// outputs stamps and decides a settlement's outputs into its commit and puts the root's budget under a condition.
func (b *Bus) outputs(ctx context.Context, p semabus.Principal, w *settling, sc *scratch) error {
	n := len(w.s.Outputs)
	if n == 0 {
		return nil
	}
	root := w.held.Message.Root
	if root == "" {
		root = w.held.Message.ID
	}
	w.commit.Entries = make([]broker.Entry, n)
	for i, m := range w.s.Outputs {
		field := "outputs[" + strconv.Itoa(i) + "]"
		if m == nil {
			return invalid("bus.Settle", semabus.ReasonRequired, field, "", "", "give a message")
		}
		e := &w.commit.Entries[i]
		*e = broker.Entry{Message: m, Checked: true, Hash: broker.Fingerprint(m)}
		b.inherit(p, m, w.held.Message, root)
		m.ID = outputID(w, m, i)
		if err := b.checkMessage(m, field); err != nil {
			return err
		}
		octx := ctx
		if b.tracer != nil {
			var span obs.Span
			octx, span = b.tracer.Publish(ctx, m)
			w.spans = append(w.spans, span)
		}
		var err error
		if e.Decision, err = b.outputDecision(octx, p.Tenant, m, w.held.Delivery.Group, sc); err != nil {
			return err
		}
		if e.Groups, err = b.targets(ctx, p.Tenant, e.Decision); err != nil {
			return err
		}
	}
	key := within("root/", root)
	w.commit.Counters = []driver.Counter{{Key: key, Add: int64(n), Until: b.clock.Now().Add(rootMemory)}}
	w.commit.Conditions = []driver.Condition{{Counter: key, AtMost: semabus.MaxRootMessages - int64(n)}}
	w.commit.Value = encodeReceipts(receipts(&w.commit))
	return nil
}

// outputID is the id an output was given, or what derives from the operation's and its place: a repeat makes the same ids.
func outputID(w *settling, m *semabus.Message, i int) string {
	if m.ID != "" {
		return m.ID
	}
	return derive("out/"+w.commit.OpID, uint64(i))
}

// inherit sets what an output gets from the delivery that produced it and never from the client.
func (b *Bus) inherit(p semabus.Principal, m, from *semabus.Message, root string) {
	boundReply(m)
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
func (b *Bus) outputDecision(ctx context.Context, tenant string, m *semabus.Message, group string, sc *scratch) (*semabus.Decision, error) {
	if m.Hops > semabus.MaxHops {
		return loopDecision(m, group, b.clock.Now()), nil
	}
	return b.decide(ctx, tenant, m, []string{group}, sc)
}

// loopDecision parks a message; group is the one whose delivery caused it.
func loopDecision(m *semabus.Message, group string, now time.Time) *semabus.Decision {
	return &semabus.Decision{MessageID: m.ID, Outcome: semabus.OutcomeLoop, At: now,
		Near: []semabus.Match{{Group: group, Reason: semabus.MissLoop}}}
}

// overBudget reports whether a commit failed by the condition on its root's budget, the only one that a settlement has
// besides its lease and, with a label, the registry's position.
func overBudget(c *broker.Commit, err error) bool {
	if len(c.Counters) == 0 || semabus.CodeOf(err) != semabus.CodeFailedPrecondition {
		return false
	}
	reason := semabus.ReasonOf(err)
	return reason != semabus.ReasonStaleLease && reason != semabus.ReasonAlreadySettled && reason != semabus.ReasonPositionMismatch
}

// park sends every output of a settlement whose root has used up its budget to the dead-letter queue instead.
func park(w *settling) {
	c := &w.commit
	for i := range c.Entries {
		e := &c.Entries[i]
		e.Decision = loopDecision(e.Message, w.held.Delivery.Group, e.Decision.At)
		e.Groups = []broker.Target{{Group: semabus.GroupDeadLetter, Match: e.Decision.Near[0]}}
	}
	c.Conditions, c.Counters = nil, nil
	c.Value = encodeReceipts(receipts(c))
}
