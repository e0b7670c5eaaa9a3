package soak_test

import (
	"bytes"
	"testing"

	"github.com/semabus/semabus/cmd/semabus/internal/soak"
)

// TestJobs: half of the jobs have a session, turns come in order and without a gap, one lane a session, every lane has both.
func TestJobs(t *testing.T) {
	t.Parallel()
	next, lanes, kinds := map[int]int{}, map[int]string{}, map[[2]any]int{}
	for place := range 3000 {
		lane := soak.Lane(1, place)
		session, turn, ok := soak.Turn(1, place)
		kinds[[2]any{lane, ok}]++
		if !ok {
			continue
		}
		if turn != next[session] || (turn > 0 && lane != lanes[session]) {
			t.Fatalf("place %d is turn %d of session %d in %s; want turn %d in %s", place, turn, session, lane, next[session], lanes[session])
		}
		next[session], lanes[session] = turn+1, lane
	}
	if len(kinds) != 6 {
		t.Errorf("lanes with and without sessions: %v", kinds)
	}
	for k, n := range kinds {
		if n < 400 {
			t.Errorf("only %d of 3000 jobs are %v", n, k)
		}
	}
}

func FuzzDecodeJob(f *testing.F) {
	f.Add([]byte(`{"run":"r","publisher":1,"place":2}`))
	f.Add([]byte(`{"run":"r","publisher":-1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := soak.DecodeJob(data)
		if err != nil {
			return
		}
		if twice, err := soak.DecodeJob(once); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s became %s, %v", once, twice, err)
		}
	})
}
