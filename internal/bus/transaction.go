package bus

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// preparedLog marks a tenant that has prepared a transaction: a restarted node finds by it whose $prepared it has to ask about.
const preparedLog = "$registry/prepared"

// How a transaction ended stands in the last error of its delivery in $prepared.
const (
	endedCommitted  = "committed"
	endedRolledBack = "rolled back"
	endedUnresolved = "unresolved: nobody could say how it ended"
)

// deadUnresolved is why the message of a transaction that nobody resolved is a dead letter.
const deadUnresolved = "UNRESOLVED"

const maxCheckAfter = 24 * time.Hour

// Preparation is a message to be published if its producer's own transaction commits.
type Preparation struct {
	Message    *semabus.Message
	Group      string // of producers: any live one of them can say how the transaction ended
	OpID       string
	CheckAfter time.Duration // until the first check-back; 0 = [TransactionOptions]'s
}

// Transaction names a prepared message.
type Transaction struct {
	ID        string // opaque
	MessageID string
}

// transactionID packs what a transaction is found by.
func transactionID(group, messageID string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(group + "\x00" + messageID))
}

func parseTransactionID(op, id string) (group, messageID string, err error) {
	raw, derr := base64.RawURLEncoding.DecodeString(id)
	group, messageID, ok := strings.Cut(string(raw), "\x00")
	if derr != nil || !ok || semabus.CheckID(group) != nil || semabus.CheckID(messageID) != nil {
		return "", "", invalid(op, semabus.ReasonInvalidID, "transaction_id", id, "an id from Prepare", "send the id as Prepare returned it")
	}
	return group, messageID, nil
}

// Prepare stores a message durably, not routed and visible to nobody, until Resolve says how its transaction ended. Who does not
// hear of that in time asks the producers of the group (see [Bus.JoinProducers]). A repeat of a known op id returns the first
// answer.
func (b *Bus) Prepare(ctx context.Context, p semabus.Principal, prep Preparation) (Transaction, error) {
	const op = "bus.Prepare"
	m := prep.Message
	switch {
	case m == nil:
		return Transaction{}, invalid(op, semabus.ReasonRequired, "message", "", "", "give a message")
	case prep.CheckAfter < 0 || prep.CheckAfter > maxCheckAfter:
		return Transaction{}, invalid(op, semabus.ReasonInvalidValue, "check_after", prep.CheckAfter.String(), "0–24h (0 = 30s)", "shorten it")
	}
	if err := broker.CheckID(op, "producer_group", prep.Group); err != nil {
		return Transaction{}, err
	}
	c := &broker.Commit{Tenant: p.Tenant}
	if prep.OpID != "" {
		if err := checkOp(op, prep.OpID); err != nil {
			return Transaction{}, err
		}
		c.OpID, c.OpHash = within("prepare/", prep.OpID), broker.Fingerprint(m)
		if m.ID == "" {
			m.ID = derive(c.OpID, 0)
		}
	}
	hash := broker.Fingerprint(m)
	m.Source = p.Name
	b.stamp(m, "", 0)
	if m.Root == "" {
		m.Hops = 0
	}
	if err := b.checkMessage(m, "message"); err != nil {
		return Transaction{}, err
	}
	if prep.CheckAfter == 0 {
		prep.CheckAfter = b.transactions.o.CheckAfter
	}
	c.Entries = []broker.Entry{{Message: m, Checked: true, Hash: hash, Groups: []broker.Target{{
		Group: semabus.GroupPrepared, Key: prep.Group, Due: b.clock.Now().Add(prep.CheckAfter), Match: semabus.Match{Group: prep.Group, Reason: semabus.MatchAddress},
	}}}}
	c.Value = []byte(m.ID)
	if !b.transactions.known(p.Tenant) {
		c.Appends = []driver.Append{{Log: preparedLog, Data: []byte("{}")}}
	}
	done, err := b.commit(ctx, c)
	if err != nil {
		return Transaction{}, err
	}
	b.transactions.add(p.Tenant)
	id := m.ID
	if done.Duplicate {
		id = string(done.Value)
	}
	return Transaction{ID: transactionID(prep.Group, id), MessageID: id}, nil
}

