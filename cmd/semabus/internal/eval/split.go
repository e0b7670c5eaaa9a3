package eval

import (
	"cmp"
	"crypto/sha1" // the documented rule for a missing valid split, not security
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

const (
	splitTrain = "train"
	splitValid = "valid"
	splitTest  = "test"
)

// cutValid moves 20 % of train to valid where the set has no valid rows: those whose id (session, for dialogues) has a
// SHA-1 that is divisible by five in its first four bytes. The same rows on every machine, and no session in two splits.
func (s *Set) cutValid() {
	for i := range s.Rows {
		if s.Rows[i].Split == splitValid {
			return
		}
	}
	for i := range s.Rows {
		r := &s.Rows[i]
		key := cmp.Or(r.Session, r.ID)
		sum := sha1.Sum([]byte(key))
		if r.Split == splitTrain && binary.BigEndian.Uint32(sum[:4])%5 == 0 {
			r.Split = splitValid
		}
	}
}

// newRand is the generator of one purpose under one seed: two purposes never share a sequence.
func newRand(seed int64, purpose string) *rand.Rand {
	sum := sha1.Sum([]byte(strconv.FormatInt(seed, 10) + "/" + purpose))
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
}

// draw returns n of in (all when there are fewer), in an order given by rng; in is not changed.
func draw[T any](rng *rand.Rand, in []T, n int) []T {
	out := slices.Clone(in)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(n, len(out))]
}

// stratified keeps n items so that every stratum keeps its share: strata take turns in proportion (largest remainder, then
// order of appearance), members are drawn by seed, and the order of items stays. Nothing hangs on what a stratum is called.
func stratified[T any](items []T, n int, seed int64, stratum func(*T) string) []T {
	if n <= 0 || n >= len(items) {
		return items
	}
	at := map[string]int{}
	var strata [][]int // members, by order of appearance
	for i := range items {
		k := stratum(&items[i])
		if _, known := at[k]; !known {
			at[k] = len(strata)
			strata = append(strata, nil)
		}
		strata[at[k]] = append(strata[at[k]], i)
	}
	type share struct {
		stratum, take int
		rest          float64
	}
	shares := make([]share, len(strata))
	left := n
	for k, members := range strata {
		exact := float64(n) * float64(len(members)) / float64(len(items))
		shares[k] = share{k, int(exact), exact - float64(int(exact))}
		left -= int(exact)
	}
	slices.SortStableFunc(shares, func(a, b share) int { return cmp.Compare(b.rest, a.rest) })
	var keep []int
	for i, s := range shares {
		if i < left {
			s.take++
		}
		keep = append(keep, draw(newRand(seed, "limit/"+strconv.Itoa(s.stratum)), strata[s.stratum], s.take)...)
	}
	slices.Sort(keep)
	out := make([]T, len(keep))
	for i, k := range keep {
		out[i] = items[k]
	}
	return out
}

// renamed returns the set with every label replaced by a meaningless one drawn by seed.
func (s *Set) renamed(seed int64) *Set {
	order := draw(newRand(seed, "names"), s.Intents, len(s.Intents))
	to := make(map[string]string, len(order))
	for i := range order {
		to[order[i].Name] = fmt.Sprintf("label-%04d", i)
	}
	out := &Set{Name: s.Name, Intents: slices.Clone(s.Intents), Rows: slices.Clone(s.Rows)}
	for i := range out.Intents {
		out.Intents[i].Name = to[out.Intents[i].Name]
	}
	for i := range out.Rows {
		r := &out.Rows[i]
		r.Label = cmp.Or(to[r.Label], r.Label)
		r.Labels = slices.Clone(r.Labels)
		for j := range r.Labels {
			r.Labels[j] = cmp.Or(to[r.Labels[j]], r.Labels[j])
		}
	}
	return out
}

// halved returns the set with a seeded half of its intents; rows that name only dropped intents go with them.
func (s *Set) halved(seed int64) *Set {
	return s.without(s.holdOut(0.5, newRand(seed, "halve")))
}

// without returns the set with neither the named intents nor the rows that are for nobody else.
func (s *Set) without(drop map[string]bool) *Set {
	out := &Set{Name: s.Name}
	for i := range s.Intents {
		if !drop[s.Intents[i].Name] {
			out.Intents = append(out.Intents, s.Intents[i])
		}
	}
	for i := range s.Rows {
		gold := s.Rows[i].gold()
		if len(gold) == 0 || slices.ContainsFunc(gold, func(l string) bool { return !drop[l] }) {
			out.Rows = append(out.Rows, s.Rows[i])
		}
	}
	return out
}

// holdOut draws a share of the intents' names.
func (s *Set) holdOut(share float64, rng *rand.Rand) map[string]bool {
	n := int(share*float64(len(s.Intents)) + 0.5)
	out := make(map[string]bool, n)
	for _, d := range draw(rng, s.Intents, n) {
		out[d.Name] = true
	}
	return out
}

// mixed returns the two sets as one; labels and ids of the second are kept apart by its name. A message of one is out of
// scope for the intents of the other.
func (s *Set) mixed(o *Set) *Set {
	prefix := o.Name + "/"
	out := &Set{Name: s.Name + "+" + o.Name, Intents: slices.Clone(s.Intents), Rows: slices.Clone(s.Rows)}
	for _, d := range o.Intents {
		d.Name = prefix + d.Name
		out.Intents = append(out.Intents, d)
	}
	for _, r := range o.Rows {
		r.ID = prefix + r.ID
		if r.Label != "" && !r.OOS {
			r.Label = prefix + r.Label
		}
		r.Labels = slices.Clone(r.Labels)
		for j := range r.Labels {
			r.Labels[j] = prefix + r.Labels[j]
		}
		out.Rows = append(out.Rows, r)
	}
	return out
}
