package broker

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// MaxValueBytes bounds [Commit.Value].
const MaxValueBytes = 64 << 10

// Commit is one atomic batch: all of it becomes true together, or nothing does.
type Commit struct {
	Tenant string

	OpID      string        // makes the commit idempotent for the dedup window; "" = no mark
	OpHash    uint64        // of the request; another one under the same OpID is a conflict
	OpWindow  time.Duration // how long OpID is kept; 0 = [Options.DedupWindow]
	Ops       []Op          // further operations that this commit carries out, each idempotent by its own id
	DedupKey  string        // the publisher's explicit key, its own name space beside OpID; "" = no mark
	DedupHash uint64        // usually the [Fingerprint] of the message
	Producer  *driver.Producer

	Entries    []Entry
	Settles    []Settle
	Drops      []driver.Drop
	Appends    []driver.Append
	Trims      []driver.Trim
	Conditions []driver.Condition
	Counters   []driver.Counter

	Value []byte // kept with OpID and DedupKey and returned to a repeat; at most [MaxValueBytes]
}

// Op is the idempotence of one operation among several in a commit: when any of them is known, nothing of the commit is
// applied and the Value stored with the first known one comes back.
type Op struct {
	ID   string
	Hash uint64
}

// Entry is one message with its decision and the groups that get it.
type Entry struct {
	Message  *semabus.Message
	Decision *semabus.Decision // nil = not decided yet
	Groups   []Target
	// Retained says that the message is already stored (it waits in $ingress or $unmatched): Decision replaces the stored
	// one and Groups get their deliveries, but the message itself is not stored again.
	Retained bool
	// Checked says that [Broker.Check] found no fault in the message as it is.
	Checked bool
	// Hash is the [Fingerprint] of what the publisher said; 0 = that of Message, which differs once the bus has extracted
	// a text.
	Hash uint64
}

// Target is a group that gets the message, with the reason that the delivery carries.
type Target struct {
	Group string // a group or one of the semabus.Group* constants
	Match semabus.Match
	Dead  string // of [semabus.GroupDeadLetter]: why, one of the Dead* constants; "" = the match's reason
	// Key tells deliveries of one message to one reserved group apart; "" elsewhere.
	Key string
	// Due is when a delivery of [semabus.GroupPrepared] or [semabus.GroupOperations] can be leased; zero = now. Elsewhere the
	// message says so.
	Due time.Time
}

// Settle ends one lease.
type Settle struct {
	Token      []byte
	Outcome    semabus.SettleOutcome
	Error      string        // kept with the delivery; cut to [MaxErrorBytes]
	RetryAfter time.Duration // of SettleRetry and SettleThrottled; 0 = the policy's back-off
	Policy     RetryPolicy
}

// Committed is the outcome of one Commit.
type Committed struct {
	driver.Result
	// Err is nil when the commit was applied or is a true repeat. Otherwise it is a *semabus.Error: INVALID_ARGUMENT for bad
	// input, ALREADY_EXISTS/DUPLICATE_MISMATCH for a known key with another body, FAILED_PRECONDITION/STALE_LEASE, a failed
	// condition, or the engine's failure. Nothing of the commit was stored.
	Err error
	// First holds, for a duplicate by producer sequence, what the first commit stored under each entry's message id; nil in
	// the place of a message that is no longer retained.
	First []*Record
}

// prepared is a commit that passed validation, with what is needed to report on it.
type prepared struct {
	at    int // index in the caller's slice
	batch *driver.Batch
	size  int
	dead  []string // dead-letter reason by settle
}

// Commit stores each commit atomically and durably, in slice order, and returns one result each. The error is non-nil only
// when the engine failed or ctx ended; the Committed of each commit that was not applied says so too. Faults of a single
// commit are in its Err and do not disturb its neighbours.
func (b *Broker) Commit(ctx context.Context, commits []*Commit) ([]Committed, error) {
	out := make([]Committed, len(commits))
	ready := make([]prepared, 0, len(commits))
	batches := make([]*driver.Batch, 0, len(commits))
	bytes := 0
	for i, c := range commits {
		p, err := b.prepare(ctx, c)
		if err != nil {
			out[i].Err = err
			continue
		}
		p.at = i
		bytes += p.size
		ready = append(ready, p)
		batches = append(batches, p.batch)
	}
	if len(batches) == 0 {
		return out, ctx.Err()
	}
	start := b.o.Clock.Now()
	results, err := b.d.Commit(ctx, batches)
	b.o.Observer.Committed(len(batches), bytes, b.o.Clock.Now().Sub(start))
	for i, p := range ready {
		if i >= len(results) {
			out[p.at].Err = missing(err)
			continue
		}
		out[p.at].Result = results[i]
		b.conclude(ctx, commits[p.at], &p, &out[p.at])
	}
	return out, err
}

// missing is the error of a batch without a result.
func missing(err error) error {
	if err != nil {
		return err
	}
	return &semabus.Error{
		Code: semabus.CodeInternal, Reason: semabus.ReasonInternal, Op: "broker.Commit",
		Fix: "report this: the engine returned fewer results than batches",
	}
}

// conclude turns the engine's result into a typed outcome.
func (b *Broker) conclude(ctx context.Context, c *Commit, p *prepared, out *Committed) {
	switch r := &out.Result; {
	case r.Applied:
		for i := range c.Settles {
			b.o.Observer.Settled(c.Settles[i].Outcome, p.dead[i])
		}
	case r.Conflict:
		out.Err = mismatch(c)
	case r.Duplicate:
		if c.Producer != nil && r.Value == nil {
			out.First, out.Err = b.first(ctx, c, p.batch)
		}
	case r.Failed != nil:
		out.Err = r.Failed
	default:
		out.Err = missing(nil)
	}
}

// first looks up what a producer's repeated sequence stored the first time; another body under the same id is a mismatch.
func (b *Broker) first(ctx context.Context, c *Commit, batch *driver.Batch) ([]*Record, error) {
	out := make([]*Record, len(c.Entries))
	for i := range c.Entries {
		if c.Entries[i].Retained {
			continue
		}
		found, err := b.d.Find(ctx, &driver.Query{Tenant: c.Tenant, Message: c.Entries[i].Message.ID})
		if err != nil {
			return nil, err
		}
		if found.Message == nil {
			continue
		}
		if found.Message.Hash != c.Entries[i].hash() {
			return nil, mismatch(c)
		}
		if out[i], err = record(found); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// hash is the fingerprint that is stored with the message.
func (e *Entry) hash() uint64 {
	if e.Hash == 0 {
		return Fingerprint(e.Message)
	}
	return e.Hash
}

func mismatch(c *Commit) error {
	e := &semabus.Error{
		Code: semabus.CodeAlreadyExists, Reason: semabus.ReasonDuplicateMismatch, Op: "broker.Commit",
		Field: "op_id", Value: semabus.Shorten(c.OpID), Fix: "use a new op id for another request, or repeat the first one unchanged",
	}
	switch {
	case c.Producer != nil && c.DedupKey == "" && c.OpID == "":
		e.Field, e.Value = "sequence", semabus.Shorten(c.Producer.ID)
		e.Fix = "use the next sequence for another message, or repeat the first one unchanged"
	case c.DedupKey != "":
		e.Field, e.Value = "dedup_key", semabus.Shorten(c.DedupKey)
		e.Fix = "use a new key for another message, or repeat the first one unchanged"
	}
	return e
}
