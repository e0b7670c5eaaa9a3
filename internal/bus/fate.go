package bus

import (
	"fmt"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// fate is what became of the deliveries of one group, in words.
type fate struct {
	never bool   // nobody ever worked on it, and nobody will unless something is done
	text  string // one sentence
	fix   string // what to do about it; "" = nothing needs to be done
}

// concerns reports whether a delivery tells of a group: it is the group's, or the dead letter of one that was.
func concerns(d *driver.Delivery, group string) bool {
	return d.Group == group || d.Group == semabus.GroupDeadLetter && d.Key == group
}

// fateOf reads the newest delivery of a group and its dead letter; nil where there is nothing to add to the decision.
func (b *Bus) fateOf(tenant, group string, ds []driver.Delivery) *fate {
	var own, dead *driver.Delivery
	lives := 0 // a redrive begins another
	for i := range ds {
		switch d := &ds[i]; {
		case d.Group == group:
			own = d // they stand in the order of their beginnings
			lives++
		case concerns(d, group):
			dead = d
		}
	}
	f := b.newest(tenant, group, own, dead)
	if f != nil && lives > 1 {
		f.never = false
	}
	return f
}

// newest tells of a group's newest delivery and of the newest dead letter of one; either may be nil.
func (b *Bus) newest(tenant, group string, own, dead *driver.Delivery) *fate {
	over := own == nil || own.State > driver.StateLeased
	switch {
	case over && dead != nil && dead.State <= driver.StateLeased:
		return deadFate(dead)
	case over && dead != nil && (own == nil || !dead.Enqueued.Before(own.Enqueued)):
		return &fate{text: "It was given up. Of its dead letter: " + settledFate(dead).text}
	case own == nil:
		return nil
	}
	switch own.State {
	case driver.StateExpired:
		return b.expiredFate(tenant, group)
	case driver.StateSettled:
		return settledFate(own)
	case driver.StateLeased:
		return &fate{text: fmt.Sprintf("Leased to %s until %s (attempt %d).", member(own), clockTime(own.Expires), own.Attempt)}
	case driver.StateDelayed:
		if own.Attempt > 1 {
			return &fate{text: fmt.Sprintf("It waits for attempt %d until %s.", own.Attempt, clockTime(own.Due))}
		}
		return &fate{text: "It waits until " + clockTime(own.Due) + "."}
	}
	if b.flow.Paused(tenant, group) {
		return &fate{text: "It waits: the group is paused.", fix: "resume the group"}
	}
	return &fate{text: "It waits for a member to take it."}
}

// expiredFate tells of a delivery that expired and has no dead letter.
func (b *Bus) expiredFate(tenant, group string) *fate {
	f := &fate{never: true, text: "It expired: nobody leased it within its TTL.", fix: "publish it with a longer TTL, or give the group more members"}
	if b.flow.Config(tenant, group).OnExpiry == semabus.ExpiryDrop {
		f.text = "It expired: nobody leased it within its TTL, and the group drops what expires."
	}
	return f
}

// deadFate tells of what lies in the dead-letter queue.
func deadFate(d *driver.Delivery) *fate {
	const lies = "it lies in the dead letters since "
	since := lies + clockTime(d.Enqueued) + "."
	dl, err := broker.DecodeDeadLetter(d.Info)
	if err != nil {
		return &fate{text: "Given up: " + since, fix: "redrive it"}
	}
	switch dl.Reason {
	case broker.DeadExpired:
		return &fate{never: true, text: "It expired: nobody leased it within its TTL; " + since,
			fix: "give the group more members, and redrive it"}
	case broker.DeadOverflow:
		return &fate{never: true, text: "The group's queue was full; " + since, fix: "raise the group's max_depth, or redrive it later"}
	case broker.DeadPoison:
		return &fate{text: fmt.Sprintf("Its consumer called it poison at attempt %d; %s", dl.Attempts, since), fix: "mend the consumer, and redrive it"}
	case semabus.ReasonLoop:
		return nil // the decision says so
	}
	return &fate{text: fmt.Sprintf("It failed %d times; %s", dl.Attempts, since), fix: "look at its errors, mend the consumer, and redrive it"}
}

// settledFate tells how a delivery ended.
func settledFate(d *driver.Delivery) *fate {
	if n := len(d.Errors); n > 0 {
		switch how, who := endedBy(d.Errors[n-1]); how {
		case howPurged:
			return &fate{never: true, text: fmt.Sprintf("It was purged by %s at %s.", who, clockTime(d.Settled)), fix: "publish it again"}
		case howCancelled:
			return &fate{never: true, text: fmt.Sprintf("It was cancelled by %s at %s, before it was due.", who, clockTime(d.Settled)),
				fix: "publish it again"}
		case howRedriven:
			return &fate{text: fmt.Sprintf("It was redriven by %s at %s.", who, clockTime(d.Settled))}
		}
	}
	return &fate{text: fmt.Sprintf("Settled by %s at %s (attempt %d).", member(d), clockTime(d.Settled), d.Attempt)}
}

func member(d *driver.Delivery) string {
	if d.Member == "" {
		return "a member"
	}
	return d.Member
}

func clockTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
