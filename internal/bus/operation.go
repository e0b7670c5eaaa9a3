package bus

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// A reserved operation is a message of its own with a delivery in $ops, which lives until the operation is resolved: what is in
// doubt is never forgotten. How it was resolved is a second message, stored in the commit that ends the delivery. An
// operation that failed, or that another worker took over, begins another round under the next number.

const (
	maxResult      = broker.MaxValueBytes
	maxRounds      = 1000
	maxDescription = 4 << 10
)

// reservation is what is stored of one round.
type reservation struct {
	Operation   string    `json:"operation"`
	Description string    `json:"description,omitempty"`
	Idempotent  bool      `json:"idempotent,omitempty"`
	MessageID   string    `json:"message_id"`
	Group       string    `json:"group"`
	Principal   string    `json:"principal"`
	Token       []byte    `json:"token"`
	Leases      uint64    `json:"leases"` // lease sequence of the delivery: the token is good while that is its newest
	Reserved    time.Time `json:"reserved"`
	Round       uint64    `json:"round"`
}

// resolution is how a round ended.
type resolution struct {
	Done   bool   `json:"done"`
	Taken  bool   `json:"taken,omitempty"` // another worker took over: it says nothing
	Result []byte `json:"result,omitempty"`
}

// Reserve notes, durably, that the holder of a lease is about to do something outside the bus under an operation id. The state
// says what to do: RESERVED go on; DONE take the result; IN_DOUBT leave it to an operator: the worker that reserved it before
// lost its lease without saying how it ended. One that was declared idempotent is taken over instead, and one that failed may
// be tried again. Errors: STALE_LEASE, OPERATION_HELD while another lease is at work on it.
func (b *Bus) Reserve(ctx context.Context, p semabus.Principal, op semabus.Operation, token []byte) (semabus.Operation, error) {
	const name = "bus.Reserve"
	if err := checkOp(name, op.ID); err != nil {
		return op, err
	}
	if len(op.Description) > maxDescription {
		return op, invalid(name, semabus.ReasonTooLarge, "description", strconv.Itoa(len(op.Description))+" bytes", "4096 bytes", "shorten it")
	}
	held, err := b.broker.Holder(ctx, p.Tenant, token)
	if err != nil {
		return op, err
	}
	if held.Delivery.State != driver.StateLeased {
		return op, &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonStaleLease, Op: name, Field: "token",
			Fix: "the lease has ended: drop the work, it comes again"}
	}
	mine := reservation{
		Operation: op.ID, Description: op.Description, Idempotent: op.Idempotent, MessageID: held.Message.ID, Group: held.Delivery.Group,
		Principal: p.Name, Token: token, Leases: held.Delivery.Leases, Reserved: b.clock.Now(),
	}
	for attempt := 1; ; attempt++ {
		out, err := b.reserve(ctx, p, mine)
		switch semabus.CodeOf(err) {
		case semabus.CodeAlreadyExists, semabus.CodeNotFound: // somebody else was quicker: look again
			if attempt < maxConflicts {
				continue
			}
		}
		return out, err
	}
}

