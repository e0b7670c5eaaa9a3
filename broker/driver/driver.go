// Package driver is the seam between the portable broker and the engines that keep its state.
//
// An engine is dumb and batch-shaped: it stores what it is told, in the order it is told, and never retries, never
// decides, never reads the meaning of a body. Validation, defaults, retry policy, dedup windows, dead letters, metrics and
// error codes of bad input belong to package broker above. Its conformance suite is package brokertest.
//
// Everything here is safe for concurrent use. Byte slices handed in belong to the engine until the call returns and may be
// kept only as copies; byte slices handed out belong to the caller and are never written to again by either side.
//
// Errors are *semabus.Error. An engine that can no longer promise durability (a failed fsync, a full disk, damage) answers
// every later Commit with CodeUnavailable or CodeDataLoss rather than lie; reading goes on where it can.
package driver

import (
	"context"
	"time"

	semabus "github.com/semabus/semabus"
)

// Driver is one engine.
type Driver interface {
	// Caps says what the engine can do. It is constant for the life of the value.
	Caps() Caps

	// Commit applies each batch atomically and durably, in slice order, and returns one result a batch, in the same order.
	// A batch that fails its own checks (duplicate mark, failed condition, stale lease) changes nothing and does not
	// disturb its neighbours; the reason is in its Result. A non-nil error means the engine failed: no batch from the
	// first result that is missing onwards was applied, and results holds those that were. When Commit returns, whatever
	// it reports as applied survives kill -9 and power loss. Batches of one caller's consecutive calls keep their order.
	Commit(ctx context.Context, batches []*Batch) (results []Result, err error)

	// Lease grants up to Max due deliveries of one group to one member: highest priority first, then oldest; with
	// SessionOrder at most one unsettled delivery a session, in enqueue order. It waits up to Wait for the first one and
	// returns an empty slice when none came. The lease sequence inside the token rises with every grant of the delivery
	// and never restarts, also across crashes.
	//
	// A lease that runs out costs the delivery an attempt and leaves a text in its Errors, durable with the next commit: a
	// message that kills whoever works on it does not circulate for ever. One that is given back (Renew with For ≤ 0) or
	// that ends with the process costs none.
	Lease(ctx context.Context, r *LeaseRequest) ([]Leased, error)

	// Renew sets the remaining term of leases to For, longer or shorter; a For ≤ 0 ends the lease now and makes the
	// delivery due again without costing an attempt. Stale tokens get FAILED_PRECONDITION/STALE_LEASE in their place of
	// errs (len(errs) == len(r)); nil = done. The token stays valid.
	Renew(ctx context.Context, tenant string, r []Renewal) (errs []error)

	// Read returns events of one log after a position, oldest first, waiting up to Wait for the first.
	Read(ctx context.Context, r *ReadRequest) ([]Event, error)

	// Find looks at stored state without changing it. What is unknown is not an error: it is nil or empty in Found.
	Find(ctx context.Context, q *Query) (*Found, error)

	// Stats returns the depth of the named groups of a tenant, or of all of them when none is named, and the engine's own
	// gauges.
	Stats(ctx context.Context, tenant string, groups []string) (*Stats, error)

	// Run does the engine's background work (expiry of leases and timers, retention, recovery) until ctx ends, then
	// returns after everything it started has ended. Commit works without Run where the engine needs no helper.
	// Closing is not part of the seam: the opener returns the engine's own type with Close.
	Run(ctx context.Context) error
}

// Caps is what an engine can do. The suite tests what is declared and demands UNIMPLEMENTED for what is not.
type Caps struct {
	Engine                 string        // "local", "rocketmq"
	Durable                bool          // acknowledged commits survive power loss
	Conditions             bool          // Batch.Conditions
	Counters               bool          // Batch.Counters
	SessionOrder           bool          // LeaseRequest.SessionOrder
	PriorityAcrossSessions bool          // SessionOrder and Priority together
	DeliverAt              bool          // Enqueue.DeliverAt
	Precision              time.Duration // of due times
	MaxBatchBytes          int           // bound of one encoded batch
}

