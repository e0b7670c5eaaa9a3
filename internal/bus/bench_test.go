package bus_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/internal/bus"
)

// words is a vocabulary of 5,832 made-up words: three syllables each.
var words = func() (out []string) {
	syllables := strings.Fields("ba ce di fo gu ha ke li mo nu pa re si to vu wa ye zi")
	for _, a := range syllables {
		for _, b := range syllables {
			for _, c := range syllables {
				out = append(out, a+b+c)
			}
		}
	}
	return out
}()

// sentence is n words about a subject: half of them are its own.
func sentence(r *rand.Rand, subject, n int) string {
	own := rand.New(rand.NewPCG(uint64(subject), 1))
	var b strings.Builder
	for i := range n {
		w := words[r.IntN(len(words))]
		if i%2 == 0 {
			w = words[own.IntN(len(words))]
		}
		b.WriteString(w + " ")
	}
	return b.String()
}

// loaded is a bus with intents of three examples each, registered by some callers at once.
func loaded(tb testing.TB, intents int) *bus.Bus {
	tb.Helper()
	b := setup(tb)
	register(tb, b, 0, intents)
	return b
}

func register(tb testing.TB, b *bus.Bus, from, to int) {
	tb.Helper()
	var g errgroup.Group
	g.SetLimit(64)
	for i := from; i < to; i++ {
		g.Go(func() error {
			r := rand.New(rand.NewPCG(uint64(i), 2))
			in := semabus.Intent{Name: fmt.Sprintf("intent-%d", i), Group: fmt.Sprintf("group-%d", i%100), Description: sentence(r, i, 6),
				Examples: []string{sentence(r, i, 8), sentence(r, i, 8), sentence(r, i, 8)}}
			_, _, err := b.RegisterIntent(tb.Context(), alice, "", in)
			return err
		})
	}
	must(tb, g.Wait())
}

// cpu reports the processor time of an operation: what it costs, also on a busy machine.
func cpu(b *testing.B) (stop func()) {
	b.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	return func() { b.ReportMetric(float64((used()-start).Nanoseconds())/1000/float64(b.N), "cpu-µs/op") }
}

// BenchmarkPublish is the path of 64 publishers with one message in flight each: decide and commit.
func BenchmarkPublish(b *testing.B) {
	for _, intents := range []int{0, 1000} {
		b.Run(fmt.Sprintf("intents=%d", intents), func(b *testing.B) {
			w := loaded(b, intents)
			b.ReportAllocs()
			b.SetParallelism(32)
			var next atomic.Uint64
			b.ResetTimer()
			defer cpu(b)()
			b.RunParallel(func(pb *testing.PB) {
				r := rand.New(rand.NewPCG(next.Add(1), 3))
				producer, seq := fmt.Sprint("p", r.Uint64()), uint64(0)
				for pb.Next() {
					seq++
					m := &semabus.Message{Text: sentence(r, r.IntN(max(1, intents)), 8), Payload: make([]byte, 192)}
					res := w.Publish(b.Context(), alice, []bus.PublishItem{{Message: m, Producer: producer, Sequence: seq}})
					if res[0].Err != nil {
						b.Error(res[0].Err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkDeliver is the other half: lease and settle, 64 deliveries a call.
func BenchmarkDeliver(b *testing.B) {
	w := setup(b)
	items := make([]bus.PublishItem, 256)
	for done := 0; done < b.N; done += len(items) {
		for i := range items {
			items[i] = bus.PublishItem{Message: &semabus.Message{To: "g", Payload: make([]byte, 256)}}
		}
		must(b, w.Publish(b.Context(), alice, items)[0].Err)
	}
	s, err := w.Subscribe(b.Context(), alice, bus.SubscribeOptions{Group: "g"})
	must(b, err)
	defer s.Close(b.Context())
	b.ReportAllocs()
	b.ResetTimer()
	defer cpu(b)()
	for done := 0; done < b.N; {
		ds, err := s.Next(b.Context(), 64, 0, 0)
		must(b, err)
		ss := make([]semabus.Settlement, len(ds))
		for i := range ds {
			ss[i] = semabus.Settlement{Token: ds[i].Lease.Token, Outcome: semabus.SettleDone}
		}
		for _, r := range s.Settle(b.Context(), ss) {
			must(b, r.Err)
		}
		done += len(ds)
	}
}

// BenchmarkRegister is the registration of b.N intents by 64 callers, and the start of a node that has them all:
// -benchtime 100000x for a hundred thousand.
func BenchmarkRegister(b *testing.B) {
	dir := b.TempDir()
	w, done := open(b, dir)
	b.ResetTimer()
	register(b, w, 0, b.N)
	b.StopTimer()
	done()
	start := time.Now()
	_, done = open(b, dir)
	b.ReportMetric(float64(time.Since(start).Microseconds())/float64(b.N), "start-µs/intent")
	done()
}
