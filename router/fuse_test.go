package router_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/router"
	"github.com/semabus/semabus/router/localindex"
)

// knowing is an embedder that knows more than words tell: the subject of a text ends it as a number, which the lexical side
// sees as one of many words. Its vectors are the subject's direction with noise.
type knowing struct{ dim int }

func (k knowing) Tiers() []embeddriver.Tier {
	return []embeddriver.Tier{{Name: "knowing", Space: "test", Dim: k.dim, MaxBytes: 1 << 16}}
}

func (k knowing) Embed(_ context.Context, texts []string, _ embeddriver.Kind, out [][]embeddriver.Vector) error {
	for i, t := range texts {
		v := make([]float32, k.dim)
		rnd := rand.New(rand.NewPCG(uint64(len(t)), uint64(t[0])))
		var sum float64
		for j := range v {
			v[j] = float32(rnd.NormFloat64())
			if n, err := strconv.Atoi(t[strings.LastIndexByte(t, ' ')+1:]); err == nil && n/100 == j {
				v[j] += 20
			}
			sum += float64(v[j] * v[j])
		}
		for j := range v {
			v[j] /= float32(math.Sqrt(sum))
		}
		out[i][0].Values = v
	}
	return nil
}

// TestVectorsWeighWhereTheyHelp: a fitted set gives vectors a weight when they tell held-out texts apart and words do not.
func TestVectorsWeighWhereTheyHelp(t *testing.T) {
	t.Parallel()
	const subjects = 12
	f := setup(t)
	f.embedder = embed.New(knowing{32}, embed.Options{})
	r, err := router.New(router.Options{Embedder: f.embedder, Index: localindex.New()})
	if err != nil {
		t.Fatal(err)
	}
	f.Router = r
	rnd := rand.New(rand.NewPCG(4, 4))
	text := func(subject int) string { // words tell nothing; the number is another one each time
		return fmt.Sprintf("%s %s %s %d", syllables(rnd.IntN(60)), syllables(rnd.IntN(60)), syllables(rnd.IntN(60)), subject*100+rnd.IntN(100))
	}
	list := make([]semabus.Intent, subjects)
	for s := range list {
		list[s] = semabus.Intent{Name: fmt.Sprint("subject ", s)}
		for range 12 {
			list[s].Examples = append(list[s].Examples, text(s))
		}
	}
	f.register(list...)
	f.settle()
	right, total := 0, 0
	for s := range subjects {
		for range 10 {
			asked := text(s)
			m, err := f.Match(context.Background(), tenant, asked, f.vectors(asked), 1)
			if err != nil || len(m) != 1 {
				t.Fatalf("Match = %+v, %v", m, err)
			}
			if total++; m[0].Intent == fmt.Sprint("subject ", s) {
				right++
			}
		}
	}
	if right < total*9/10 {
		t.Errorf("%d of %d right with telling vectors", right, total)
	}
	asked := text(3)
	if d := f.ask(&router.Request{Tenant: tenant, Message: &semabus.Message{ID: "m", Text: asked}}); !d.Degraded {
		t.Error("vectors weigh in this set, but a decision without one is not degraded")
	}
	d := f.say(asked)
	f.wantGroups(d, "subject 3")
	if d.Degraded || d.Space != "test" || d.Matches[0].Vector < 0.5 {
		t.Errorf("degraded %v, space %q, matches %+v", d.Degraded, d.Space, d.Matches)
	}
	checkScan(t, f, text(5))
}
