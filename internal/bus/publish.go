package bus

import (
	"context"
	"errors"
	"strconv"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/flow"
	"github.com/semabus/semabus/internal/obs"
)

// PublishItem is one message with the publisher's conditions. The bus owns the message from here on.
type PublishItem struct {
	Message            *semabus.Message
	OpID               string // a repeat returns the first receipt; "" = none
	Producer           string // id of a numbered stream; "" = none
	Sequence           uint64 // place in it, from 1 on
	Expect             semabus.Expect
	Async              bool   // acknowledge when durable, decide afterwards: the receipt is pending
	MinRegistryVersion uint64 // decide with at least this version; FAILED_PRECONDITION/REGISTRY_BEHIND when it is newer
}

// PublishResult is the answer to one item: a receipt, or the error of that item alone.
type PublishResult struct {
	Receipt semabus.Receipt
	Err     error
}

// publishing is one item under way: everything of its commit in one piece, so that a frame costs one allocation for it.
type publishing struct {
	item     *PublishItem
	at       int // in the caller's slice
	commit   broker.Commit
	entry    [1]broker.Entry
	producer driver.Producer
	span     obs.Span
}

// Publish decides and commits the items in order, as one group commit, and returns one result an item. An item that is
// refused stores nothing and does not disturb its neighbours; after a failure that is not the item's fault (see
// [Transient]) the items behind it are not tried and carry the same error, so that a producer can resend from there in order.
func (b *Bus) Publish(ctx context.Context, p semabus.Principal, items []PublishItem) []PublishResult {
	start := b.clock.Now()
	results := make([]PublishResult, len(items))
	block := make([]publishing, len(items))
	commits := make([]*broker.Commit, 0, len(items))
	ready := make([]*publishing, 0, len(items))
	sc := b.scratch()
	defer b.free(sc)
	for i := range items {
		w := &block[i]
		w.item, w.at = &items[i], i
		err := b.prepare(ctx, p, w, sc)
		if err == nil {
			commits, ready = append(commits, &w.commit), append(ready, w)
			continue
		}
		results[i] = b.refuse(ctx, w, at(err, i, len(items)))
		if Transient(err) {
			for k := i + 1; k < len(items); k++ {
				results[k].Err = err
			}
			break
		}
	}
	b.store(ctx, p.Tenant, commits, ready, results)
	b.metrics.PublishTook(b.clock.Now().Sub(start))
	return results
}

// store commits what was prepared and fills in the results.
func (b *Bus) store(ctx context.Context, tenant string, commits []*broker.Commit, ready []*publishing, results []PublishResult) {
	if len(commits) == 0 {
		return
	}
	done := b.commitAll(ctx, commits)
	for k, w := range ready {
		r := &results[w.at]
		switch {
		case done[k].Err != nil:
			r.Err = at(done[k].Err, w.at, len(results))
			b.metrics.Rejected(1)
		case done[k].Duplicate:
			*r = duplicate(&w.commit, &done[k])
			b.metrics.Duplicated()
		default:
			r.Receipt = receipt(&w.entry[0], done[k].Position)
			b.published(tenant, &w.entry[0])
		}
		w.span.End(r.Err)
	}
}

// commitAll is broker.Commit under a span a message and a clock. An error of the engine is in the Err of each commit that it
// is about.
func (b *Bus) commitAll(ctx context.Context, commits []*broker.Commit) []broker.Committed {
	start := b.clock.Now()
	spans := b.commitSpans(ctx, commits)
	done, _ := b.broker.Commit(ctx, commits)
	b.metrics.CommitTook(b.clock.Now().Sub(start), len(commits))
	for i, of := range spans {
		for _, span := range of {
			span.End(done[i].Err)
		}
	}
	return done
}

// commitSpans starts a span for each message that the commits store; nil without a tracer.
func (b *Bus) commitSpans(ctx context.Context, commits []*broker.Commit) [][]obs.Span {
	if b.tracer == nil {
		return nil
	}
	spans := make([][]obs.Span, len(commits))
	for i, c := range commits {
		for k := range c.Entries {
			spans[i] = append(spans[i], b.tracer.Commit(ctx, c.Entries[k].Message))
		}
	}
	return spans
}

// published is what follows a successful publish in memory.
func (b *Bus) published(tenant string, e *broker.Entry) {
	if e.Decision == nil {
		b.ingress.add(tenant)
		return
	}
	b.metrics.Published(e.Decision.Outcome)
}

