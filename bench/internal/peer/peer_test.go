package peer_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/peer"
)

// Whom to measure, as the flag --peers names them.
func ExampleParse() {
	names, err := peer.Parse("semabus,jetstream")
	fmt.Println(names, err)
	// Output: [semabus jetstream_always jetstream_default] <nil>
}

// One second of one peer. (Not run here: the tests of the command peers run every peer that is installed.)
func Example() {
	ctx, env := context.Background(), peer.Env{Dir: ".", Redis: "redis-server", Clock: semabus.SystemClock{}}
	s, err := peer.Start(ctx, peer.RedisAlways, env)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	l := peer.NewLoad(peer.Options{Publishers: 64, Window: 1, Intents: 1000, Size: 256}, env.Clock)
	l.Stretch.Open()
	env.Clock.AfterFunc(time.Second, func() { l.Stretch.Close(); l.Stop() })
	if err := s.Publish(ctx, l); err != nil {
		fmt.Println(err)
		return
	}
	took, n := l.Acked()
	fmt.Println(n, took.Quantile(.99))
}

func TestParse(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]string{
		"semabus":                 {peer.Semabus},
		"redis, jetstream":        {peer.RedisAlways, peer.JetStreamAlways, peer.JetStreamDefault},
		"jetstream_default,redis": {peer.JetStreamDefault, peer.RedisAlways},
		"jetstream,jetstream":     {peer.JetStreamAlways, peer.JetStreamDefault},
	} {
		if got, err := peer.Parse(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"", "kafka", "semabus,", "jet", "redis_"} {
		if got, err := peer.Parse(list); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
}

func TestFindRedis(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := peer.FindRedis(self); err != nil || got != self {
		t.Errorf("%q, %v", got, err)
	}
	_, err = peer.FindRedis("no-such-server")
	e, ok := semabus.AsError(err)
	if !ok || e.Code != semabus.CodeFailedPrecondition || !strings.Contains(e.Fix, "apt-get install redis-server") {
		t.Errorf("%v", err)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	for connections, want := range map[int]int{0: 6, 1: 1, 4: 4, 9: 6} {
		if got := (peer.Options{Publishers: 6, Connections: connections}).Lines(); got != want {
			t.Errorf("--connections %d: %d, want %d", connections, got, want)
		}
	}
}

// TestLoad: every peer gets the same texts, and acknowledgements count in the measured time only.
func TestLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := peer.Options{Publishers: 2, Window: 1, Intents: 10, Size: 64}
		var all [2][]string
		for i := range all {
			l := peer.NewLoad(o, semabus.SystemClock{})
			s := l.Source(1)
			for n := range 4 {
				if n == 1 {
					l.Stretch.Open()
				}
				if n == 3 {
					l.Stretch.Close()
				}
				text, sent, ok := s.Next(t.Context())
				if !ok {
					t.Fatal("it ended by itself")
				}
				all[i] = append(all[i], string(text))
				time.Sleep(time.Second)
				s.Acked(sent)
			}
			l.Stop()
			if _, _, ok := s.Next(t.Context()); ok {
				t.Error("it goes on after Stop")
			}
			if took, n := l.Acked(); n != 2 || took.N() != 2 || l.Stretch.Seconds() != 2 {
				t.Errorf("%d acknowledged in %v s, %d latencies", n, l.Stretch.Seconds(), took.N())
			}
		}
		if !slices.Equal(all[0], all[1]) {
			t.Errorf("two runs got %q and %q", all[0], all[1])
		}
	})
}

// TestRedisThatIsNoServer: a peer that ends says why.
func TestRedisThatIsNoServer(t *testing.T) {
	t.Parallel()
	no, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	_, err = peer.Start(t.Context(), peer.RedisAlways, peer.Env{Dir: t.TempDir(), Redis: no, Clock: semabus.SystemClock{}})
	if semabus.CodeOf(err) != semabus.CodeUnavailable {
		t.Errorf("%v", err)
	}
}
