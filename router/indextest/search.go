package indextest

import (
	"context"
	"errors"
	"math"
	"slices"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router/driver"
)

func searchCases() []testCase {
	return []testCase{
		{"Search/TiesBySmallerID", ties},
		{"Search/Max", maxHits},
		{"Search/MinScoreIsInclusive", minScore},
		{"Search/MinScoreInfinite", infiniteMinScore},
		{"Search/NoQueries", noQueries},
		{"Search/ReusesCapacity", reuses},
		{"Search/BatchEqualsSingle", batch},
	}
}

func errorCases() []testCase {
	return []testCase{
		{"Error/OtherLength", otherLength},
		{"Error/NotANumber", notANumber},
		{"Error/Max", badMax},
		{"Error/EndedContext", endedContext},
	}
}

func ties(r *rig) {
	var puts []driver.Entry
	var want []uint64
	for i := range uint64(200) {
		id := (i*7919 + 13) % 1000003
		puts = append(puts, driver.Entry{ID: id, Vector: []float32{1, float32(i), 0}})
		want = append(want, id)
	}
	puts = append(puts, driver.Entry{ID: math.MaxUint64, Vector: []float32{2, 0, 0}})
	slices.Sort(want)
	r.update(puts)
	q := driver.Query{Vector: []float32{1, 0, 0}, MinScore: 1, Max: 300}
	r.wantIDs("all", r.search(q), append([]uint64{math.MaxUint64}, want...)...)
	q.Max = 50
	r.wantIDs("cut within the ties", r.search(q), append([]uint64{math.MaxUint64}, want[:49]...)...)
}

func maxHits(r *rig) {
	var puts []driver.Entry
	for i := range uint64(3000) {
		puts = append(puts, driver.Entry{ID: i, Vector: []float32{float32(i), 1}})
	}
	r.update(puts)
	for _, n := range []int{1, 2, 63, 64, 65, 1000, 2999, 3000, 3001, math.MaxInt} {
		hits := r.search(driver.Query{Vector: []float32{1, 0}, Max: n})
		if want := min(n, 3000); len(hits) != want || hits[0].ID != 2999 || hits[want-1].ID != uint64(3000-want) {
			r.t.Errorf("Max %d: %d hits, from %v to %v", n, len(hits), hits[0], hits[len(hits)-1])
		}
	}
}

func minScore(r *rig) {
	r.update([]driver.Entry{{ID: 1, Vector: []float32{0.5, 0}}, {ID: 2, Vector: []float32{0.25, 0}}, {ID: 3, Vector: []float32{-1, 0}}})
	q := driver.Query{Vector: []float32{1, 0}, Max: 9}
	for _, c := range []struct {
		min  float32
		want []uint64
	}{
		{0.5, []uint64{1}}, {math.Nextafter32(0.5, 1), nil}, {0.25, []uint64{1, 2}}, {0, []uint64{1, 2}}, {-1, []uint64{1, 2, 3}},
	} {
		q.MinScore = c.min
		r.wantIDs("minimum", r.search(q), c.want...)
	}
}

func infiniteMinScore(r *rig) {
	r.update([]driver.Entry{{ID: 1, Vector: []float32{1e10, 0}}, {ID: 2, Vector: []float32{-1e10, 0}}})
	q := driver.Query{Vector: []float32{1e4, 0}, Max: 9, MinScore: minusInf}
	r.wantIDs("-Inf", r.search(q), 1, 2)
	q.MinScore = -minusInf
	r.wantIDs("+Inf", r.search(q))
	q.MinScore = math.MaxFloat32
	r.wantIDs("largest", r.search(q))
}

func noQueries(r *rig) {
	r.update(one(1, 1, 0, 0))
	hits, err := r.d.Search(r.t.Context(), home, nil, make([][]driver.Hit, 3))
	if err != nil || len(hits) != 0 {
		r.t.Errorf("Search = %v, %v; want nothing", hits, err)
	}
}

func reuses(r *rig) {
	r.update(one(1, 1, 0, 0))
	dst := make([][]driver.Hit, 2)
	dst[0], dst[1] = make([]driver.Hit, 3, 8), make([]driver.Hit, 0, 8)
	first, second := &dst[0][:1][0], &dst[1][:1][0]
	hits, err := r.d.Search(r.t.Context(), home, []driver.Query{everything, everything}, dst)
	if err != nil || len(hits) != 2 || len(hits[0]) != 1 || len(hits[1]) != 1 {
		r.t.Fatalf("Search = %v, %v", hits, err)
	}
	if &hits[0][0] != first || &hits[1][0] != second {
		r.t.Error("the capacity of dst was not used")
	}
	hits, err = r.d.Search(r.t.Context(), home, []driver.Query{everything, everything, everything}, hits[:1])
	if err != nil || len(hits) != 3 {
		r.t.Fatalf("more queries than dst: %v, %v", hits, err)
	}
	for _, h := range hits {
		r.wantIDs("grown", h, 1)
	}
}