// Batch is everything that must become true together.
type Batch struct {
	Tenant string

	// Marks make the batch idempotent. If any of them is already set, nothing of the batch is applied and the Result says
	// Duplicate with the Value stored under the first such mark, or Conflict when its Hash differs.
	Marks []Mark
	// Producer is the other way of deduplication: a high-water mark a producer. Seq ≤ the mark = Duplicate.
	Producer *Producer

	Conditions []Condition // all must hold, else Result.Failed names the first that does not
	Settles    []Settle
	Drops      []Drop
	Messages   []Message
	Decisions  []Decision
	Deliveries []Enqueue
	Appends    []Append
	Trims      []Trim
	Counters   []Counter

	// Value is opaque: kept with each mark and returned to a repeat. At most 64 KiB.
	Value []byte
}

// Mark is one idempotence key of a tenant, kept until Until (0 = the engine's default window).
type Mark struct {
	Key   string
	Hash  uint64 // of the request body; another hash under the same key is a conflict
	Until time.Time
}

// Producer is a publisher's place in its own numbered stream; Seq starts at 1 and rises, gaps allowed.
type Producer struct {
	ID  string
	Seq uint64
}

// Condition is evaluated inside the commit. Exactly one of Log and Counter is set.
type Condition struct {
	Log      string           // the log's newest event must be at Position (empty = log is empty)
	Position semabus.Position //
	Counter  string           // the counter must be ≤ AtMost before the batch
	AtMost   int64
}

// Settle ends or returns one lease. A token that is not the newest of a running lease fails the batch with STALE_LEASE, and with
// ALREADY_SETTLED where it was this lease that ended the delivery and the delivery is still retained: whoever lost the answer
// learns that its settlement counted.
type Settle struct {
	Token   []byte
	Requeue bool      // false: the delivery is finished for good; true: it becomes due at Due
	Due     time.Time // zero = now
	Attempt bool      // a requeue that costs an attempt
	Error   string    // kept with the delivery, newest 16, for the dead letter
}

// Drop ends one live delivery for good without its lease: a purge, a cancelled schedule, a redrive, a resolved transaction. A
// lease on it is stale from then on. A delivery that is not there, or not as the fields demand, fails the batch with
// NOT_FOUND, so that of two commits that drop the same delivery one is applied; with Optional it is left out. Drops are
// carried out before Deliveries: one batch can move a delivery.
type Drop struct {
	MessageID, Group, Key string
	Waiting               bool // only while nobody works on it: one that is leased counts as not there
	Expired               bool // only one whose TTL ran out: it stays StateExpired and leaves [Query.Expired]
	Optional              bool
	Error                 string // kept with the delivery, newest 16: why it ended
}

// Trim forgets events of a log, oldest first. Positions of what remains do not change, and a condition on the newest position
// holds as before, also when nothing remains. A log that does not exist is left alone.
type Trim struct {
	Log     string
	Through semabus.Position // the newest event to forget; empty = all
	Forget  bool             // forget the log itself: its next event is its first
}

// Message is stored once however many groups get it.
type Message struct {
	ID       string // unique within the tenant while retained; an existing id is a conflict
	Body     []byte // opaque
	Decision []byte // opaque
	// Hash is the caller's fingerprint of the body, returned by Find.
	Hash uint64
}

// Decision replaces the decision stored with a message that is already retained: it waited in $ingress or $unmatched.
type Decision struct {
	MessageID string // unknown = NOT_FOUND for the batch
	Decision  []byte // opaque
}

// Enqueue makes one delivery of a message for a group. While a delivery of the same (message, group, key) is live the
// request is a no-op.
type Enqueue struct {
	MessageID string // of Batch.Messages or of a retained message; unknown = NOT_FOUND for the batch
	Group     string
	Priority  uint8 // 0–9, 9 first
	Session   string
	DeliverAt time.Time // zero = now
	// TTL is the time from the commit to the first lease; 0 = none. A delivery that outlives it is never leased any more
	// and waits, StateExpired, in [Query.Expired] until a Drop accounts for it.
	TTL  time.Duration
	Info []byte // opaque, returned with every lease
	Key  string // tells deliveries of one message to one group apart (dead letters: the group that gave up); usually ""
}

// Append adds one event to a log of the tenant. Log names are free text of 1–256 bytes.
type Append struct {
	Log  string
	Data []byte
}

// Counter adds to a counter of the tenant and, when this batch makes it reach Reach, also enqueues Then (Reach 0 = never).
// A counter that was never touched is 0.
type Counter struct {
	Key   string
	Add   int64
	Reach int64
	Then  []Enqueue
	Until time.Time // when the counter may be forgotten, which makes it 0 again; the latest of all batches counts; zero = never
}

