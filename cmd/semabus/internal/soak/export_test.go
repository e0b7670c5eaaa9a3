package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

// The groups of a soak.
const (
	Sink   = sink
	Ledger = ledger
)

// Forged is an effect for tests: of the job at a place of a publisher, committed so many ms after the first.
type Forged struct {
	Publisher, Place int
	ID, Position     string
	At               int
}

// Judge holds forged effects of run "r" against records.
func Judge(records []Record, effects []Forged) (Verdict, []string) {
	in := make([]effect, len(effects))
	for i, f := range effects {
		in[i] = effect{job{"r", f.Publisher, f.Place}, f.ID, f.Position, time.UnixMilli(int64(f.At))}
	}
	return judge(records, in)
}

// Turn is the session of a job and its turn in it.
func Turn(publisher, place int) (session, turn int, ok bool) {
	return job{"r", publisher, place}.session()
}

// Lane is the group a job is for.
func Lane(publisher, place int) string { return job{"r", publisher, place}.lane() }

// Message is what is published for a job.
func Message(run string, publisher, place int) *semabus.Message {
	return job{run, publisher, place}.message()
}

// DecodeJob reads a payload and writes it again.
func DecodeJob(payload []byte) ([]byte, error) {
	j, err := decodeJob(payload)
	if err != nil {
		return nil, err
	}
	return j.encode(), nil
}

// DecodeRecord reads a record.
func DecodeRecord(data []byte) (Record, error) { return decodeRecord(data) }

// Spans, Union and Merged are what records are made of.
func Spans(acked []bool) []Span { return spans(acked) }

// Union is all places of both.
func Union(a, b []Span) []Span { return union(a, b) }

// Merged is one record a run.
func Merged(found ...Record) []Record { return merged(found) }

// StatePath is the default state file.
func StatePath(addr string) string { return statePath(addr) }

// State writes a record and reads it back.
func State(path string, r Record) (Record, bool, error) {
	if err := writeState(path, &r); err != nil {
		return Record{}, false, err
	}
	return readState(path)
}

// ReadState reads a state file.
func ReadState(path string) (Record, bool, error) { return readState(path) }

// Milestones are the acknowledgements at which a siege kills.
func Milestones(messages, kills int, seed uint64) []int64 {
	return (&siege{o: Options{Messages: messages}, kills: kills, seed: seed}).milestones()
}

// Effect publishes an effect that no consumer had, under an id of the test's.
func Effect(ctx context.Context, c *client.Client, id, run string, publisher, place int) error {
	_, err := c.Publish(ctx, &semabus.Message{ID: id, To: sink, Payload: job{run, publisher, place}.encode()})
	return err
}

// Claim publishes a record that claims one more acknowledged job than any run had.
func Claim(ctx context.Context, c *client.Client, run string, place int) error {
	data, err := json.Marshal(Record{Run: run, Acked: [][]Span{{{place, place + 1}}}})
	if err != nil {
		return err
	}
	_, err = c.Publish(ctx, &semabus.Message{ID: fmt.Sprint("claim-", place), To: ledger, Payload: data})
	return err
}
