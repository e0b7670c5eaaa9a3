package router_test

import (
	"context"
	"fmt"
	"testing"

	semabus "github.com/semabus/semabus"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/router"
)

// BenchmarkDecide is one message of about 60 bytes among intents of one fitted set, of one set too large to be fitted, and of
// independent intents; embed=true adds what the bus does before it.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name              string
		intents, examples int
		independent       bool
	}{
		{"fitted/intents=1000", 1000, 4, false}, {"independent/intents=1000", 1000, 4, true},
		{"loose/intents=100000", 100000, 0, false}, {"independent/intents=100000", 100000, 0, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := setup(b)
			w := newWorld(1)
			list := w.intents(c.intents, c.examples, nil)
			changes := make([]*router.Change, len(list))
			for i := range list {
				list[i].Description = w.text(i)
				if c.independent {
					list[i].Set, list[i].Independent = "", true
				}
				changes[i] = &router.Change{Intent: &list[i]}
			}
			f.change(changes...)
			f.settle()
			var reqs []*router.Request
			for i := range 256 {
				reqs = append(reqs, f.request(&semabus.Message{ID: "m", Text: w.text(i * 7 % c.intents)}))
			}
			ctx := context.Background()
			for _, embedding := range []bool{false, true} {
				b.Run(fmt.Sprintf("embed=%v", embedding), func(b *testing.B) {
					b.ReportAllocs()
					n, matched := 0, 0
					for b.Loop() {
						req := reqs[n%len(reqs)]
						if n++; embedding {
							req.Vectors, _ = f.embedder.EmbedOne(ctx, req.Message.Text, embeddriver.Query, req.Vectors)
						}
						d, err := f.Decide(ctx, req)
						if err != nil {
							b.Fatal(err)
						}
						matched += len(d.Matches)
					}
					b.ReportMetric(float64(matched)/float64(n), "matches/op")
				})
			}
		})
	}
}

// BenchmarkApply is one new intent beside as many as there are.
func BenchmarkApply(b *testing.B) {
	for _, intents := range []int{1000, 100000} {
		b.Run(fmt.Sprintf("intents=%d", intents), func(b *testing.B) {
			f := setup(b)
			w := newWorld(1)
			changes := make([]*router.Change, intents)
			for i := range changes {
				changes[i] = &router.Change{Intent: &semabus.Intent{Name: fmt.Sprint("n", i), Description: w.text(i)}}
			}
			f.change(changes...)
			for b.Loop() {
				f.change(&router.Change{Intent: &semabus.Intent{Name: fmt.Sprint("new ", f.version), Description: w.text(int(f.version))}})
			}
		})
	}
}

func BenchmarkFit(b *testing.B) {
	for _, intents := range []int{150, 1000} {
		b.Run(fmt.Sprintf("intents=%d", intents), func(b *testing.B) {
			f := setup(b)
			list := newWorld(1).intents(intents, 10, nil)
			f.register(list...)
			for b.Loop() {
				f.register(list[0])
				f.settle()
			}
		})
	}
}