// reserve is one try.
func (b *Bus) reserve(ctx context.Context, p semabus.Principal, mine reservation) (semabus.Operation, error) {
	last, end, err := b.newestRound(ctx, p.Tenant, mine.Operation)
	if err != nil {
		return semabus.Operation{}, err
	}
	c := &broker.Commit{Tenant: p.Tenant}
	switch {
	case last == nil:
	case end != nil && end.Done:
		return operation(last, end, semabus.OperationDone), nil
	case end != nil: // it failed
		mine.Round = last.Round + 1
	case string(last.Token) == string(mine.Token):
		return operation(last, nil, semabus.OperationReserved), nil
	case b.working(ctx, p.Tenant, last):
		return semabus.Operation{}, &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonOperationHeld, Op: "bus.Reserve",
			Field: "op_id", Value: semabus.Shorten(mine.Operation), Fix: "another lease is at work on it: settle `throttled`, or use an op id that names this delivery"}
	case !last.Idempotent:
		return operation(last, nil, semabus.OperationInDoubt), nil
	default: // taken over
		mine.Round = last.Round + 1
		b.resolved(c, p, last, &resolution{Taken: true})
	}
	m, err := keep(mine.Operation, mine.Round, "", p, mine, b.clock.Now())
	if err != nil {
		return semabus.Operation{}, err
	}
	c.Entries = append(c.Entries, broker.Entry{Message: m, Groups: []broker.Target{{Group: semabus.GroupOperations, Key: mine.Group,
		Match: semabus.Match{Group: mine.Group, Reason: semabus.MatchAddress}}}})
	if _, err := b.commit(context.WithoutCancel(ctx), c); err != nil {
		return semabus.Operation{}, err
	}
	return operation(&mine, nil, semabus.OperationReserved), nil
}

// operationID is the message of a round, or with a suffix the one of its end.
func operationID(op string, round uint64, suffix string) string {
	return derive("operation"+suffix+"/"+op, round)
}

// keep makes the message that keeps a value of a round.
func keep(op string, round uint64, suffix string, p semabus.Principal, v any, now time.Time) (*semabus.Message, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &semabus.Message{ID: operationID(op, round, suffix), Source: p.Name, Type: "semabus.operation" + suffix, Time: now,
		Payload: data, ContentType: "application/json", Priority: semabus.DefaultPriority}, nil
}

// newestRound finds the newest round of an operation, and how it ended; nil where there is none, or it has not.
func (b *Bus) newestRound(ctx context.Context, tenant, op string) (last *reservation, end *resolution, err error) {
	for round := range uint64(maxRounds) {
		r := &reservation{}
		if known, err := b.keptAs(ctx, tenant, operationID(op, round, ""), r); err != nil || !known {
			return last, end, err
		}
		last, end = r, &resolution{}
		if known, err := b.keptAs(ctx, tenant, operationID(op, round, ".end"), end); err != nil {
			return nil, nil, err
		} else if !known {
			return last, nil, nil
		}
	}
	return last, end, nil
}

// keptAs reads a value that keep has stored; false where it is not there, or forgotten.
func (b *Bus) keptAs(ctx context.Context, tenant, id string, v any) (bool, error) {
	rec, err := b.broker.Message(ctx, tenant, id)
	switch {
	case semabus.CodeOf(err) == semabus.CodeNotFound:
		return false, nil
	case err != nil:
		return false, err
	case rec.Gone:
		return false, nil
	}
	return true, json.Unmarshal(rec.Message.Payload, v)
}

// working says whether the lease under which an operation was reserved still holds.
func (b *Bus) working(ctx context.Context, tenant string, r *reservation) bool {
	held, err := b.broker.Holder(ctx, tenant, r.Token)
	return err == nil && held.Delivery.State == driver.StateLeased && held.Delivery.Leases == r.Leases
}

// resolved puts the end of a round into a commit.
func (b *Bus) resolved(c *broker.Commit, p semabus.Principal, r *reservation, end *resolution) {
	m, err := keep(r.Operation, r.Round, ".end", p, end, b.clock.Now())
	if err != nil {
		panic(err) // booleans and bytes have a JSON form
	}
	c.Drops = append(c.Drops, driver.Drop{MessageID: operationID(r.Operation, r.Round, ""), Group: semabus.GroupOperations, Key: r.Group})
	c.Entries = append(c.Entries, broker.Entry{Message: m})
}

