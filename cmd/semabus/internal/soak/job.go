package soak

import (
	"encoding/json"
	"fmt"
	"time"

	semabus "github.com/semabus/semabus"
)

// The groups of a soak. One lane leads to each of the first three.
const (
	byAddress = "soak-address"
	byTopic   = "soak-topic"
	byWords   = "soak-words"
	sink      = "soak-sink"   // receives one output for each finished job
	ledger    = "soak-ledger" // receives the records of runs
)

const (
	topic    = "soak.jobs"
	sessions = 16 // of one publisher at a time
)

var lanes = []string{byAddress, byTopic, byWords}

// job is one message of a soak: the place-th of a publisher, both from 0.
type job struct {
	Run       string `json:"run"`
	Publisher int    `json:"publisher"`
	Place     int    `json:"place"`
}

// session is the conversation the job belongs to and its turn in it; ok is false for the half that has none.
func (j job) session() (session, turn int, ok bool) {
	if j.Place%2 == 0 {
		return 0, 0, false
	}
	n := j.Place / 2
	return n % sessions, n / sessions, true
}

// lane is the group that works on it: one and the same for a whole session, as order holds inside a group.
func (j job) lane() string {
	if s, _, ok := j.session(); ok {
		return lanes[s%len(lanes)]
	}
	return lanes[j.Place/2%len(lanes)]
}

// fails reports whether the first attempt is given back, so that order has retries to survive.
func (j job) fails() bool { return j.Place%97 == 13 }

// takes is how long the work lasts: most jobs none, some long enough that every kill meets open leases.
func (j job) takes() time.Duration {
	if j.Place%41 == 7 {
		return 20 * time.Millisecond
	}
	return 0
}

// message is what is published.
func (j job) message() *semabus.Message {
	m := &semabus.Message{
		ID: fmt.Sprintf("soak-%s-%d-%d", j.Run, j.Publisher, j.Place), Type: "soak.job",
		Payload: j.encode(), ContentType: "application/json",
	}
	if s, _, ok := j.session(); ok {
		m.Session = fmt.Sprintf("soak-%s-%d-%d", j.Run, j.Publisher, s)
	}
	switch j.lane() {
	case byAddress:
		m.To = byAddress
	case byTopic:
		m.Topic = topic
	case byWords: // the audience keeps it from intents that are none of our business
		m.Text, m.Audience = fmt.Sprintf("Please water the tomato plants in greenhouse %d.", j.Place%100), []string{byWords}
	}
	return m
}

// intent is what the group of the third lane wants to hear.
func intent() semabus.Intent {
	return semabus.Intent{
		Name: byWords, Group: byWords, Independent: true, Description: "requests to water the tomato plants in a greenhouse",
		Examples: []string{"Please water the tomato plants in the greenhouse.", "Water the tomato plants in greenhouse 5, please."},
	}
}

func (j job) encode() []byte {
	b, err := json.Marshal(j)
	if err != nil {
		return nil // cannot happen: plain fields
	}
	return b
}

// decodeJob reads a job out of a payload.
func decodeJob(payload []byte) (job, error) {
	var j job
	if err := json.Unmarshal(payload, &j); err != nil {
		return job{}, err
	}
	if j.Run == "" || j.Publisher < 0 || j.Place < 0 {
		return job{}, fmt.Errorf("no job: %q", semabus.Shorten(string(payload)))
	}
	return j, nil
}
