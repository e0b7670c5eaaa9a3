package aged

const (
	// fanIn files of one tier are merged into one of the next: each tier is fanIn times the size of the one below.
	fanIn = 4
	// fullTier is the tier of files that are not merged any more.
	fullTier = 1 << 30
	// parts is how many merged files a large table has at least, so that what ends together can go together.
	parts = 8
	// maxRun is how many files are merged at once at most.
	maxRun = 32
	// maxFiles is beyond how many files neighbours are merged whatever their tiers.
	maxFiles = 32
)

// policy says which files Compact merges.
type policy struct {
	first int64 // files up to here are of the lowest tier, bytes
	full  int64 // a small table merges up to here, a larger one up to one of its parts, bytes
	max   int64 // Options.MaxBytes
}

func newPolicy(maxBytes int64) policy { return policy{256 << 10, 64 << 20, maxBytes} }

// run is a range of a view's files.
type run struct{ from, to int }

// plan finds files that should become one: neighbours, because a file hides what older ones say of the same keys.
//
//  1. fanIn or more of one tier with nothing larger between them, the lowest tier first. An entry is written once for each
//     tier that it rises through, so write amplification is about 1 + log₄(full size / size of what Flush writes).
//  2. Of too many files the two neighbours that are smallest together.
//  3. Where a third of all bytes belongs to entries that have ended, the file with the largest share of them. Each byte that
//     is gained so costs at most two written, and disk is at most 1.5 times what lives.
func (p policy) plan(v *view, now int64) (r run, ok bool) {
	limit, top := p.limit(v), -1
	tiers := make([]int, len(v.files))
	for i, f := range v.files {
		tiers[i] = p.tier(f.size, limit)
		if tiers[i] < fullTier {
			top = max(top, tiers[i])
		}
	}
	for t := range top + 1 {
		if r, ok = tierRun(tiers, t); ok {
			return v.bounded(r, limit), true
		}
	}
	if len(v.files) > maxFiles {
		return v.smallestPair(), true
	}
	return v.deadest(now)
}

// limit is the size that a merge does not exceed, bytes; files of more than half of it are full.
func (p policy) limit(v *view) int64 {
	if p.max > 0 {
		return max(p.max/parts, 1)
	}
	return max(v.bytes()/parts, p.full)
}

func (p policy) tier(size, limit int64) (t int) {
	if size > limit/2 {
		return fullTier
	}
	for ; size > p.first; size /= fanIn {
		t++
	}
	return t
}

// tierRun finds the oldest fanIn or more files of tier t that have no file of a higher one between them.
func tierRun(tiers []int, t int) (r run, ok bool) {
	count := 0
	for i, k := range tiers {
		if k > t {
			if count >= fanIn {
				break
			}
			count = 0
		} else if k == t {
			if count == 0 {
				r.from = i
			}
			r.to = i + 1
			count++
		}
	}
	return r, count >= fanIn
}

// bounded cuts a run of files that are not full to what may be merged at once. That is at least two.
func (v *view) bounded(r run, limit int64) run {
	to, size := r.from, int64(0)
	for to < r.to && to-r.from < maxRun && size+v.files[to].size <= limit {
		size += v.files[to].size
		to++
	}
	return run{r.from, to}
}

func (v *view) smallestPair() (r run) {
	least := int64(-1)
	for i := range len(v.files) - 1 {
		if size := v.files[i].size + v.files[i+1].size; least < 0 || size < least {
			least, r = size, run{i, i + 2}
		}
	}
	return r
}

// deadest does not count entries that have to stay to hide older ones.
func (v *view) deadest(now int64) (r run, ok bool) {
	var total, gain, most float64
	older := false // an older file lives
	for i, f := range v.files {
		dead := f.dead(now)
		if older {
			dead = max(dead-int64(f.shadows), 0)
		}
		older = older || !f.ended(now)
		share := float64(dead) / float64(f.entries)
		total += float64(f.size)
		gain += share * float64(f.size)
		if share > most {
			most, r = share, run{i, i + 1}
		}
	}
	return r, most > 0 && 3*gain >= total
}