// Result is the outcome of one batch.
type Result struct {
	Applied   bool
	Duplicate bool      // a mark or the producer's sequence was known; Value is the stored one (nil for a sequence)
	Conflict  bool      // a mark was known with another hash
	Failed    error     // *semabus.Error of a failed check: STALE_LEASE, POSITION_MISMATCH, COUNTER…, NOT_FOUND, EXISTS
	Value     []byte    //
	Time      time.Time // assigned by the engine, strictly rising
	Position  semabus.Position
	Appended  []semabus.Position // one an append
	Counters  []int64            // value after the batch, one a counter
	Dropped   []bool             // one a drop: false = left out
}

// LeaseRequest asks for work.
type LeaseRequest struct {
	Tenant       string
	Group        string
	Member       string        // who works; for stats
	Max          int           // deliveries, ≥ 1
	MaxBytes     int           // bodies; the first delivery is granted whatever its size; 0 = unlimited
	For          time.Duration // term
	Wait         time.Duration // long poll; 0 = return at once
	SessionOrder bool
	// Ageing lets waiting count: a delivery competes as if it were Ageing older for each step of its priority, so that the
	// lowest waits at most 9 × Ageing longer than the highest. 0 = strict priority. With SessionOrder a session competes
	// with its highest priority and the age of its first.
	Ageing time.Duration
}

// Leased is one granted delivery.
type Leased struct {
	Token     []byte
	Expires   time.Time
	MessageID string
	Body      []byte
	Info      []byte
	Attempt   int // 1 for the first
	Priority  uint8
	Session   string
	Enqueued  time.Time
	Position  semabus.Position
	Errors    []string // of earlier attempts, oldest first
}

// Renewal changes a lease's remaining term.
type Renewal struct {
	Token []byte
	For   time.Duration
}

// ReadRequest reads a log.
type ReadRequest struct {
	Tenant string
	Log    string
	After  semabus.Position // empty = from the beginning
	Max    int              // events, ≥ 1
	Wait   time.Duration
}

// Event is one event of a log.
type Event struct {
	Position semabus.Position
	Time     time.Time
	Data     []byte
}

// Query is one of: Message (by id), Group (browse a queue), Logs (names with a prefix), Counter, Token, Expired, Tenants.
type Query struct {
	Tenant  string
	Message string
	Group   string
	Logs    bool
	Prefix  string // of Logs; all tenants' logs when Tenant is empty
	Counter string
	Tenants bool   // names of all tenants that have deliveries, sorted
	Expired bool   // deliveries of all tenants, or of Tenant, whose TTL ran out and that no Drop has accounted for, oldest first
	Token   []byte // the delivery and message a lease token stands for, stale or not; garbled or unknown = nothing found
	After   []byte // cursor of the page before
	Max     int    // page size; 0 = 100
}

// Found answers a Query.
type Found struct {
	Message    *Stored    // Message, Token
	Deliveries []Delivery // Message: all of its deliveries, live and settled; Group: a page; Token: the one
	Logs       []LogName
	Tenants    []string
	Counter    int64
	Producer   uint64
	Next       []byte // empty = last page
}

// Stored is a retained message.
type Stored struct {
	ID       string
	Body     []byte
	Decision []byte
	Hash     uint64
	Time     time.Time
	Position semabus.Position
	// Gone says that the message itself is forgotten and the ledger answers: there is no Body, and the deliveries have group,
	// key, state, attempts, end and the last error only.
	Gone bool
}

// LogName names a log.
type LogName struct{ Tenant, Log string }

// State is where a delivery stands.
type State uint8

// The states.
const (
	StateReady State = iota
	StateDelayed
	StateLeased
	StateSettled
	StateExpired
)

// Delivery describes one delivery without leasing it.
type Delivery struct {
	Tenant    string
	MessageID string
	Group     string
	Key       string
	State     State
	Attempt   int
	Leases    uint64 // lease sequence of the newest grant
	Member    string // of the newest lease
	Priority  uint8
	Session   string
	Due       time.Time
	Expires   time.Time // of the lease
	Enqueued  time.Time
	Settled   time.Time
	Info      []byte
	Errors    []string
}

// Stats are gauges of a moment.
type Stats struct {
	Groups   []semabus.GroupStats
	Messages int64 // retained
	Marks    int64
	Bytes    int64 // on disk
	Syncs    int64 // since start
	Commits  int64 // since start
}