// Resolve ends a transaction: COMMIT decides and delivers its message in one commit with the end of the transaction, ROLLBACK
// forgets it. Of several that resolve at once one wins; who says the same as the winner gets the same receipt, who says
// otherwise FAILED_PRECONDITION/TRANSACTION_ENDED with how it ended. An unknown transaction is NOT_FOUND.
func (b *Bus) Resolve(ctx context.Context, p semabus.Principal, opID, id string, as semabus.Resolution) (semabus.Receipt, error) {
	const op = "bus.Resolve"
	if as != semabus.ResolutionCommit && as != semabus.ResolutionRollback {
		return semabus.Receipt{}, invalid(op, semabus.ReasonInvalidValue, "resolution", as.String(), "commit or rollback", "say how it ended")
	}
	if opID != "" {
		if err := checkOp(op, opID); err != nil {
			return semabus.Receipt{}, err
		}
	}
	group, messageID, err := parseTransactionID(op, id)
	if err != nil {
		return semabus.Receipt{}, err
	}
	for attempt := 1; ; attempt++ {
		r, err := b.resolve(ctx, p.Tenant, group, messageID, as)
		if semabus.CodeOf(err) != semabus.CodeNotFound || attempt == maxConflicts {
			return r, err
		}
		if _, ferr := b.broker.Message(ctx, p.Tenant, messageID); ferr != nil {
			return r, ferr
		} // somebody else resolved it since: look again
	}
}

// resolve is one try. NOT_FOUND says that the transaction was resolved between the look and the commit, or is not known.
func (b *Bus) resolve(ctx context.Context, tenant, group, messageID string, as semabus.Resolution) (semabus.Receipt, error) {
	const op = "bus.Resolve"
	rec, err := b.broker.Message(ctx, tenant, messageID)
	if err != nil {
		return semabus.Receipt{}, err
	}
	d := preparedDelivery(rec, group)
	if d == nil {
		return semabus.Receipt{}, notFound(op, "transaction_id", messageID, "send the id as Prepare returned it")
	}
	if d.State > driver.StateLeased {
		return outcomeOf(rec, d, as)
	}
	c := &broker.Commit{Tenant: tenant, Drops: []driver.Drop{{MessageID: messageID, Group: semabus.GroupPrepared, Key: group, Error: endedRolledBack}}}
	if as == semabus.ResolutionRollback {
		_, err := b.commit(context.WithoutCancel(ctx), c)
		return semabus.Receipt{}, err
	}
	sc := b.scratch()
	defer b.free(sc)
	c.Drops[0].Error = endedCommitted
	e := broker.Entry{Message: rec.Message, Retained: true}
	if e.Decision, err = b.decide(ctx, tenant, rec.Message, nil, sc); err != nil {
		return semabus.Receipt{}, err
	}
	if e.Groups, err = b.targets(ctx, tenant, e.Decision); err != nil {
		return semabus.Receipt{}, err
	}
	c.Entries = []broker.Entry{e}
	done, err := b.commit(context.WithoutCancel(ctx), c)
	if err != nil {
		return semabus.Receipt{}, err
	}
	b.metrics.Published(e.Decision.Outcome)
	return receipt(&e, done.Position), nil
}

// preparedDelivery is the delivery that stands for the transaction.
func preparedDelivery(rec *broker.Record, group string) *driver.Delivery {
	for i := range rec.Deliveries {
		if d := &rec.Deliveries[i]; d.Group == semabus.GroupPrepared && d.Key == group {
			return d
		}
	}
	return nil
}

// outcomeOf answers who resolves a transaction that is resolved.
func outcomeOf(rec *broker.Record, d *driver.Delivery, as semabus.Resolution) (semabus.Receipt, error) {
	how := ""
	if n := len(d.Errors); n > 0 {
		how = d.Errors[n-1]
	}
	switch {
	case as == semabus.ResolutionCommit && how == endedCommitted && rec.Decision != nil:
		return semabus.Receipt{ID: rec.Message.ID, Position: rec.Position, Final: true, Groups: rec.Decision.Groups(),
			Outcome: rec.Decision.Outcome, DuplicateOf: rec.Message.ID}, nil
	case as == semabus.ResolutionRollback && (how == endedRolledBack || how == endedUnresolved):
		return semabus.Receipt{}, nil
	}
	return semabus.Receipt{}, &semabus.Error{Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonTransactionEnded, Op: "bus.Resolve",
		Field: "resolution", Value: as.String(), Limit: how, Fix: "it ended otherwise before: reconcile the producer's own store with it"}
}
