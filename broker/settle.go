package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// The defaults of [RetryPolicy] and the bounds of [Settle].
const (
	DefaultMaxAttempts = 16
	DefaultRetryBase   = 500 * time.Millisecond
	DefaultRetryCap    = 5 * time.Minute
	MaxErrorBytes      = 1 << 10             // of Settle.Error kept with a delivery
	MaxRetryAfter      = 30 * 24 * time.Hour // of Settle.RetryAfter
)

var zeroTime time.Time

// RetryPolicy says how a failed delivery comes back: after a random time between 0 and min(Cap, Base·2ⁿ), n being the
// attempts before this one ("full jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), and
// at most MaxAttempts times. Zero fields mean the Default* constants.
type RetryPolicy struct {
	MaxAttempts int
	Base, Cap   time.Duration
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = DefaultMaxAttempts
	}
	if p.Base == 0 {
		p.Base = DefaultRetryBase
	}
	if p.Cap == 0 {
		p.Cap = DefaultRetryCap
	}
	return p
}

// Delay is the back-off after the attempt with the given number (1 = the first), for a random number u in [0, 1).
func (p RetryPolicy) Delay(attempt int, u float64) time.Duration {
	p = p.withDefaults()
	most := p.Cap
	if n := max(attempt-1, 0); n < 62 && p.Base <= p.Cap>>n {
		most = p.Base << n
	}
	return time.Duration(u * float64(most))
}

// addSettle translates one settlement. It returns the reason when the delivery goes to the dead-letter queue, else "".
func (b *Broker) addSettle(ctx context.Context, d *driver.Batch, s *Settle) (dead string, err error) {
	out := driver.Settle{Token: s.Token, Error: clip(s.Error, MaxErrorBytes)}
	switch s.Outcome {
	case semabus.SettleRetry, semabus.SettlePoison, semabus.SettleThrottled:
		held, err := b.held(ctx, d.Tenant, s.Token)
		if err != nil {
			return "", err
		}
		if dead = deadReason(s, held); dead != "" {
			d.Deliveries = append(d.Deliveries, deadEnqueue(held, dead, out.Error))
			break
		}
		b.requeue(&out, s, held)
	}
	d.Settles = append(d.Settles, out)
	return dead, nil
}

// deadReason says why a delivery ends in the dead-letter queue; "" = it does not. What already waits there or in
// $unmatched never does: it is retried for ever, or finished by poison.
func deadReason(s *Settle, held *driver.Delivery) string {
	if held.Group == semabus.GroupDeadLetter || held.Group == semabus.GroupUnmatched {
		return ""
	}
	switch {
	case s.Outcome == semabus.SettlePoison:
		return DeadPoison
	case s.Outcome == semabus.SettleRetry && held.Attempt >= s.Policy.withDefaults().MaxAttempts:
		return DeadExhausted
	}
	return ""
}

// requeue makes a settlement bring the delivery back; a poisoned dead letter is finished instead.
func (b *Broker) requeue(out *driver.Settle, s *Settle, held *driver.Delivery) {
	if s.Outcome == semabus.SettlePoison {
		return
	}
	delay := s.RetryAfter
	if delay == 0 {
		delay = s.Policy.Delay(held.Attempt, b.o.Random())
	}
	out.Requeue = true
	out.Attempt = s.Outcome == semabus.SettleRetry
	out.Due = b.o.Clock.Now().Add(delay)
}

// deadEnqueue is the dead letter of a delivery.
func deadEnqueue(held *driver.Delivery, reason, last string) driver.Enqueue {
	dl := DeadLetter{Group: held.Group, Reason: reason, Attempts: held.Attempt, Errors: held.Errors}
	if m, err := DecodeMatch(held.Info); err == nil {
		dl.Match = *m
	}
	if last != "" {
		dl.Errors = append(append([]string(nil), held.Errors...), last)
	}
	return driver.Enqueue{
		MessageID: held.MessageID, Group: semabus.GroupDeadLetter, Key: held.Group, Priority: held.Priority,
		Info: EncodeDeadLetter(&dl),
	}
}

// held looks up the delivery that a token stands for.
func (b *Broker) held(ctx context.Context, tenant string, token []byte) (*driver.Delivery, error) {
	found, err := b.d.Find(ctx, &driver.Query{Tenant: tenant, Token: token})
	if err != nil {
		return nil, err
	}
	if len(found.Deliveries) == 0 {
		return nil, stale()
	}
	return &found.Deliveries[0], nil
}

func stale() error {
	return &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonStaleLease, Op: "broker.Holder", Field: "token",
		Fix: "the lease has ended: drop the work, a newer lease or settlement holds the delivery",
	}
}

// checkSettle validates one settlement.
func checkSettle(f *faults, s *Settle, at int) {
	const known = semabus.SettleNotForMe
	p := s.Policy
	if len(s.Token) > 0 && s.Outcome > semabus.SettleUnspecified && s.Outcome <= known && s.RetryAfter >= 0 &&
		s.RetryAfter <= MaxRetryAfter && p.MaxAttempts >= 0 && p.Base >= 0 && p.Cap >= 0 {
		return
	}
	field := "settlements[" + strconv.Itoa(at) + "]"
	if len(s.Token) == 0 {
		f.add(semabus.ReasonRequired, field+".token", "", "", "send the token of the delivery")
	}
	if s.Outcome == semabus.SettleUnspecified || s.Outcome > known {
		f.add(semabus.ReasonInvalidValue, field+".outcome", "done, retry, poison, throttled or not_for_me", s.Outcome.String(),
			"name the outcome")
	}
	if s.RetryAfter < 0 || s.RetryAfter > MaxRetryAfter {
		f.add(semabus.ReasonInvalidValue, field+".retry_after", fmt.Sprintf("0 to %s", MaxRetryAfter), s.RetryAfter.String(),
			"give a time inside the bounds")
	}
	if p.MaxAttempts < 0 || p.Base < 0 || p.Cap < 0 {
		f.add(semabus.ReasonInvalidValue, field+".policy", "0 or more", "", "give positive numbers, or 0 for the default")
	}
}

// clip cuts s to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
