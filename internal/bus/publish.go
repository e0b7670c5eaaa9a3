package bus

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/internal/obs"
	"github.com/semabus/semabus/router"
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

// Publish decides and commits the items in order, as one group commit, and returns one result an item. An item that is
// refused stores nothing and does not disturb its neighbours; after a failure of the engine the items behind it are not
// tried and carry the same error, so that a producer can resend from there in order.
func (b *Bus) Publish(ctx context.Context, p semabus.Principal, items []PublishItem) []PublishResult {
	results := make([]PublishResult, len(items))
	commits := make([]*broker.Commit, 0, len(items))
	index := make([]int, 0, len(items))
	spans := make([]obs.Span, len(items))
	var vectors []embed.Vector
	for i := range items {
		c, err := b.prepare(ctx, p, &items[i], &vectors, &spans[i])
		if err != nil {
			results[i].Err = at(err, i, len(items))
			spans[i].End(err)
			continue
		}
		commits, index = append(commits, c), append(index, i)
	}
	if len(commits) == 0 {
		return results
	}
	start := b.clock.Now()
	cctx, span := b.tracer.Commit(ctx)
	done, err := b.broker.Commit(cctx, commits)
	span.End(err)
	b.metrics.CommitTook(b.clock.Now().Sub(start), len(commits))
	for k, i := range index {
		switch {
		case k >= len(done):
			results[i].Err = err
		case done[k].Err != nil:
			results[i].Err = at(done[k].Err, i, len(items))
		case done[k].Duplicate:
			results[i] = duplicate(commits[k], done[k])
		default:
			results[i].Receipt = receipt(&commits[k].Entries[0], done[k].Position)
			b.published(p.Tenant, commits[k], results[i].Receipt)
		}
		spans[i].End(results[i].Err)
	}
	return results
}

// published is what follows a successful publish in memory.
func (b *Bus) published(tenant string, c *broker.Commit, r semabus.Receipt) {
	if c.Entries[0].Decision == nil {
		b.ingress.add(tenant)
		return
	}
	b.metrics.Published(r.Outcome)
}

// at prefixes the error's field with the item's place when there is more than one.
func at(err error, i, n int) error {
	e, ok := semabus.AsError(err)
	if !ok || n == 1 || e.Field == "" {
		return err
	}
	c := *e
	c.Field = "messages[" + strconv.Itoa(i) + "]." + strings.TrimPrefix(c.Field, "message.")
	return &c
}

// prepare stamps, decides and packs one item into a commit.
func (b *Bus) prepare(ctx context.Context, p semabus.Principal, it *PublishItem, vectors *[]embed.Vector, span *obs.Span) (*broker.Commit, error) {
	const op = "bus.Publish"
	m := it.Message
	switch {
	case m == nil:
		return nil, invalid(op, semabus.ReasonRequired, "message", "", "", "give a message")
	case it.Async && it.Expect != semabus.ExpectAny:
		return nil, invalid(op, semabus.ReasonInvalidValue, "expect", "", "any, when publishing asynchronously", "publish in sync mode to hear the decision")
	case strings.HasPrefix(m.To, "$"):
		return nil, invalid(op, semabus.ReasonInvalidValue, "message.to", m.To, "names beginning with $ are reserved", "address a group of yours")
	case it.MinRegistryVersion > b.router.Version(p.Tenant):
		return nil, &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonRegistryBehind, Op: op,
			Field: "min_registry_version", Value: strconv.FormatUint(it.MinRegistryVersion, 10),
			Limit: strconv.FormatUint(b.router.Version(p.Tenant), 10), Fix: "repeat shortly"}
	}
	fingerprint := uint64(0)
	if it.OpID != "" || m.DedupKey != "" {
		fingerprint = broker.Fingerprint(m)
	}
	m.Source, m.Cause, m.Root, m.Hops = p.Name, "", "", 0
	b.stamp(m, it.Producer, it.Sequence)
	ctx, *span = b.tracer.Publish(ctx, m)
	c := &broker.Commit{Tenant: p.Tenant, OpID: it.OpID, OpHash: fingerprint, DedupKey: m.DedupKey, DedupHash: fingerprint,
		Entries: []broker.Entry{{Message: m}}}
	if it.Async {
		b.accept(p.Tenant, c)
	} else if err := b.decideEntry(ctx, p.Tenant, it.Expect, &c.Entries[0], vectors); err != nil {
		return nil, err
	}
	if it.Producer != "" {
		c.Producer = &driver.Producer{ID: it.Producer, Seq: it.Sequence}
	}
	if c.OpID != "" || c.DedupKey != "" {
		c.Value = encodeReceipts([]semabus.Receipt{receipt(&c.Entries[0], nil)})
	}
	return c, nil
}

// decideEntry decides an entry and holds the decision against the publisher's condition.
func (b *Bus) decideEntry(ctx context.Context, tenant string, expect semabus.Expect, e *broker.Entry, vectors *[]embed.Vector) error {
	d, err := b.decide(ctx, tenant, e.Message, nil, vectors)
	if err != nil {
		return err
	}
	e.Decision, e.Groups = d, targets(d)
	return expected(expect, d)
}

