package soak

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Verdict is what verify counts.
type Verdict struct {
	Acked            int64 `json:"acked"`             // jobs acknowledged to their publisher
	Delivered        int64 `json:"delivered"`         // deliveries handed to a consumer, every attempt
	Effects          int64 `json:"effects"`           // outputs in the sink
	Missing          int64 `json:"missing"`           // acknowledged jobs without an effect
	DuplicateEffects int64 `json:"duplicate_effects"` // effects beyond the first of their job
	Reordered        int64 `json:"reordered"`         // effects committed after that of a later turn of their session
	DisconnectsSeen  int64 `json:"disconnects_seen"`  // connections that broke under the run's client
}

// Held reports whether the node kept its promises.
func (v Verdict) Held() bool { return v.Missing == 0 && v.DuplicateEffects == 0 && v.Reordered == 0 }

// effect is one output in the sink.
type effect struct {
	job
	id       string    // of the output
	position string    // of the output; with the id it tells two effects from one that was read twice
	at       time.Time // of its commit
}

// judge holds the effects against the records. Each fault is also told in words, at most maxFaults of a kind.
func judge(records []Record, effects []effect) (Verdict, []string) {
	j := judgement{told: map[string]int{}}
	for _, r := range records {
		j.v.Delivered += r.Delivered
		j.v.DisconnectsSeen += r.Disconnects
	}
	first := j.firsts(effects)
	j.missing(records, first)
	j.reordered(first)
	return j.v, j.faults
}

// maxFaults is how many faults of a kind are told in words.
const maxFaults = 10

type judgement struct {
	v      Verdict
	faults []string
	told   map[string]int
}

func (j *judgement) faultf(kind, format string, args ...any) {
	if j.told[kind]++; j.told[kind] <= maxFaults {
		j.faults = append(j.faults, kind+": "+fmt.Sprintf(format, args...))
	}
}

// firsts is the first effect of every job; the others count as duplicates.
func (j *judgement) firsts(effects []effect) map[job]effect {
	effects = slices.Clone(effects)
	slices.SortStableFunc(effects, func(a, b effect) int { return a.at.Compare(b.at) })
	first := make(map[job]effect, len(effects))
	read := make(map[[2]string]bool, len(effects))
	for _, e := range effects {
		key := [2]string{e.id, e.position}
		if read[key] {
			continue
		}
		read[key] = true
		j.v.Effects++
		if f, twice := first[e.job]; twice {
			j.v.DuplicateEffects++
			j.faultf("duplicate effect", "job %s has %s and %s", e.message().ID, f.id, e.id)
			continue
		}
		first[e.job] = e
	}
	return first
}

// missing counts acknowledged jobs without an effect. A run with effects and no record was acknowledged one too, for the
// record comes before the first job.
func (j *judgement) missing(records []Record, first map[job]effect) {
	known := map[string]bool{}
	for _, r := range records {
		known[r.Run] = true
		for p, list := range r.Acked {
			for _, s := range list {
				j.v.Acked += int64(s.Until - s.From)
				for place := s.From; place < s.Until; place++ {
					if _, ok := first[job{r.Run, p, place}]; !ok {
						j.v.Missing++
						j.faultf("missing", "job %s was acknowledged and has no effect", job{r.Run, p, place}.message().ID)
					}
				}
			}
		}
	}
	for f := range first {
		if !known[f.Run] {
			known[f.Run] = true
			j.v.Missing++
			j.faultf("missing", "the ledger has no record of run %s, whose effects are in the sink", f.Run)
		}
	}
}

// reordered counts effects that come after that of a later turn of their session.
func (j *judgement) reordered(first map[job]effect) {
	type session struct {
		run        string
		publisher  int
		number     int
		turn, last int
	}
	type turn struct {
		session
		effect
	}
	turns := make([]turn, 0, len(first))
	for _, e := range first {
		if number, at, ok := e.session(); ok {
			turns = append(turns, turn{session{run: e.Run, publisher: e.Publisher, number: number, turn: at}, e})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int {
		return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.publisher, b.publisher), cmp.Compare(a.number, b.number),
			a.at.Compare(b.at), cmp.Compare(a.turn, b.turn))
	})
	for i := 1; i < len(turns); i++ {
		a, b := &turns[i-1], &turns[i]
		if a.run != b.run || a.publisher != b.publisher || a.number != b.number {
			continue
		}
		b.last = max(a.last, a.turn)
		if b.turn < b.last {
			j.v.Reordered++
			j.faultf("reordered", "turn %d of session %d of publisher %d came after turn %d", b.turn, b.number, b.publisher, b.last)
		}
	}
}
