package bus

import (
	"context"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
)

const (
	// replyPrefix begins the address of every request's replies: a group of its own, which only the request leases from.
	replyPrefix = "reply/"
	// replyTTL is how long a reply waits that comes after its request has given up; then it is a dead letter.
	replyTTL = time.Hour

	defaultTimeout = 30 * time.Second
	maxTimeout     = time.Hour
)

// Request publishes a message and waits for the first reply: whatever is sent to the message's reply address, usually as an
// output of the settlement of its delivery. The address is the bus's. Nothing is stored where nobody would get the message:
// NO_MATCH. Errors beside those of Publish: DEADLINE_EXCEEDED/NO_REPLY when none came within the timeout (0 = 30 s); the
// message stays published, and a late reply waits at its address for an hour. A repeat of a known op id waits for, or returns,
// the first request's reply.
func (b *Bus) Request(ctx context.Context, p semabus.Principal, it PublishItem, timeout time.Duration) (semabus.Receipt, *semabus.Message, error) {
	const op = "bus.Request"
	switch {
	case it.Message == nil:
		return semabus.Receipt{}, nil, invalid(op, semabus.ReasonRequired, "message", "", "", "give a message")
	case it.Message.ReplyTo != "":
		return semabus.Receipt{}, nil, invalid(op, semabus.ReasonInvalidValue, "message.reply_to", it.Message.ReplyTo, "empty", "leave it out: the bus sets it")
	case timeout < 0 || timeout > maxTimeout:
		return semabus.Receipt{}, nil, invalid(op, semabus.ReasonInvalidValue, "timeout", timeout.String(), "0–1h (0 = 30s)", "shorten it, and publish with a reply address of your own for longer work")
	case it.OpID == "":
		it.OpID = newID("", 0)
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ends := b.clock.Now().Add(timeout)
	address := replyPrefix + derive("request/"+p.Name+"/"+it.OpID, 0)
	it.Message.ReplyTo, it.Expect, it.Async = address, semabus.ExpectAtLeastOne, false
	r := b.Publish(context.WithoutCancel(ctx), p, []PublishItem{it})[0] // a commit is short and must not be torn
	if r.Err != nil {
		return semabus.Receipt{}, nil, r.Err
	}
	took := &broker.Commit{Tenant: p.Tenant, OpID: within("took/", address), OpHash: 1}
	if r.Receipt.DuplicateOf != "" {
		if id, known, err := b.recall(ctx, took); known {
			reply, err := b.broker.Message(ctx, p.Tenant, string(id))
			if err != nil {
				return r.Receipt, nil, err
			}
			return r.Receipt, reply.Message, nil
		} else if err != nil {
			return r.Receipt, nil, err
		}
	}
	reply, err := b.await(ctx, p.Tenant, address, took, ends)
	return r.Receipt, reply, err
}

// await takes the first message at a reply address.
func (b *Bus) await(ctx context.Context, tenant, address string, took *broker.Commit, ends time.Time) (*semabus.Message, error) {
	for {
		left := ends.Sub(b.clock.Now())
		if left <= 0 {
			return nil, &semabus.Error{Code: semabus.CodeDeadlineExceeded, Reason: semabus.ReasonNoReply, Op: "bus.Request", Field: "timeout",
				Value: address, Fix: "the message is published; a late reply waits at this address for an hour: fetch it, or ask again with the same op id"}
		}
		ds, err := b.broker.Lease(ctx, broker.LeaseOptions{Tenant: tenant, Group: address, Member: "request", Max: 1, Wait: min(left, maxWait)})
		if err != nil {
			return nil, err
		}
		if len(ds) == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			continue
		}
		m := ds[0].Message
		took.Settles = []broker.Settle{{Token: ds[0].Lease.Token, Outcome: semabus.SettleDone}}
		took.Value = []byte(m.ID)
		switch _, err := b.commit(context.WithoutCancel(ctx), took); {
		case err == nil:
			return m, nil
		case !gone(err):
			return nil, err
		}
	}
}

// boundReply gives a reply that states none a time to live: nobody may wait for it any more.
func boundReply(m *semabus.Message) {
	if m.TTL == 0 && strings.HasPrefix(m.To, replyPrefix) {
		m.TTL = replyTTL
	}
}