// stamp fills in what the bus sets: id, time.
func (b *Bus) stamp(m *semabus.Message, producer string, seq uint64) {
	if m.ID == "" {
		m.ID = newID(producer, seq)
	}
	if m.Time.IsZero() {
		m.Time = b.clock.Now()
	}
}

// newID is 128 random bits, or for a numbered stream 128 bits that derive from (producer, sequence), so that a resent
// message has the id it had.
func newID(producer string, seq uint64) string {
	var raw [16]byte
	if producer == "" {
		_, _ = rand.Read(raw[:]) // never fails: crypto/rand.Read
		return hex.EncodeToString(raw[:])
	}
	return derive(producer, seq)
}

// decide extracts the text, embeds it where meaning can matter and asks the router. Exclude are groups barred by the loop
// guard.
func (b *Bus) decide(ctx context.Context, tenant string, m *semabus.Message, exclude []string, vectors *[]embed.Vector) (*semabus.Decision, error) {
	if m.Text == "" && len(m.Payload) > 0 {
		m.Text, _ = embed.Extract(m.ContentType, m.Payload)
	}
	start := b.clock.Now()
	vs := (*vectors)[:0]
	if m.Text != "" && m.To == "" {
		var err error
		if vs, err = b.embed.EmbedOne(ctx, m.Text, embeddriver.Query, vs); err != nil {
			return nil, err
		}
		*vectors = vs
	}
	ctx, span := b.tracer.Decide(ctx)
	d, err := b.router.Decide(ctx, &router.Request{Tenant: tenant, Message: m, Vectors: vs, Exclude: exclude,
		GroupTopics: func(topic string) []string { return b.flow.TopicGroups(tenant, topic) }})
	span.End(err)
	b.metrics.DecideTook(b.clock.Now().Sub(start))
	return d, err
}

// expected holds the decision against the publisher's condition.
func expected(e semabus.Expect, d *semabus.Decision) error {
	fail := func(reason, fix string) error {
		return &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: reason, Op: "bus.Publish", Field: "expect",
			Value: strconv.Itoa(len(d.Matches)) + " groups matched", Fix: fix}
	}
	switch {
	case e != semabus.ExpectAny && len(d.Matches) == 0:
		return fail(semabus.ReasonNoMatch, "nothing was stored; ask Match which intents are near, or publish with expect any")
	case e == semabus.ExpectExactlyOne && len(d.Matches) > 1:
		return fail(semabus.ReasonTooManyMatches, "nothing was stored; put the intents into one task set, or publish with expect any")
	}
	return nil
}

// targets are the queues a decision leads to.
func targets(d *semabus.Decision) []broker.Target {
	switch d.Outcome {
	case semabus.OutcomeNone:
		return []broker.Target{{Group: semabus.GroupUnmatched}}
	case semabus.OutcomeAmbiguous:
		return []broker.Target{{Group: semabus.GroupHeld}}
	case semabus.OutcomeLoop:
		return []broker.Target{{Group: semabus.GroupDeadLetter, Match: semabus.Match{Reason: semabus.MissLoop}}}
	}
	out := make([]broker.Target, len(d.Matches))
	for i := range d.Matches {
		out[i] = broker.Target{Group: d.Matches[i].Group, Match: d.Matches[i]}
	}
	return out
}

// receipt is the answer about a stored entry; without a decision it is pending.
func receipt(e *broker.Entry, pos semabus.Position) semabus.Receipt {
	if e.Decision == nil {
		return semabus.Receipt{ID: e.Message.ID, Position: pos}
	}
	return semabus.Receipt{ID: e.Message.ID, Position: pos, Final: true, Groups: e.Decision.Groups(), Outcome: e.Decision.Outcome}
}

// duplicate answers a repeated publish with the first receipt.
func duplicate(c *broker.Commit, done broker.Committed) PublishResult {
	if rs, err := decodeReceipts(done.Value); err == nil && len(rs) == 1 {
		rs[0].DuplicateOf = rs[0].ID
		return PublishResult{Receipt: rs[0]}
	}
	id := c.Entries[0].Message.ID
	r := semabus.Receipt{ID: id, DuplicateOf: id}
	if len(done.First) == 1 && done.First[0] != nil { // a producer's mark outlives the retained message: then the id is all that is known
		rec := done.First[0]
		r.Position = rec.Position
		if d := rec.Decision; d != nil {
			r.Final, r.Groups, r.Outcome = true, d.Groups(), d.Outcome
		}
	}
	return PublishResult{Receipt: r}
}

// encodeReceipts is the Value kept under a commit's marks.
func encodeReceipts(rs []semabus.Receipt) []byte {
	b, err := json.Marshal(rs)
	if err != nil {
		return nil // cannot happen: plain fields
	}
	return b
}

func decodeReceipts(b []byte) (rs []semabus.Receipt, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	err = json.Unmarshal(b, &rs)
	return rs, err
}

// derive makes the id of the i-th thing under a name: 128 bits of SHA-256 over (name, i), in hex.
func derive(name string, i uint64) string {
	buf := binary.BigEndian.AppendUint64(append(make([]byte, 0, len(name)+8), name...), i)
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:16])
}
