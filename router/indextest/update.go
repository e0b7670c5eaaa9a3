package indextest

import "github.com/semabus/semabus/router/driver"

func updateCases() []testCase {
	return []testCase{
		{"Update/PutReplaceDelete", putReplaceDelete},
		{"Update/DeletedAndPutIsPut", deletedAndPut},
		{"Update/SameIDTwiceInOnePut", putTwice},
		{"Update/OldVersionIsIgnored", oldVersion},
		{"Update/EmptyMovesVersion", emptyUpdate},
		{"Update/OwnsNothingOfTheCaller", ownsNothing},
		{"Update/RandomAgainstMap", randomUpdates},
		{"Partition/Unknown", unknownPartition},
		{"Partition/Drop", dropped},
		{"Partition/TenantsAndSpacesAreApart", isolated},
	}
}

func one(id uint64, v ...float32) []driver.Entry { return []driver.Entry{{ID: id, Vector: v}} }

var everything = driver.Query{Vector: []float32{1, 0, 0}, MinScore: minusInf, Max: 100}

func putReplaceDelete(r *rig) {
	r.update([]driver.Entry{{ID: 7, Vector: []float32{1, 2, 3}}, {ID: 9, Vector: []float32{2, 2, 3}}})
	r.wantVersion(home, 1, 2)
	r.wantIDs("after put", r.search(everything), 9, 7)
	r.update(one(7, 3, 0, 0))
	r.wantVersion(home, 2, 2)
	hits := r.search(everything)
	r.wantIDs("after replace", hits, 7, 9)
	if len(hits) > 0 && hits[0].Score != 3 {
		r.t.Errorf("replaced entry scores %g, want 3", hits[0].Score)
	}
	r.update(nil, 7, 12345)
	r.wantVersion(home, 3, 1)
	r.wantIDs("after delete", r.search(everything), 9)
	r.update(one(0, 0, 0, 0), 9)
	r.wantIDs("id 0 and a zero vector", r.search(everything), 0)
}

func deletedAndPut(r *rig) {
	r.update(one(5, 1, 0, 0))
	r.update(one(5, 2, 0, 0), 5)
	r.wantIDs("both", r.search(everything), 5)
	r.wantVersion(home, 2, 1)
}

func putTwice(r *rig) {
	r.update([]driver.Entry{{ID: 5, Vector: []float32{1, 0, 0}}, {ID: 5, Vector: []float32{2, 0, 0}}})
	hits := r.search(everything)
	r.wantIDs("twice", hits, 5)
	if len(hits) > 0 && hits[0].Score != 2 {
		r.t.Errorf("score %g, want 2, that of the later one", hits[0].Score)
	}
}

func oldVersion(r *rig) {
	r.updateAt(home, 10, one(1, 1, 0, 0))
	for _, v := range []uint64{0, 1, 9, 10} {
		r.updateAt(home, v, one(2, 9, 0, 0), 1)
		r.wantVersion(home, 10, 1)
	}
	r.wantIDs("ignored", r.search(everything), 1)
	r.updateAt(home, 11, one(2, 9, 0, 0))
	r.wantIDs("newer", r.search(everything), 2, 1)
}

func emptyUpdate(r *rig) {
	r.update(nil)
	r.wantVersion(home, 1, 0)
	r.wantIDs("empty", r.search(everything))
	r.update(one(1, 1, 0, 0))
	r.update(nil)
	r.wantVersion(home, 3, 1)
}

func ownsNothing(r *rig) {
	v := []float32{1, 2, 3}
	puts := one(4, v...)
	puts[0].Vector = v
	deletes := []uint64{77}
	r.update(puts, deletes...)
	v[0], puts[0].ID, deletes[0] = 50, 99, 4
	hits := r.search(everything)
	r.wantIDs("caller's slices changed", hits, 4)
	if len(hits) > 0 && hits[0].Score != 1 {
		r.t.Errorf("score %g, want 1", hits[0].Score)
	}
}

// randomUpdates compares with a map after every update; most of them delete and replace what is there.
func randomUpdates(r *rig) {
	const dim = 33
	model := map[uint64][]float32{}
	for range r.rounds {
		puts := map[uint64][]float32{}
		for range r.rnd.IntN(120) {
			puts[r.rnd.Uint64N(600)] = r.vector(dim, 2)
		}
		var deletes []uint64
		for range r.rnd.IntN(150) {
			deletes = append(deletes, r.rnd.Uint64N(600))
		}
		r.update(entriesOf(puts), deletes...)
		for _, id := range deletes {
			delete(model, id)
		}
		for id, v := range puts {
			model[id] = v
		}
		r.wantVersion(home, r.version, len(model))
		q := driver.Query{Vector: r.vector(dim, 1), MinScore: float32(r.rnd.NormFloat64()), Max: 1 + r.rnd.IntN(700)}
		r.wantExact("random", model, q, r.search(q))
		if r.t.Failed() {
			return
		}
	}
	q := driver.Query{Vector: r.vector(dim, 1), MinScore: minusInf, Max: 1 << 20}
	if n := len(r.search(q)); n != len(model) {
		r.t.Errorf("%d entries, want %d", n, len(model))
	}
}

func unknownPartition(r *rig) {
	p := driver.Partition{Tenant: "nobody", Space: "nowhere"}
	r.wantVersion(p, 0, 0)
	dst := [][]driver.Hit{{{ID: 1}}, {{ID: 2}}, {{ID: 3}}}
	hits, err := r.d.Search(r.t.Context(), p, []driver.Query{everything, everything}, dst)
	if err != nil || len(hits) != 2 || len(hits[0])+len(hits[1]) != 0 {
		r.t.Errorf("Search = %v, %v; want two empty lists", hits, err)
	}
	if err := r.d.Drop(r.t.Context(), p); err != nil {
		r.t.Errorf("Drop: %v", err)
	}
}

func dropped(r *rig) {
	r.update(one(1, 1, 0, 0))
	if err := r.d.Drop(r.t.Context(), home); err != nil {
		r.t.Fatal(err)
	}
	r.wantVersion(home, 0, 0)
	r.wantIDs("dropped", r.search(everything))
	r.updateAt(home, 1, one(2, 1, 0)) // versions begin again, and the length is free
	r.wantIDs("again", r.search(driver.Query{Vector: []float32{1, 0}, Max: 9}), 2)
}

func isolated(r *rig) {
	all := []driver.Partition{{Tenant: "a", Space: "s"}, {Tenant: "b", Space: "s"}, {Tenant: "a", Space: "t"},
		{Tenant: "as"}, {Space: "as"}}
	for i, p := range all {
		r.updateAt(p, uint64(i+1), one(uint64(i+1), make([]float32, i+2)...))
	}
	for i, p := range all {
		r.wantVersion(p, uint64(i+1), 1)
		r.wantIDs(p.Tenant+"/"+p.Space, r.searchIn(p, driver.Query{Vector: make([]float32, i+2), Max: 9}), uint64(i+1))
	}
	if err := r.d.Drop(r.t.Context(), all[0]); err != nil {
		r.t.Fatal(err)
	}
	for i, p := range all[1:] {
		if n := len(r.searchIn(p, driver.Query{Vector: make([]float32, i+3), Max: 9})); n != 1 {
			r.t.Errorf("%v lost its entry when another partition was dropped", p)
		}
	}
}