// ResolveOp says how an operation ended: done with its result, or failed. Its worker may, and operators. A repeat gets the same
// answer; who says otherwise than the first FAILED_PRECONDITION/TRANSACTION_ENDED. NOT_FOUND: never reserved, or forgotten.
func (b *Bus) ResolveOp(ctx context.Context, p semabus.Principal, opID string, as semabus.OperationState, result []byte) (semabus.Operation, error) {
	const name = "bus.ResolveOp"
	switch {
	case as != semabus.OperationDone && as != semabus.OperationFailed:
		return semabus.Operation{}, invalid(name, semabus.ReasonInvalidValue, "state", as.String(), "done or failed", "say how it ended")
	case len(result) > maxResult:
		return semabus.Operation{}, invalid(name, semabus.ReasonTooLarge, "result", strconv.Itoa(len(result))+" bytes", "65536 bytes", "store it elsewhere and return where")
	}
	if err := checkOp(name, opID); err != nil {
		return semabus.Operation{}, err
	}
	for attempt := 1; ; attempt++ {
		last, end, err := b.newestRound(ctx, p.Tenant, opID)
		switch {
		case err != nil:
			return semabus.Operation{}, err
		case last == nil:
			return semabus.Operation{}, notFound(name, "operation_id", opID, "reserve it first")
		case last.Principal != p.Name && !operates(p):
			return semabus.Operation{}, &semabus.Error{Code: semabus.CodePermissionDenied, Reason: semabus.ReasonNotPermitted, Op: name,
				Field: "operation_id", Value: semabus.Shorten(opID), Limit: "its worker, or role operator", Fix: "ask who reserved it, or an operator"}
		case end != nil && end.Done == (as == semabus.OperationDone) && string(end.Result) == string(result):
			return operation(last, end, as), nil
		case end != nil:
			return semabus.Operation{}, &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonTransactionEnded, Op: name,
				Field: "state", Value: as.String(), Limit: operation(last, end, 0).State.String(), Fix: "it ended otherwise before"}
		}
		c := &broker.Commit{Tenant: p.Tenant}
		end = &resolution{Done: as == semabus.OperationDone, Result: result}
		b.resolved(c, p, last, end)
		_, err = b.commit(context.WithoutCancel(ctx), c)
		if code := semabus.CodeOf(err); (code == semabus.CodeNotFound || code == semabus.CodeAlreadyExists) && attempt < maxConflicts {
			continue
		}
		return operation(last, end, as), err
	}
}

// operation is what a caller hears; state 0 = as the end says.
func operation(r *reservation, end *resolution, state semabus.OperationState) semabus.Operation {
	o := semabus.Operation{ID: r.Operation, State: state, Description: r.Description, Idempotent: r.Idempotent, MessageID: r.MessageID,
		Group: r.Group, Principal: r.Principal, Reserved: r.Reserved}
	if end != nil {
		o.Result = end.Result
		if o.State == 0 {
			o.State = semabus.OperationFailed
			if end.Done {
				o.State = semabus.OperationDone
			}
		}
	}
	return o
}

// ListInDoubt pages through the operations whose workers are gone and that nobody has resolved, oldest first; group "" = of all
// groups, limit 0 = 100. Operators may.
func (b *Bus) ListInDoubt(ctx context.Context, p semabus.Principal, group, after string, limit int) (out []semabus.Operation, next string, err error) {
	limit, err = pageSize("bus.ListInDoubt", limit)
	if err != nil {
		return nil, "", err
	}
	place, err := cursor("bus.ListInDoubt", after)
	if err != nil {
		return nil, "", err
	}
	for {
		page, more, err := b.broker.Browse(ctx, p.Tenant, semabus.GroupOperations, place, 1)
		if err != nil || len(page) == 0 {
			return out, "", err
		}
		r := &reservation{}
		if err := json.Unmarshal(page[0].Message.Payload, r); err != nil {
			return nil, "", err
		}
		if (group == "" || r.Group == group) && !b.working(ctx, p.Tenant, r) {
			out = append(out, operation(r, nil, semabus.OperationInDoubt))
		}
		if place = more; len(place) == 0 {
			return out, "", nil
		}
		if len(out) == limit {
			return out, base64.RawURLEncoding.EncodeToString(place), nil
		}
	}
}
