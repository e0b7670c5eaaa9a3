package demo

import (
	"slices"
	"time"
)

// verdict is how one message came out; one JSON object a message under --json.
type verdict struct {
	N         int      `json:"n"` // from 1; /why N means this
	ID        string   `json:"id"`
	Lang      string   `json:"lang"`
	Text      string   `json:"text"`
	Gold      []string `json:"gold"`      // who it is meant for; empty = nobody
	Delivered []string `json:"delivered"` // whose agents worked on it, from the ledger
	Right     bool     `json:"right"`     // exactly those
	MS        *float64 `json:"ms"`        // publish to the last agent's receipt; null when nobody got it
}

// Summary is the last object of --json.
type Summary struct {
	Messages          int     `json:"messages"`           // published in act 1
	Right             int     `json:"right"`              // reached exactly those they are meant for
	Wrong             int     `json:"wrong"`              // reached somebody they are not for
	Missed            int     `json:"missed"`             // did not reach somebody they are for
	Unmatched         int     `json:"unmatched"`          // reached nobody
	EffectsDuplicated int     `json:"effects_duplicated"` // effects beyond one for each message and group, all acts
	Lost              int     `json:"lost"`               // acknowledged deliveries without an effect, all acts
	P50               float64 `json:"p50_ms"`             // act 1: publish to the last agent's receipt
	P99               float64 `json:"p99_ms"`
}

// judge compares what was delivered with what was meant.
func judge(gold, delivered []string) (right, wrong, missed bool) {
	wrong = slices.ContainsFunc(delivered, func(g string) bool { return !slices.Contains(gold, g) })
	missed = slices.ContainsFunc(gold, func(g string) bool { return !slices.Contains(delivered, g) })
	return !wrong && !missed, wrong, missed
}

// summarise counts the verdicts of act 1.
func summarise(all []verdict) Summary {
	s := Summary{Messages: len(all)}
	var ms []float64
	for i := range all {
		right, wrong, missed := judge(all[i].Gold, all[i].Delivered)
		s.Right += one(right)
		s.Wrong += one(wrong)
		s.Missed += one(missed)
		s.Unmatched += one(len(all[i].Delivered) == 0)
		if all[i].MS != nil {
			ms = append(ms, *all[i].MS)
		}
	}
	s.P50, s.P99 = percentile(ms, 0.50), percentile(ms, 0.99)
	return s
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// percentile is the smallest value with at least the share q of all at or below it (nearest rank); 0 of nothing.
func percentile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Clone(values)
	slices.Sort(s)
	rank := int(q*float64(len(s)) + 0.999999)
	return s[min(max(rank, 1), len(s))-1]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