// refuse answers an item that was not prepared: with its error or, where the same publish had succeeded before, with that
// receipt, for a repeat gets the first answer whatever the registry says by now.
func (b *Bus) refuse(ctx context.Context, w *publishing, err error) PublishResult {
	if semabus.CodeOf(err) == semabus.CodeFailedPrecondition && (w.item.OpID != "" || w.commit.DedupKey != "" || w.commit.Producer != nil) {
		probe := w.commit
		probe.Conditions = never()
		if done, perr := b.commit(ctx, &probe); perr == nil && done.Duplicate {
			b.metrics.Duplicated()
			w.span.End(nil)
			return duplicate(&probe, &done)
		}
	}
	b.metrics.Rejected(1)
	w.span.End(err)
	return PublishResult{Err: err}
}

// never is a condition that does not hold: a commit under it can only tell that its op id is known.
func never() []driver.Condition { return []driver.Condition{{Counter: "$never", AtMost: -1}} }

// Transient reports whether an error says nothing about the request: repeated unchanged, it may succeed. A numbered stream
// of messages stops at such an error instead of going on behind it.
func Transient(err error) bool {
	switch semabus.CodeOf(err) {
	case semabus.CodeOK, semabus.CodeInvalidArgument, semabus.CodeNotFound, semabus.CodeAlreadyExists, semabus.CodePermissionDenied,
		semabus.CodeResourceExhausted, semabus.CodeFailedPrecondition, semabus.CodeOutOfRange, semabus.CodeUnimplemented:
		return false
	}
	return true
}

// at prefixes the fields of an error, and of those joined to it, with the item's place when there is more than one.
func at(err error, i, n int) error {
	if n == 1 {
		return err
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all := joined.Unwrap()
		placed := make([]error, len(all))
		for k, e := range all {
			placed[k] = at(e, i, n)
		}
		return errors.Join(placed...)
	}
	e, ok := semabus.AsError(err)
	if !ok || e.Field == "" || Transient(err) {
		return err
	}
	c := *e
	c.Field = "messages[" + strconv.Itoa(i) + "]." + strings.TrimPrefix(c.Field, "message.")
	return &c
}

// prepare checks, stamps, decides and packs one item into its commit.
func (b *Bus) prepare(ctx context.Context, p semabus.Principal, w *publishing, sc *scratch) error {
	it, m := w.item, w.item.Message
	if err := b.checkItem(p, it); err != nil {
		return err
	}
	m.Source, m.Cause, m.Root, m.Hops = p.Name, "", "", 0
	b.stamp(m, it.Producer, it.Sequence)
	if err := b.checkMessage(m, "message"); err != nil {
		return err
	}
	w.entry[0] = broker.Entry{Message: m, Checked: true, Hash: broker.Fingerprint(m)}
	w.commit = broker.Commit{Tenant: p.Tenant, OpID: it.OpID, OpHash: w.entry[0].Hash, DedupKey: m.DedupKey, DedupHash: w.entry[0].Hash,
		Entries: w.entry[:]}
	if it.Producer != "" {
		w.producer = driver.Producer{ID: it.Producer, Seq: it.Sequence}
		w.commit.Producer = &w.producer
	}
	ctx, w.span = b.tracer.Publish(ctx, m)
	if it.Async {
		b.accept(p.Tenant, &w.commit)
	} else if err := b.decideEntry(ctx, p.Tenant, it.Expect, &w.entry[0], sc); err != nil {
		return err
	}
	if w.commit.OpID != "" || w.commit.DedupKey != "" {
		w.commit.Value = encodeReceipts([]semabus.Receipt{receipt(&w.entry[0], nil)})
	}
	return nil
}

// checkItem validates the publisher's conditions.
func (b *Bus) checkItem(p semabus.Principal, it *PublishItem) error {
	const op = "bus.Publish"
	m := it.Message
	switch {
	case m == nil:
		return invalid(op, semabus.ReasonRequired, "message", "", "", "give a message")
	case it.Async && it.Expect != semabus.ExpectAny:
		return invalid(op, semabus.ReasonInvalidValue, "expect", "", "any, when publishing asynchronously", "publish in sync mode to hear the decision")
	case it.MinRegistryVersion > 0 && it.MinRegistryVersion > b.router.Version(p.Tenant):
		return &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonRegistryBehind, Op: op,
			Field: "min_registry_version", Value: strconv.FormatUint(it.MinRegistryVersion, 10),
			Limit: strconv.FormatUint(b.router.Version(p.Tenant), 10), Fix: "repeat shortly"}
	}
	if it.OpID != "" {
		return checkOp(op, it.OpID)
	}
	return nil
}

