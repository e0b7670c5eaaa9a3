package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	semabus "github.com/semabus/semabus"
)

// Judged are the counts of one message.
func Judged(gold, delivered []string) (right, wrong, missed bool) { return judge(gold, delivered) }

// Verdict is one message's outcome.
type Verdict = verdict

// Summarise counts verdicts.
func Summarise(v []Verdict) Summary { return summarise(v) }

// Ledger is the collector of effects.
type Ledger struct{ l *ledger }

// NewLedger is an empty ledger.
func NewLedger() Ledger { return Ledger{newLedger()} }

// Record hands the ledger an output with the given id that tells of one effect.
func (l Ledger) Record(output, message, group, agent string) error {
	payload, err := json.Marshal(effect{Message: message, Group: group, Agent: agent})
	if err != nil {
		return err
	}
	return l.l.record(&semabus.Message{ID: output, Payload: payload})
}

// Duplicated counts effects beyond the first.
func (l Ledger) Duplicated() int { return l.l.duplicated() }

// Groups lists who worked on a message.
func (l Ledger) Groups(message string) []string {
	g, _ := l.l.groups(message)
	return g
}

// Await waits for effects of (message, group) pairs and counts those that are missing.
func (l Ledger) Await(ctx context.Context, want ...[2]string) int {
	pairs := make([]pair, len(want))
	for i, w := range want {
		pairs[i] = pair{w[0], w[1]}
	}
	return len(l.l.await(ctx, pairs))
}

// Prompted sets the stage without playing an act, types the lines at the prompt and returns everything printed.
func Prompted(ctx context.Context, lines ...string) (string, error) {
	var out bytes.Buffer
	s := &stage{out: &out, clock: semabus.SystemClock{}}
	err := s.run(ctx, nil, prompt(strings.NewReader(strings.Join(lines, "\n"))))
	return out.String(), err
}

// Killed plays the two acts that kill an agent and the node.
func Killed(ctx context.Context) (string, Summary, error) {
	var out bytes.Buffer
	s := &stage{out: &out, clock: semabus.SystemClock{}}
	err := s.run(ctx, []act{s.actAgentKilled, s.actNodeKilled}, nil)
	return out.String(), s.summary, err
}
