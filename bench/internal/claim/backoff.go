package claim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/process"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/localbroker"
)

const (
	scheduleTenant = "bench"
	scheduleBase   = 500 * time.Millisecond
	scheduleCap    = 5 * time.Minute
	scheduleSteps  = 12 // failures of each delivery: the ten that double, and two at the cap
	tolerance      = 10 * time.Millisecond
)

// schedule is the broker on the real engine, whose clock and random numbers are ours.
type schedule struct {
	clock *handClock
	rand  *rand.Rand
	drawn []float64 // by the broker, since they were last looked at
	b     *broker.Broker

	jitter      []float64 // of each retry: its delay over the most that it may be
	wrong       int       // delays other than jitter · min(cap, base · 2ⁿ)
	early, late int       // deliveries that came before they were due, or did not once they were
}

// backoff fails deliveries again and again, and holds each retry against the published schedule: a random time between 0 and
// min(cap, base · 2ⁿ), to the nanosecond where it is stored and to 10 ms where it is delivered.
func backoff(ctx context.Context, o Options, e Env) (values map[string]float64, err error) {
	s := &schedule{clock: &handClock{now: time.Unix(1_700_000_000, 0).UTC()}, rand: rand.New(rand.NewPCG(o.Seed, 1))}
	engine, err := localbroker.Open(localbroker.Options{Dir: e.Dir, Clock: s.clock})
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, engine.Close()) }()
	s.b, err = broker.New(engine, broker.Options{Clock: s.clock, Random: func() float64 {
		u := s.rand.Float64()
		s.drawn = append(s.drawn, u)
		return u
	}})
	if err != nil {
		return nil, err
	}
	for i := range o.Retries {
		if err := s.fail(ctx, fmt.Sprintf("message-%d", i), fmt.Sprintf("group-%d", i)); err != nil {
			return nil, err
		}
	}
	return map[string]float64{
		"retries": float64(len(s.jitter)), "wrong_delays": float64(s.wrong), "early": float64(s.early), "late": float64(s.late),
		"unevenness": unevenness(s.jitter), "mean_jitter": mean(s.jitter),
	}, nil
}

// fail takes one delivery through the whole schedule.
func (s *schedule) fail(ctx context.Context, id, group string) error {
	done, err := s.b.Commit(ctx, []*broker.Commit{{Tenant: scheduleTenant, Entries: []broker.Entry{{
		Message: &semabus.Message{ID: id, Source: "bench", To: group, Payload: []byte("fails"), Time: s.clock.Now(), Priority: 4},
		Groups:  []broker.Target{{Group: group, Match: semabus.Match{Group: group, Reason: semabus.MatchAddress, Probability: 1}}},
	}}}})
	if err := errors.Join(err, firstErr(done)); err != nil {
		return err
	}
	for attempt := 1; attempt <= scheduleSteps; attempt++ {
		d, err := s.lease(ctx, group)
		switch {
		case err != nil:
			return err
		case d == nil && attempt > 1:
			s.late++
			return nil
		case d == nil || d.Attempt != attempt:
			return process.Failed("lease "+id, fmt.Errorf("attempt %d: %+v", attempt, d))
		}
		if early, err := s.retry(ctx, d); err != nil || early {
			return err
		}
	}
	return nil
}

// retry fails one attempt, looks at what is stored, and moves the clock to just before and just after it is due. It reports
// whether the delivery came too early.
func (s *schedule) retry(ctx context.Context, d *semabus.Delivery) (early bool, err error) {
	s.drawn = s.drawn[:0]
	now := s.clock.Now()
	done, err := s.b.Commit(ctx, []*broker.Commit{{Tenant: scheduleTenant, Settles: []broker.Settle{{
		Token: d.Lease.Token, Outcome: semabus.SettleRetry, Error: "on purpose",
		Policy: broker.RetryPolicy{MaxAttempts: scheduleSteps + 1, Base: scheduleBase, Cap: scheduleCap},
	}}}})
	if err := errors.Join(err, firstErr(done)); err != nil {
		return false, err
	}
	record, err := s.b.Message(ctx, scheduleTenant, d.Message.ID)
	if err != nil {
		return false, err
	}
	if len(record.Deliveries) != 1 {
		return false, process.Failed("look at "+d.Message.ID, fmt.Errorf("it has %d deliveries", len(record.Deliveries)))
	}
	due := record.Deliveries[0].Due
	most := float64(min(scheduleCap, scheduleBase<<(d.Attempt-1)))
	delay := due.Sub(now)
	s.jitter = append(s.jitter, float64(delay)/most)
	if len(s.drawn) != 1 || delay != time.Duration(s.drawn[0]*most) || float64(delay) >= most {
		s.wrong++
	}
	if delay > tolerance {
		s.clock.set(due.Add(-tolerance))
		if got, err := s.lease(ctx, d.Group); err != nil || got != nil {
			s.early++
			return true, err
		}
	}
	s.clock.set(due.Add(tolerance))
	return false, nil
}

func (s *schedule) lease(ctx context.Context, group string) (*semabus.Delivery, error) {
	got, err := s.b.Lease(ctx, broker.LeaseOptions{Tenant: scheduleTenant, Group: group, Member: "bench", Max: 1})
	if err != nil || len(got) == 0 {
		return nil, err
	}
	return &got[0], nil
}

func firstErr(done []broker.Committed) error {
	for i := range done {
		if done[i].Err != nil {
			return done[i].Err
		}
	}
	return nil
}

// unevenness is the Kolmogorov–Smirnov statistic √n · sup |F(x) − x| of numbers that should be spread evenly over [0, 1).
// Of such it is above 2.7 in one of a million samples; of a jitter over half the range it is √n / 2.
func unevenness(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n, most := float64(len(v)), 0.0
	for i, x := range v {
		most = max(most, math.Abs(x-float64(i)/n), math.Abs(float64(i+1)/n-x))
	}
	return most * math.Sqrt(n)
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