// checkOp validates an op id. Those of the bus itself begin with $.
func checkOp(op, id string) error {
	if strings.HasPrefix(id, "$") {
		return invalid(op, semabus.ReasonInvalidID, "op_id", id, "not beginning with $", "choose another op id")
	}
	return broker.CheckID(op, "op_id", id)
}

// checkMessage validates a stamped message before anything is spent on it.
func (b *Bus) checkMessage(m *semabus.Message, field string) error {
	if strings.HasPrefix(m.To, "$") {
		return invalid("bus.Publish", semabus.ReasonInvalidValue, field+".to", m.To, "names beginning with $ are reserved", "address a group of yours")
	}
	if len(m.Embeddings) > 0 {
		if err := b.checkEmbeddings(m, field); err != nil {
			return err
		}
	}
	err := b.broker.Check(m, field)
	if m.Topic == "" {
		return err
	}
	if e := flow.CheckTopic(m.Topic); e != nil && e.Reason == semabus.ReasonInvalidValue { // Check has named the others
		e.Op, e.Field = "bus.Publish", field+".topic"
		if err == nil {
			return e
		}
		return errors.Join(err, e)
	}
	return err
}

// checkEmbeddings demands that a vector of this node's space fits it, and that a message which has nothing but vectors has
// one of this space: vectors of two spaces are never compared.
func (b *Bus) checkEmbeddings(m *semabus.Message, field string) error {
	ours := false
	for i := range m.Embeddings {
		e := &m.Embeddings[i]
		if e.Space != b.tier.Space {
			continue
		}
		if ours = true; len(e.Values) != b.tier.Dim {
			return invalid("bus.Publish", semabus.ReasonInvalidValue, field+".embeddings["+strconv.Itoa(i)+"].values",
				strconv.Itoa(len(e.Values))+" numbers", strconv.Itoa(b.tier.Dim)+" numbers", "send the whole vector")
		}
	}
	if !ours && m.Text == "" && len(m.Payload) == 0 && m.To == "" && m.Topic == "" {
		return invalid("bus.Publish", semabus.ReasonSpaceMismatch, field+".embeddings", m.Embeddings[0].Space, b.tier.Space,
			"embed with this node's space, or send the text")
	}
	return nil
}

// decideEntry decides an entry and holds the decision against the publisher's condition and the depth of the groups.
func (b *Bus) decideEntry(ctx context.Context, tenant string, expect semabus.Expect, e *broker.Entry, sc *scratch) error {
	d, err := b.decide(ctx, tenant, e.Message, nil, sc)
	if err != nil {
		return err
	}
	if err := expected(expect, d); err != nil {
		return err
	}
	e.Decision = d
	e.Groups, err = b.targets(ctx, tenant, d)
	return err
}

// stamp fills in what the bus sets: id, time.
func (b *Bus) stamp(m *semabus.Message, producer string, seq uint64) {
	boundReply(m)
	if m.ID == "" {
		m.ID = newID(producer, seq)
	}
	if m.Time.IsZero() {
		m.Time = b.clock.Now()
	}
}

// expected holds the decision against the publisher's condition.
func expected(e semabus.Expect, d *semabus.Decision) error {
	fail := func(reason, limit, fix string) error {
		return &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: reason, Op: "bus.Publish", Field: "expect",
			Value: strconv.Itoa(len(d.Matches)) + " groups matched", Limit: limit, Fix: fix}
	}
	limit := "at least one group"
	if e == semabus.ExpectExactlyOne {
		limit = "exactly one group"
	}
	switch {
	case e != semabus.ExpectAny && len(d.Matches) == 0:
		return fail(semabus.ReasonNoMatch, limit, "nothing was stored; ask Match which intents are near, or publish with expect any")
	case e == semabus.ExpectExactlyOne && len(d.Matches) > 1:
		return fail(semabus.ReasonTooManyMatches, limit, "nothing was stored; put the intents into one task set, or publish with expect any")
	}
	return nil
}
