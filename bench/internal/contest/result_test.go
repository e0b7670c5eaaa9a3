package contest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/contest"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/peer"
)

// Two peers, and what one is to the other.
func ExampleResult_Over() {
	r := contest.NewResult(options(peer.Semabus, peer.RedisAlways), map[string][]contest.Round{
		peer.Semabus: rounds(30_000, 31_000, 29_000), peer.RedisAlways: rounds(20_000, 25_000, 15_000),
	})
	fmt.Println(r.Over(peer.RedisAlways))
	// Output: 1.5 true
}

// One round of two peers. (Not run here: the tests of the command peers run every peer that is installed.)
func Example() {
	r, err := contest.Run(context.Background(), contest.Options{
		Options: peer.Options{Publishers: 64, Window: 1, Intents: 1000, Size: 256},
		Peers:   []string{peer.Semabus, peer.RedisAlways}, Rounds: 1, Seconds: 1,
	}, peer.Env{Dir: os.TempDir(), Binary: "semabus", Redis: "redis-server", Clock: semabus.SystemClock{}}, os.Stderr)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = r.WriteText(os.Stdout)
}

func options(peers ...string) contest.Options {
	return contest.Options{
		Options: peer.Options{Publishers: 64, Window: 1, Intents: 1000, Size: 256}, Peers: peers, Rounds: 3, Seconds: 5,
	}
}

func rounds(perS ...float64) (all []contest.Round) {
	for i, v := range perS {
		all = append(all, contest.Round{PerS: v, P50: time.Duration(i+1) * time.Millisecond, P99: time.Second, CPU: 12340 * time.Nanosecond})
	}
	return all
}

// TestJSON: the shape is always the same; the ratios are those of the medians.
func TestJSON(t *testing.T) {
	t.Parallel()
	r := contest.NewResult(options(peer.Semabus, peer.JetStreamAlways), map[string][]contest.Round{
		peer.Semabus: rounds(30_000, 10_000, 20_000.04), peer.JetStreamAlways: rounds(2_000, 1_500, 2_100),
	})
	r.SyncTime = .25
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || strings.Count(b.String(), "\n") != 1 {
		t.Fatalf("%v: %s", err, &b)
	}
	want := map[string]any{
		"publishers": 64.0, "window": 1.0, "size": 256.0, "rounds": 3.0, "seconds": 5.0, "connections": 64.0, "intents": 1000.0,
		"semabus_per_s": 20_000.0, "jetstream_always_per_s": 2_000.0, "jetstream_default_per_s": nil, "redis_always_per_s": nil,
		"ratio_jetstream_always": 10.0, "ratio_redis_always": nil, "ratio_jetstream_default": nil,
		"p50_ms":         map[string]any{"semabus": 2.0, "jetstream_always": 2.0},
		"p99_ms":         map[string]any{"semabus": 1000.0, "jetstream_always": 1000.0},
		"cpu_us_per_msg": map[string]any{"semabus": 12.3, "jetstream_always": 12.3},
		"fsync_ms":       .25, "held": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestGates takes each gate from both sides.
func TestGates(t *testing.T) {
	t.Parallel()
	for name, gate := range contest.Gates() {
		for _, c := range []struct {
			factor float64
			held   bool
			words  string
		}{{gate.Least * .99, false, "below the gate"}, {gate.Least, true, "gate met"}, {gate.Aim, true, "aim reached"}} {
			r := contest.NewResult(options(peer.Semabus, name), map[string][]contest.Round{
				peer.Semabus: rounds(1000 * c.factor), name: rounds(1000),
			})
			var b bytes.Buffer
			if err := r.WriteText(&b); err != nil {
				t.Fatal(err)
			}
			if ratio, ok := r.Over(name); !ok || ratio != meter.Rounded(c.factor, 3) || r.Held != c.held || !strings.Contains(b.String(), c.words) {
				t.Errorf("%s at %v: ratio %v, held %v\n%s", name, c.factor, ratio, r.Held, &b)
			}
		}
	}
}

// TestNobodyElse: without somebody to be compared with there is no ratio, and no gate.
func TestNobodyElse(t *testing.T) {
	t.Parallel()
	r := contest.NewResult(options(peer.RedisAlways), map[string][]contest.Round{peer.RedisAlways: rounds(1)})
	if _, ok := r.Over(peer.RedisAlways); ok || !r.Held || r.Semabus != nil {
		t.Errorf("%+v", r)
	}
	r = contest.NewResult(options(peer.Semabus), map[string][]contest.Round{peer.Semabus: rounds(1)})
	if _, ok := r.Over(peer.Semabus); ok || !r.Held || *r.Semabus != 1 {
		t.Errorf("%+v", r)
	}
}