func batch(r *rig) {
	const dim = 65
	model := map[uint64][]float32{}
	for i := range uint64(2500) {
		model[i*3+1] = r.vector(dim, 1)
	}
	r.update(entriesOf(model))
	queries := make([]driver.Query, 9)
	for i := range queries {
		queries[i] = driver.Query{Vector: r.vector(dim, 1), MinScore: float32(i)*0.1 - 0.5, Max: 1 + 100*i}
	}
	got, err := r.d.Search(r.t.Context(), home, queries, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i, q := range queries {
		if want := r.search(q); !slices.Equal(got[i], want) {
			r.t.Errorf("query %d: %d hits in a batch, %d alone", i, len(got[i]), len(want))
		}
	}
}

// wantInvalid reports whether err is INVALID_ARGUMENT.
func (r *rig) wantInvalid(what string, err error) {
	r.t.Helper()
	if semabus.CodeOf(err) != semabus.CodeInvalidArgument {
		r.t.Errorf("%s: %v, want INVALID_ARGUMENT", what, err)
	}
}

func otherLength(r *rig) {
	r.update(one(1, 1, 0, 0))
	for _, v := range [][]float32{nil, {1}, {1, 0}, {1, 0, 0, 0}} {
		puts := []driver.Entry{{ID: 2, Vector: []float32{1, 1, 1}}, {ID: 3, Vector: v}}
		r.wantInvalid("put", r.d.Update(r.t.Context(), home, 2, puts, []uint64{1}))
		_, err := r.d.Search(r.t.Context(), home, []driver.Query{everything, {Vector: v, Max: 1}}, nil)
		r.wantInvalid("query", err)
	}
	r.wantInvalid("first vectors of two lengths", r.d.Update(r.t.Context(), driver.Partition{Tenant: "new"}, 1,
		[]driver.Entry{{ID: 1, Vector: []float32{1}}, {ID: 2, Vector: []float32{1, 2}}}, nil))
	r.wantVersion(driver.Partition{Tenant: "new"}, 0, 0)
	r.wantVersion(home, 1, 1)
	r.wantIDs("unchanged", r.search(everything), 1)
	r.update(nil, 1) // an empty partition keeps its length
	r.wantInvalid("put into an empty partition", r.d.Update(r.t.Context(), home, 3, one(1, 1), nil))
}

func notANumber(r *rig) {
	r.update(one(1, 1, 0, 0))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, v := range [][]float32{{nan, 0, 0}, {0, 0, nan}, {0, inf, 0}, {-inf, 0, 0}} {
		r.wantInvalid("put", r.d.Update(r.t.Context(), home, 2, one(2, v...), nil))
		_, err := r.d.Search(r.t.Context(), home, []driver.Query{{Vector: v, Max: 1}}, nil)
		r.wantInvalid("query", err)
	}
	_, err := r.d.Search(r.t.Context(), home, []driver.Query{{Vector: []float32{1, 0, 0}, Max: 1, MinScore: nan}}, nil)
	r.wantInvalid("minimum", err)
	r.wantVersion(home, 1, 1)
}

func badMax(r *rig) {
	r.update(one(1, 1, 0, 0))
	for _, n := range []int{0, -1, math.MinInt} {
		_, err := r.d.Search(r.t.Context(), home, []driver.Query{{Vector: []float32{1, 0, 0}, Max: n}}, nil)
		r.wantInvalid("Max", err)
	}
}

func endedContext(r *rig) {
	r.update(one(1, 1, 0, 0))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, searched := r.d.Search(ctx, home, []driver.Query{everything}, nil)
	_, _, asked := r.d.Version(ctx, home)
	for what, err := range map[string]error{
		"Update": r.d.Update(ctx, home, 2, one(2, 1, 1, 1), nil), "Search": searched, "Version": asked, "Drop": r.d.Drop(ctx, home),
	} {
		if !errors.Is(err, context.Canceled) || semabus.CodeOf(err) != semabus.CodeCanceled {
			r.t.Errorf("%s: %v, want CANCELLED with context.Canceled as its cause", what, err)
		}
	}
	r.wantVersion(home, 1, 1)
}
