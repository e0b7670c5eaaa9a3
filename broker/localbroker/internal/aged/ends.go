package aged

import "slices"

const (
	endParts   = 32
	endSamples = 2048
)

// ends is how the ends of a file's entries are distributed: the smallest, the largest, and what divides a sample of those
// between into endParts equal parts.
type ends [endParts + 1]int64

// before estimates what share of the entries has ended at now, 0–1; 0 and 1 are exact.
func (e *ends) before(now int64) float64 {
	if now < e[0] {
		return 0
	}
	if now >= e[endParts] {
		return 1
	}
	i := 0
	for e[i+1] <= now {
		i++
	}
	// Differences as floats: ends may be at both limits of the type.
	part := (float64(now) - float64(e[i])) / (float64(e[i+1]) - float64(e[i]))
	return min(max((float64(i)+part)/endParts, 1e-9), 1-1e-9)
}

// endSampler takes every n-th end: entries come in the order of their hashes, which says nothing of their ends.
type endSampler struct {
	every, seen     int
	sample          []int64
	smallest, large int64
}

func newEndSampler(entries int) endSampler { return endSampler{every: max(entries/endSamples, 1)} }

func (s *endSampler) add(until int64) {
	if s.seen == 0 {
		s.smallest, s.large = until, until
	}
	s.smallest, s.large = min(s.smallest, until), max(s.large, until)
	if s.seen%s.every == 0 {
		s.sample = append(s.sample, until)
	}
	s.seen++
}

// finish needs at least one end.
func (s *endSampler) finish() (e ends) {
	slices.Sort(s.sample)
	for i := range e {
		e[i] = s.sample[i*(len(s.sample)-1)/endParts]
	}
	e[0], e[endParts] = s.smallest, s.large
	return e
}
