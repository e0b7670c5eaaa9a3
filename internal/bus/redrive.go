package bus

import (
	"context"
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

const (
	defaultRate = 100    // letters a second
	maxRate     = 10_000 // letters a second
	minRate     = 0.001  // letters a second
	maxStep     = stride // letters of one step
	stepTime    = 100 * time.Millisecond
	reportTime  = time.Second
)

// Redrive says which dead letters are delivered again, and how fast.
type Redrive struct {
	DeadLetterFilter
	Rate   float64 // letters a second; 0 = 100
	DryRun bool    // count only
}

// Redriven is how far a redrive has come.
type Redriven struct {
	Redriven int64 // moved, or that would be
	Skipped  int64 // stay though they were selected: somebody has leased them, or their group's queue is full
}

// Redrive moves dead letters back to the groups that gave up, oldest first, each by one commit, until those that were there when it
// was called are done or ctx ends; report hears at once, and then about every second, how far it is. A letter keeps its message with id, priority,
// session and trace; attempts and TTL begin again, and tokens of earlier leases stay stale. One with reason LOOP reached no
// group: it is decided now, whatever its chain has spent. Repeated after an interruption, it goes on with what is left.
func (b *Bus) Redrive(ctx context.Context, p semabus.Principal, r Redrive, report func(Redriven) error) (Redriven, error) {
	s, err := r.check()
	if err != nil {
		return Redriven{}, err
	}
	w := &redriving{b: b, p: p, selection: s, rate: r.Rate, dry: r.DryRun, report: report, told: b.clock.Now()}
	if w.rate == 0 {
		w.rate = defaultRate
	}
	if err := report(w.so); err != nil { // it has begun
		return w.so, err
	}
	if s.MessageID != "" {
		var letters []DeadLetter
		letters, err = b.lettersOf(ctx, p.Tenant, s.MessageID)
		switch {
		case err != nil:
		case len(letters) == 0:
			err = notFound("bus.Redrive", "message_id", s.MessageID, "it is not in the dead letters, or no longer; ask why")
		default:
			err = w.take(ctx, letters)
		}
	} else {
		err = b.each(ctx, p.Tenant, semabus.GroupDeadLetter, func(some []broker.Record) error {
			letters := make([]DeadLetter, len(some))
			for i := range some {
				letters[i] = letter(&some[i], 0)
			}
			return w.take(ctx, letters)
		})
	}
	if err == nil {
		err = w.move(ctx)
	}
	return w.so, err
}

// check validates what is asked.
func (r *Redrive) check() (selection, error) {
	const op = "bus.Redrive"
	if r.Rate != 0 && !(r.Rate >= minRate && r.Rate <= maxRate) {
		return selection{}, invalid(op, semabus.ReasonInvalidValue, "rate", strconv.FormatFloat(r.Rate, 'g', -1, 64),
			"0.001–10000 letters a second (0 = 100)", "choose another rate")
	}
	return r.compile(op)
}

// redriving is one redrive under way.
type redriving struct {
	b         *Bus
	p         semabus.Principal
	selection selection
	rate      float64
	dry       bool
	report    func(Redriven) error

	so      Redriven
	step    []DeadLetter // to be moved together
	due     time.Time    // not before
	told    time.Time    // when report heard last
	scratch scratch
}

// take adds letters to the step and moves it whenever it is full.
func (w *redriving) take(ctx context.Context, letters []DeadLetter) error {
	size := max(1, min(maxStep, int(w.rate*stepTime.Seconds())))
	for i := range letters {
		switch l := &letters[i]; {
		case !w.selection.takes(l):
		case l.leased || l.Group == semabus.GroupPrepared || l.Group == semabus.GroupOperations:
			w.so.Skipped++
		case w.dry:
			w.so.Redriven++
		default:
			if w.step = append(w.step, *l); len(w.step) < size {
				continue
			}
			if err := w.move(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// move carries a step out, one commit a letter, when the rate allows it.
func (w *redriving) move(ctx context.Context) error {
	if len(w.step) == 0 {
		return nil
	}
	now := w.b.clock.Now()
	if now.Before(w.due) {
		w.b.pause(ctx, w.due.Sub(now))
		now = w.due
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.due = now.Add(time.Duration(float64(len(w.step)) / w.rate * float64(time.Second)))
	ctx = context.WithoutCancel(ctx) // a commit is short and must not be torn
	var commits []*broker.Commit
	coming := map[string]int64{} // to groups with a bound, by this step
	for i := range w.step {
		c, err := w.commit(ctx, &w.step[i], coming)
		switch {
		case err == nil:
			commits = append(commits, c)
		case semabus.CodeOf(err) == semabus.CodeResourceExhausted: // its group's queue is full
			w.so.Skipped++
		default:
			return err
		}
	}
	w.step = w.step[:0]
	for _, done := range w.b.commitAll(ctx, commits) {
		switch {
		case done.Err == nil:
			w.so.Redriven++
		case semabus.CodeOf(done.Err) == semabus.CodeNotFound: // leased, or moved by another, since it was read
			w.so.Skipped++
		default:
			return done.Err
		}
	}
	if now = w.b.clock.Now(); now.Sub(w.told) >= reportTime {
		w.told = now
		return w.report(w.so)
	}
	return nil
}

// commit moves one letter.
func (w *redriving) commit(ctx context.Context, l *DeadLetter, coming map[string]int64) (*broker.Commit, error) {
	c := &broker.Commit{Tenant: w.p.Tenant, Drops: []driver.Drop{{MessageID: l.Message.ID, Group: semabus.GroupDeadLetter, Key: l.key,
		Waiting: true, Error: ended(howRedriven, w.p)}}}
	e := broker.Entry{Message: l.Message, Retained: true, Checked: true}
	if l.Reason == semabus.ReasonLoop || l.Reason == deadUnresolved {
		var err error
		if e.Decision, err = w.b.decide(ctx, w.p.Tenant, l.Message, []string{l.Group}, &w.scratch); err != nil {
			return nil, err
		}
		if e.Groups, err = w.b.targets(ctx, w.p.Tenant, e.Decision); err != nil {
			return nil, err
		}
	} else {
		if err := w.room(ctx, l.Group, coming); err != nil {
			return nil, err
		}
		e.Groups = []broker.Target{{Group: l.Group, Match: l.Match}}
		if l.Group == semabus.GroupIngress {
			w.b.ingress.add(w.p.Tenant)
		}
	}
	c.Entries = []broker.Entry{e}
	return c, nil
}

// room refuses a letter whose group's queue is full.
func (w *redriving) room(ctx context.Context, group string, coming map[string]int64) error {
	depth := w.b.flow.MaxDepth(w.p.Tenant, group)
	if depth == 0 {
		return nil
	}
	waiting, err := w.b.broker.Depth(ctx, w.p.Tenant, group)
	if err != nil {
		return err
	}
	if waiting+coming[group] >= depth {
		return &semabus.Error{Code: semabus.CodeResourceExhausted, Reason: semabus.ReasonOverloaded, Op: "bus.Redrive", Field: "group",
			Value: semabus.Shorten(group), Limit: strconv.FormatInt(depth, 10) + " waiting deliveries", Fix: "redrive later"}
	}
	coming[group]++
	return nil
}
